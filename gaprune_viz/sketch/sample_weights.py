"""Weights of a sample that make it add up: as many weights up to any level of the usual scores as the matrix has.

Each entry of a sample of n out of N begins with the weight N / n. Calibration of a survey (Deville and Särndal,
Calibration estimators in survey sampling, 1992) changes these as little as it must for known totals to come out right.
Known here is how many weights of the matrix lie below each of many levels of each score. There are more levels than
entries could meet exactly, so that what is left is penalised, not forbidden (ridge calibration: Chambers, Robust
case-weighting for multipurpose establishment surveys, 1996): the error is spread over all levels, and adds up at none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gaprune_viz.calibration.statistics import MatrixStatistics
from gaprune_viz.config import Alignment
from gaprune_viz.criteria.alignment import align_matrix
from gaprune_viz.sketch.quantile_classes import classed, flat_values

# Levels of a score; large samples lie close enough with fewer, and pay for each.
LEVELS, LEVELS_OF_MANY, MANY = 256, 128, 4_096
# What is left at a level is dealt with like so many entries' worth of changed weights.
SLACK = 7.0
ROUNDS = 3
# No entry may stand for many times its share, or for nearly nothing.
WIDEST = 4.0
# Of the presets whose scores are fitted.
ALPHA, BETA = np.float32(0.2), np.float32(0.3)


@dataclass(frozen=True)
class _Levels:
    """The classes between the levels of one score.

    Attributes:
        place: int64 [n], the class of each sampled entry.
        below: float64 [classes - 1], how many weights of the matrix lie in the classes up to each.
    """

    place: np.ndarray
    below: np.ndarray

    @property
    def classes(self) -> int:
        return len(self.below) + 1


def fitted_weights(stats: MatrixStatistics, flat: np.ndarray, kappa: float = 0.0) -> np.ndarray:
    """How many weights of a matrix each sampled one stands for.

    Args:
        stats: of the whole matrix, [out, in].
        flat: int64 [n], the sampled positions, row * in + column.
        kappa: the scope's Fisher scale at power 0.5; 0: none.

    Returns:
        float64 [n], adding up to out * in.
    """
    size, n = stats.theta.numel(), len(flat)
    share = size / n
    weight = np.full(n, share)
    count = min(n, LEVELS if n < MANY else LEVELS_OF_MANY)
    found = [_levels(values, flat, count) for values in _scores(stats, kappa)] if n < size else []
    scores = [levels for levels in found if levels is not None]
    if not scores:
        return weight
    true = np.concatenate([levels.below for levels in scores])
    for _ in range(ROUNDS):
        gram, have = _products(scores, weight)
        gram[np.diag_indices_from(gram)] += SLACK * share
        factor = torch.linalg.cholesky(torch.from_numpy(gram))
        pull = torch.cholesky_solve(torch.from_numpy(true - have)[:, None], factor)[:, 0].numpy()
        weight = (weight * (1 + _felt(scores, pull))).clip(share / WIDEST, share * WIDEST)
    return weight * (size / weight.sum())


def _scores(stats: MatrixStatistics, kappa: float) -> Iterator[np.ndarray]:
    """What is fitted, float32 [out * in] each: what criteria rank by, DAI as published and balanced."""
    size = flat_values(stats.theta.abs())
    domain, general = flat_values(stats.fisher_domain), flat_values(stats.fisher_general)
    root, steep = np.sqrt(size), size * size
    yield size
    yield root * (1 + ALPHA * flat_values(align_matrix(Alignment.SIGN, stats)))
    yield domain
    yield (domain + general) * steep
    if kappa > 0:
        fisher = np.sqrt(domain) - BETA * np.sqrt(general)
        correlation = flat_values(align_matrix(Alignment.CORRELATION, stats))
        yield (np.float32(kappa) * fisher * size + root) * (1 + ALPHA * correlation)


def _levels(values: np.ndarray, flat: np.ndarray, count: int) -> _Levels | None:
    """Equally full classes of a score; None where nearly all values are alike."""
    place, classes = classed(values, count)
    if classes < 3:
        return None
    totals = np.bincount(place, minlength=classes).astype(np.float64)
    return _Levels(place[flat].astype(np.int64), totals.cumsum()[:-1])


def _products(scores: Sequence[_Levels], weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For the indicators "up to this level" of all scores: weighted inner products [levels, levels], sums [levels]."""
    starts = np.cumsum([0, *(len(levels.below) for levels in scores)])
    gram = np.empty((starts[-1], starts[-1]))
    for i, one in enumerate(scores):
        for j, other in enumerate(scores[: i + 1]):
            cells = one.place * other.classes + other.place
            table = np.bincount(cells, weight, one.classes * other.classes).reshape(one.classes, other.classes)
            block = table.cumsum(0).cumsum(1)[:-1, :-1]
            gram[starts[i] : starts[i + 1], starts[j] : starts[j + 1]] = block
            gram[starts[j] : starts[j + 1], starts[i] : starts[i + 1]] = block.T
    # An indicator's product with itself is its sum.
    return gram, gram.diagonal().copy()


def _felt(scores: Sequence[_Levels], pull: np.ndarray) -> np.ndarray:
    """What the pulls of all levels add up to at each entry, float64 [n]: a level pulls at every entry below it."""
    felt, start = 0.0, 0
    for levels in scores:
        own = pull[start : start + len(levels.below)]
        felt = felt + np.append(own[::-1].cumsum()[::-1], 0.0)[levels.place]
        start += len(own)
    return np.asarray(felt)
