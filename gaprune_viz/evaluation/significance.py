"""How sure a mean difference is: paired bootstrap intervals and sign-flip permutation tests.

Both work on one number per query, the pruned score less the dense score, so that easy and hard queries do not blur
the comparison. See Smucker, Allan and Carterette (CIKM 2007) for both tests in information retrieval, Efron and
Tibshirani (1993, chapter 13) for percentile intervals, Phipson and Smyth (2010) for the +1 of the p-value.

Queries with the same relevant passages succeed and fail together. Where `clusters` are given, whole clusters are drawn
(Davison and Hinkley, 1997, section 3.8) and change sign together: treated as independent, they would make intervals
too narrow and p-values too small.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

RESAMPLES = 2_000
PERMUTATIONS = 10_000
EXACT_UP_TO = 14
CHUNK = 1 << 20


def paired_bootstrap(
    differences: np.ndarray,
    *,
    clusters: np.ndarray | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean of paired differences.

    Args:
        differences: [n], one number per query.
        clusters: [n], the cluster of each query; None where each is one of its own.
        resamples: how many times as many clusters as there are, are drawn with replacement.
        level: coverage asked for, between 0 and 1.

    Returns:
        lower and upper end. Both are nan for fewer than two clusters, which say nothing about spread.
    """
    return percentile_interval(bootstrap_means(differences, clusters=clusters, seed=seed, resamples=resamples), level)


def bootstrap_means(
    differences: np.ndarray,
    *,
    clusters: np.ndarray | None = None,
    seed: int | Sequence[int] = 0,
    resamples: int = RESAMPLES,
) -> np.ndarray:
    """The mean of every resample: what intervals are cut from, also those of sums over several tasks.

    Args:
        differences, clusters, resamples: as `paired_bootstrap`.
        seed: several numbers where several tasks are drawn apart from each other.

    Returns:
        float64 [resamples]; all nan for fewer than two clusters.
    """
    sums, sizes = clustered(differences, clusters)
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, got {resamples}")
    n = len(sums)
    if n < 2:
        return np.full(resamples, np.nan)
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    for start, end in _chunks(resamples, n):
        drawn = rng.integers(0, n, size=(end - start, n))
        means[start:end] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return means


def percentile_interval(means: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Lower and upper end of the middle share `level` of resampled means [resamples]; nan where there are none."""
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}")
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def sign_flip_test(
    differences: np.ndarray,
    *,
    clusters: np.ndarray | None = None,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
) -> float:
    """Two-sided paired permutation test: were the two systems the same, every sign would be a coin toss.

    Up to 14 sums of clusters other than zero are enumerated exactly. Above that, signs are drawn and the observed
    arrangement counts as one of them: (1 + hits) / (1 + permutations).

    Args:
        differences: [n], one number per query.
        clusters: [n], the cluster of each query, whose signs flip together; None where each is one of its own.
        permutations: how many sign arrangements are drawn.

    Returns:
        the p-value, in (0, 1].
    """
    values, _ = clustered(differences, clusters)
    if permutations < 1:
        raise ValueError(f"permutations must be at least 1, got {permutations}")
    # Flipping a zero changes nothing.
    values = values[values != 0]
    n = len(values)
    if n == 0:
        return 1.0
    # Sums that are equal on paper differ in their last bits.
    reached = abs(values.sum()) - 1e-12 * np.abs(values).sum()
    if n <= EXACT_UP_TO:
        patterns = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return float(np.mean(np.abs((2 * patterns - 1) @ values) >= reached))
    rng = np.random.default_rng(seed)
    hits = 0
    for start, end in _chunks(permutations, n):
        signs = rng.integers(0, 2, size=(end - start, n), dtype=np.int8) * 2.0 - 1.0
        hits += int(np.count_nonzero(np.abs(signs @ values) >= reached))
    return (1 + hits) / (1 + permutations)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values of several tests, adjusted so that the chance of any false alarm among them stays what one has.

    Holm (1979): the smallest is multiplied by how many there are, the next by one fewer, and none falls below one
    before it.
    """
    adjusted, least = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = least
    return adjusted


def clustered(differences: np.ndarray, clusters: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Sum of the differences and number of queries of each cluster, float64 [clusters]."""
    values = _checked(differences)
    if clusters is None:
        return values, np.ones(len(values))
    labels = np.asarray(clusters)
    if labels.shape != values.shape:
        raise ValueError(f"clusters must be one label per difference; got {labels.shape} for {values.shape}")
    _, place = np.unique(labels, return_inverse=True)
    return np.bincount(place, weights=values), np.bincount(place).astype(np.float64)


def _checked(differences: np.ndarray) -> np.ndarray:
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"differences must be finite and [n], n >= 1; got shape {values.shape}")
    return values


def _chunks(rows: int, columns: int) -> list[tuple[int, int]]:
    """Row ranges of a [rows, columns] table that hold at most `CHUNK` cells, or one row."""
    step = max(1, CHUNK // columns)
    return list(pairwise([*range(0, rows, step), rows]))
