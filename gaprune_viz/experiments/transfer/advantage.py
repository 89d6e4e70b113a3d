"""The domain advantage: what calibrating on the source that is measured is worth, in points of the dense score.

`advantage = mean over j of (score on j calibrated on j - mean of the scores on j calibrated on the others)`.

A calibration that is better everywhere, or a task that is easier, cancels out of it up to the scale of the tasks: what
is left is the match of the two. Intervals draw clusters of queries, each task on its own. Under the hypothesis that it
does not matter which source the weights were chosen with, the scores of one query may change places among the
calibrations (a permutation test: Good, Permutation Tests, 2000; the +1: Phipson and Smyth, 2010). That says how sure
the number is of these queries and these masks. Beside it stands how many of all ways to pair calibrations with tasks
reach as much: with few sources it can never be rare, and it is what speaks of sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np

from gaprune_viz.evaluation.significance import RESAMPLES, bootstrap_means, clustered, percentile_interval

PERMUTATIONS = 10_000
EXACT_UP_TO = 20_000
"""Arrangements that are enumerated; where there are more, some are drawn."""
CHUNK = 256


@dataclass(frozen=True)
class Gain:
    """Points of the dense score in percent, with the 95 % bootstrap interval; nan where there is none."""

    points: float
    low: float
    high: float


@dataclass(frozen=True)
class Advantage:
    """The domain advantage of one map.

    Attributes:
        whole: the mean over the tasks.
        by_task: of each task, in their order.
        p: two-sided, of the permutation of calibrations within clusters of queries, in (0, 1].
        pairings: ways to pair calibrations with tasks, each used once; reached: of them, those with an advantage at
            least as large, the true one among them.
    """

    whole: Gain
    by_task: tuple[Gain, ...]
    p: float
    reached: int
    pairings: int


def domain_advantage(
    scores: Sequence[np.ndarray],
    dense: Sequence[float],
    clusters: Sequence[np.ndarray],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    arrangements: int = PERMUTATIONS,
) -> Advantage:
    """The domain advantage of a map whose calibrations and tasks are in one order.

    Args:
        scores: for each task j, float64 [sources, queries]: row i is calibrated on source i; row j on j itself.
        dense: for each task, the dense model's mean score, above 0.
        clusters: for each task, the cluster of each query, int64 [queries].

    Raises:
        ValueError: shapes do not fit, there are fewer than two sources, or a dense mean is not above 0.
    """
    tables = [np.asarray(table, dtype=np.float64) for table in scores]
    n = len(tables)
    if n < 2 or any(table.ndim != 2 or len(table) != n for table in tables) or not (len(dense) == len(clusters) == n):
        raise ValueError(f"a map needs at least two sources and [sources, queries] a task, got {n} tasks")
    if not all(mean > 0 for mean in dense):
        raise ValueError("points of the dense score need a dense mean above 0")
    gains, drawn = [], []
    for j, (table, mean, groups) in enumerate(zip(tables, dense, clusters, strict=True)):
        differences = (table[j] - np.delete(table, j, axis=0).mean(axis=0)) * (100 / mean)
        means = bootstrap_means(differences, clusters=groups, seed=[seed, j], resamples=resamples)
        gains.append(Gain(float(differences.mean()), *percentile_interval(means)))
        drawn.append(means)
    whole = Gain(float(np.mean([gain.points for gain in gains])), *percentile_interval(np.mean(drawn, axis=0)))
    values = [_roles(table, mean, groups) for table, mean, groups in zip(tables, dense, clusters, strict=True)]
    means = np.stack([table.mean(axis=1) * (100 / mean) for table, mean in zip(tables, dense, strict=True)])
    pairings, reached = _pairings(means)
    return Advantage(whole, tuple(gains), _p_value(values, seed, arrangements), reached, pairings)


def _roles(table: np.ndarray, mean: float, groups: np.ndarray) -> np.ndarray:
    """What a cluster adds to the advantage where each source in turn plays the calibration of the task.

    Returns:
        float64 [sources, clusters], for a task's share of the sum over the tasks.
    """
    sums = np.stack([clustered(row, groups)[0] for row in table])
    n, queries = table.shape
    return (n * sums - sums.sum(axis=0)) / (n - 1) * (100 / mean) / queries


def _p_value(values: Sequence[np.ndarray], seed: int, arrangements: int) -> float:
    observed = sum(float(value[j].sum()) for j, value in enumerate(values))
    # Where all calibrations answer alike, changing places changes nothing.
    moving = np.concatenate([value[:, np.ptp(value, axis=0) > 0] for value in values], axis=1)
    n, clusters = moving.shape
    if not clusters:
        return 1.0
    reached = abs(observed) - 1e-12 * np.abs(moving).sum()
    places = np.arange(clusters)
    if n**clusters <= EXACT_UP_TO:
        sums = np.array([moving[list(roles), places].sum() for roles in product(range(n), repeat=clusters)])
        return float(np.mean(np.abs(sums) >= reached))
    rng = np.random.default_rng(seed)
    hits = 0
    for start in range(0, arrangements, CHUNK):
        roles = rng.integers(0, n, size=(min(CHUNK, arrangements - start), clusters))
        hits += int(np.count_nonzero(np.abs(moving[roles, places].sum(axis=1)) >= reached))
    return (1 + hits) / (1 + arrangements)


def _pairings(means: np.ndarray) -> tuple[int, int]:
    """How many ways to pair there are, and how many reach the true one.

    Args:
        means: float64 [tasks, sources], percent of dense.
    """
    n = len(means)
    everywhere = np.arange(n)
    # What a pairing adds beyond its choice of cells is the same for all of them.
    sums = np.array([means[everywhere, list(order)].sum() for order in permutations(range(n))])
    observed = means[everywhere, everywhere].sum()
    return len(sums), int(np.count_nonzero(sums >= observed - 1e-9 * np.abs(means).sum()))
