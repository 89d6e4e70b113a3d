"""The difference of any two cells of a sweep, or of a cell and the dense model, query by query."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gaprune_viz.config import SIDES
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.significance import paired_bootstrap, sign_flip_test
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import RetrievalTask
from gaprune_viz.experiments.sweep.cell_places import bench_of, place_label
from gaprune_viz.experiments.sweep.plan import Place, SweepPlan


@dataclass(frozen=True)
class CellDifference:
    """Two cells on one task.

    Attributes:
        side, task: which of the two tasks.
        first, second: mean nDCG@10 of each.
        delta: first less second. low, high: its 95 % paired bootstrap interval; nan with a single group of queries.
        p: two-sided paired permutation test.
        queries, clusters: judged queries, and groups of them with the same relevant passages.
    """

    side: str
    task: str
    first: float
    second: float
    delta: float
    low: float
    high: float
    p: float
    queries: int
    clusters: int


def difference(
    analysis_folder: Path, plan: SweepPlan, first: Place, second: Place | None = None
) -> list[CellDifference]:
    """Compare two finished cells on both tasks.

    Args:
        first, second: (row, column); None for the dense model.

    Raises:
        GapruneError: a cell is not there yet.
    """
    return [
        _difference(
            side, task, _scores(analysis_folder, plan, first, task), _second(analysis_folder, plan, first, second, task)
        )
        for side, task in ((side, load_task(source)) for side, source in zip(SIDES, plan.tasks, strict=True))
    ]


def _difference(side: str, task: RetrievalTask, first: np.ndarray, second: np.ndarray) -> CellDifference:
    groups = task.clusters(task.judged)
    values = first - second
    low, high = paired_bootstrap(values, clusters=groups)
    return CellDifference(
        side=side,
        task=task.name,
        first=float(first.mean()),
        second=float(second.mean()),
        delta=float(values.mean()),
        low=low,
        high=high,
        p=sign_flip_test(values, clusters=groups),
        queries=len(groups),
        clusters=int(groups.max()) + 1,
    )


def _second(folder: Path, plan: SweepPlan, first: Place, second: Place | None, task: RetrievalTask) -> np.ndarray:
    if second is not None:
        return _scores(folder, plan, second, task)
    bench = bench_of(folder, plan, first)
    assert bench is not None
    return bench.dense_scores(task)


def _scores(folder: Path, plan: SweepPlan, place: Place, task: RetrievalTask) -> np.ndarray:
    bench = bench_of(folder, plan, place)
    cell = bench and bench.known(plan.settings(*place), task)
    if cell is None:
        raise GapruneError(f"The cell {place_label(plan, *place)} is not computed yet.", "Run the sweep first.")
    return cell.ndcg_at_10
