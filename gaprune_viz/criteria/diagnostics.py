"""What decides a mask: term shares, overlap and rank correlation of scores.

Everything takes torch tensors or numpy arrays of any one shape. `weights` are sampling weights (how many weights of
the model each sampled one stands for); without them every entry counts once. Sums are float64.
The sentences made of the results are written in `gaprune_viz.masking.sentences`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import nan, sqrt

import numpy as np
from torch import Tensor

Values = Tensor | np.ndarray


def term_shares(terms: Mapping[str, Values], weights: Values | None = None) -> dict[str, float]:
    """Share of each additive term in the variance of their sum: Cov(term, sum) / Var(sum).

    The shares add up to 1. One can be negative or above 1: a term may pull against the others. For `dai_released` the
    terms add up to the argument of the softplus, which orders weights as the score does.

    Returns:
        one share per term. All are 0.0 where the sum is constant: then no term decides anything, and callers say so.
    """
    arrays = {name: _flat(term).astype(np.float64, copy=False) for name, term in terms.items()}
    total = np.zeros(0)
    for place, array in enumerate(arrays.values()):
        total = array.copy() if place == 0 else np.add(total, array, out=total)
    if total.size == 0 or total.min() == total.max():
        return dict.fromkeys(arrays, 0.0)
    # The variance does not change with the unit, and products of huge scores would overflow.
    unit = max(total.max(), -total.min())
    weight = _normalised(weights, total.size)
    total /= unit
    deviation = _centred(total, weight)
    spread = weight * deviation
    variance = _dot(spread, deviation)
    if variance <= 0:
        return dict.fromkeys(arrays, 0.0)
    return {name: _dot(spread, _centred(array, weight)) / unit / variance for name, array in arrays.items()}


def overlap(pruned_a: Values, pruned_b: Values, weights: Values | None = None) -> tuple[float, float]:
    """How far two masks prune the same weights: |A and B| / |A|, and the Jaccard index |A and B| / |A or B|.

    Args:
        pruned_a: bool, True = pruned.
        pruned_b: bool of the same shape.

    Returns:
        both in [0, 1]. Two masks that prune nothing agree: (1.0, 1.0). Where only A prunes nothing: (0.0, 0.0).
    """
    a, b = _flat(pruned_a).astype(bool), _flat(pruned_b).astype(bool)
    count = _counter(weights)
    both, only_a, only_b = count(a & b), count(a & ~b), count(b & ~a)
    if both + only_a + only_b == 0:
        return 1.0, 1.0
    return (both / (both + only_a) if both else 0.0), both / (both + only_a + only_b)


def rank_correlation(a: Values, b: Values, weights: Values | None = None) -> float:
    """Spearman's rank correlation, with average ranks for ties; nan where one side is constant."""
    return ranked_correlation(average_ranks(a, weights), average_ranks(b, weights), weights)


def ranked_correlation(ranks_a: np.ndarray, ranks_b: np.ndarray, weights: Values | None = None) -> float:
    """Pearson's correlation of ranks from `average_ranks`, for callers that keep the ranks of one side."""
    if ranks_a.size == 0:
        return nan
    return spread_correlation(rank_spread(ranks_a, weights), rank_spread(ranks_b, weights))


def rank_spread(ranks: np.ndarray, weights: Values | None = None) -> tuple[np.ndarray, float]:
    """Ranks about their mean, each times the root of its share of the weight, and their norm (0: all are equal)."""
    if ranks.size == 0 or ranks.min() == ranks.max():
        return np.zeros(ranks.size), 0.0
    weight = _normalised(weights, ranks.size)
    spread = _centred(ranks, weight) * np.sqrt(weight)
    return spread, sqrt(_dot(spread, spread))


def spread_correlation(a: tuple[np.ndarray, float], b: tuple[np.ndarray, float]) -> float:
    """Correlation of two sides of `rank_spread`; nan where one is constant."""
    norm = a[1] * b[1]
    return min(1.0, max(-1.0, _dot(a[0], b[0]) / norm)) if norm else nan


def average_ranks(values: Values, weights: Values | None = None) -> np.ndarray:
    """Average rank of each value, from 1: float64 [n]. With weights, each value takes up so many ranks."""
    flat = _flat(values)
    if flat.size == 0:
        return np.zeros(0)
    if np.isnan(flat.min()):
        raise ValueError("values that are not a number have no rank")
    order = np.argsort(flat)
    ordered = flat[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    weight = np.ones(flat.size) if weights is None else _flat(weights).astype(np.float64)
    taken = np.add.reduceat(weight[order], starts)
    middle = np.cumsum(taken) - (taken - 1) / 2
    ranks = np.empty(flat.size)
    ranks[order] = np.repeat(middle, np.diff(np.append(starts, flat.size)))
    return ranks


def _flat(values: Values) -> np.ndarray:
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    return array.reshape(-1)


def _normalised(weights: Values | None, size: int) -> np.ndarray:
    """Sampling weights that add up to 1."""
    if weights is None:
        return np.full(size, 1 / max(size, 1))
    weight = _flat(weights).astype(np.float64)
    return weight / weight.sum()


def _counter(weights: Values | None) -> Callable[[np.ndarray], float]:
    """A function from a bool array to how many weights it stands for."""
    if weights is None:
        return lambda chosen: float(np.count_nonzero(chosen))
    weight = _flat(weights).astype(np.float64)
    return lambda chosen: float(weight[chosen].sum())


def _centred(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return values - _dot(weight, values)


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    """Sum of products. Not `@`: BLAS would start threads, which wait for each other beside a running calibration."""
    return float(np.einsum("i,i->", a, b))
