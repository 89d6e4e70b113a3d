"""Run a sweep. Every finished cell is on disk before the next begins: one that was stopped goes on where it was."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pandas as pd

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import SIDES, ExecutorSpec, digits
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.executors.from_address import opened
from gaprune_viz.experiments.executors.serial import done_in_turn
from gaprune_viz.experiments.sweep.by_workers import Whole, share, swept_by_workers
from gaprune_viz.experiments.sweep.plan import SweepPlan
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.storage.workspace import workspace

HERE = ExecutorSpec()


def sweep(
    analysis_folder: Path, plan: SweepPlan, *, model: EmbeddingModel | None = None, executor: ExecutorSpec = HERE
) -> Generator[Progress, None, pd.DataFrame]:
    """Prune and evaluate every cell of a plan. Closing the generator keeps the cells that are finished.

    Args:
        analysis_folder: a finished analysis with its tensors; cells are kept in `sweep-cells` in it. The analyses of a
            sweep over samples are made in the workspace, where they are found again by their content.
        model: the dense model, where it is loaded already. It is loaded only if it is needed.
        executor: where the cells are measured.

    Yields:
        Progress, in texts that are encoded; what is on disk costs none.

    Returns:
        one row per cell and task, columns `COLUMNS`: `row` and `column` (values of the two swept settings),
        `sparsity`, `task` (its name), `side`, means of the metrics (0..1), `dense_ndcg_at_10`, `of_dense` (nDCG@10 as a
        fraction of the dense model's; nan where that is 0), `low` and `high` (95 % paired bootstrap interval of the
        difference in nDCG@10; nan with a single group of queries), `p` (permutation test of it).

    Raises:
        GapruneError: whatever a person can put right.
    """
    _check_samples(plan, Statistics.open(analysis_folder))
    shared = workspace() if plan.kind == "samples" else None
    with opened(executor, (analysis_folder, *([shared] if shared else [])), shared) as team:
        # Only now: where there are no workers to be had, no trace is left in the analysis.
        whole = Whole(analysis_folder, plan, model)
        if team is not None:
            yield from swept_by_workers(team, whole)
        tasks = whole.tasks()
        if tasks:
            # Of its own, so that the first cell takes as long as the others.
            yield Progress("Loading the model", 0, 1, 0.0)
            whole.bench.loaded()
        yield from done_in_turn(whole, tasks, share)
    return whole.frame()


def _check_samples(plan: SweepPlan, statistics: Statistics) -> None:
    """Refuse counts that there are not enough triplets for: their cells would all be the same."""
    if plan.kind != "samples":
        return
    if statistics.run.calibration.sampling == "all":
        raise GapruneError(
            "This analysis takes every sample; there is nothing to choose.", "Analyse with --sampling random or kmeans."
        )
    available = min(statistics.document["data"][side]["available"] for side in SIDES)
    if too_many := [row for row in plan.rows if float(row) > available]:
        raise GapruneError(
            f"{digits(float(too_many[0]))} samples are more than the {available} that are there.",
            f"Use at most {available}.",
        )
