"""Weights of a sample that make it add up: as many weights in every class of the usual scores as the matrix has.

Each entry of a sample of n out of N begins with the weight N / n. Raking (Deming and Stephan, On a least squares
adjustment of a sampled frequency table, 1940) scales the weights of every class of one margin to its true total, then
those of the next margin, and goes round. What is left of a score's sampling error is that within one class.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gaprune_viz.config import Alignment
from gaprune_viz.core.classes import classed, flat_values
from gaprune_viz.core.statistics import MatrixStatistics

# As many classes of a margin as keep about so many entries each, up to MOST.
PER_CLASS = 12
MOST = 128
ROUNDS = 12
# No entry may stand for many times its share, however the margins pull.
WIDEST = 4.0
# Of the presets whose scores are among the margins.
ALPHA, BETA = np.float32(0.2), np.float32(0.3)


def raked(stats: MatrixStatistics, flat: np.ndarray, kappa: float = 0.0) -> np.ndarray:
    """How many weights of a matrix each sampled one stands for.

    Args:
        stats: of the whole matrix, [out, in].
        flat: int64 [n], the sampled positions, row * in + column.
        kappa: the scope's Fisher scale at power 0.5; 0: none.

    Returns:
        float64 [n], adding up to out * in.
    """
    size, n = stats.theta.numel(), len(flat)
    weight = np.full(n, size / n)
    classes = min(MOST, n // PER_CLASS)
    if n >= size or classes < 2:
        return weight
    margins = [margin for margin in (_margin(values, flat, classes) for values in _scores(stats, kappa)) if margin]
    for _ in range(ROUNDS):
        for place, total in margins:
            have = np.bincount(place, weights=weight, minlength=len(total))
            weight *= np.divide(total, have, out=np.ones(len(total)), where=(have > 0) & (total > 0))[place]
        weight = weight.clip(size / n / WIDEST, size / n * WIDEST)
    return weight * (size / weight.sum())


def _scores(stats: MatrixStatistics, kappa: float) -> Iterator[np.ndarray]:
    """What the classes are made of, float32 [out * in] each: what criteria rank by, DAI as published and balanced."""
    size = flat_values(stats.theta.abs())
    domain, general = flat_values(stats.fisher_domain), flat_values(stats.fisher_general)
    root, steep = np.sqrt(size), size * size
    yield size
    yield root * (1 + ALPHA * flat_values(stats.alignment(Alignment.SIGN)))
    yield domain
    yield (domain + general) * steep
    if kappa > 0:
        fisher = np.sqrt(domain) - BETA * np.sqrt(general)
        correlation = flat_values(stats.alignment(Alignment.CORRELATION))
        yield (np.float32(kappa) * fisher * size + root) * (1 + ALPHA * correlation)


def _margin(values: np.ndarray, flat: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray] | None:
    """The class of each sampled entry, int64 [n], and how many weights of the matrix each class has, float64 [classes].

    None where nearly all values are alike.
    """
    place, count = classed(values, classes)
    if count < 3:
        return None
    return place[flat].astype(np.int64), np.bincount(place, minlength=count).astype(np.float64)
