"""Run a sweep. Every finished cell is on disk before the next begins: one that was stopped goes on where it was."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pandas as pd

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import SIDES, ExecutorSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.comparison import COMPARED
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import RetrievalTask
from gaprune_viz.experiments.executors.opening import opened
from gaprune_viz.experiments.sweep.bench import Bench
from gaprune_viz.experiments.sweep.by_workers import swept_by_workers
from gaprune_viz.experiments.sweep.places import analysed, bench_of, place_label
from gaprune_viz.experiments.sweep.plan import Place, SweepPlan
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.storage.workspace import workspace

HERE = ExecutorSpec()
NUMBERS = (*COMPARED, "dense_ndcg_at_10", "of_dense", "low", "high", "p")
COLUMNS = ("kind", "row", "column", "sparsity", "task", "side", *NUMBERS)


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
        Progress after each task of each cell, in texts that are encoded; what is on disk costs none.

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
        if team is not None:
            yield from swept_by_workers(team, analysis_folder, plan)
    tasks = {side: load_task(source) for side, source in zip(SIDES, plan.tasks, strict=True)}
    bench = Bench(analysis_folder, model)
    places = list(plan.places())
    rows: list[dict[str, Any]] = []
    job = _Job(plan, bench, places, tasks)
    progress = job.progress
    yield progress("Sweep")
    if job.missing:
        # Of its own, so that the first cell takes as long as the others.
        yield progress("Loading the model")
        bench.loaded()
        yield progress("Sweep")
    for side in job.dense:
        bench.dense_scores(tasks[side])
        job.done += job.texts[side]
        yield progress(f"Dense, {tasks[side].name}")
    for row, column in places:
        label = place_label(plan, row, column)
        own = bench
        if plan.kind == "samples":

            def told(step: Progress, label: str = label) -> Progress:
                done = f", {step.fraction:.0%}" if step.total > 1 else ""
                return progress(f"{label}: {step.stage}{done}")

            own = Bench((yield from analysed(plan, bench, (row, column), told)), bench.model)
        settings = plan.settings(row, column)
        for side, task in tasks.items():
            numbers = own.cell(settings, task).numbers
            dense = numbers["dense_ndcg_at_10"]
            of_dense = numbers["ndcg_at_10"] / dense if dense > 0 else math.nan
            where = {"kind": plan.kind, "row": row, "column": column, "sparsity": settings.mask.sparsity}
            rows.append({**where, "task": task.name, "side": side, **numbers, "of_dense": of_dense})
            job.measured((row, column), side)
            yield progress(f"{label}, {task.name}")
    return pd.DataFrame(rows, columns=list(COLUMNS))


class _Job:
    """How far a sweep is, in texts that it encodes; what is on disk already costs nothing."""

    def __init__(self, plan: SweepPlan, bench: Bench, places: list[Place], tasks: dict[str, RetrievalTask]) -> None:
        self.texts = {side: len(task.queries) + len(task.corpus) for side, task in tasks.items()}
        self.missing = {
            (place, side)
            for place in places
            for side, task in tasks.items()
            if (own := bench if plan.kind != "samples" else bench_of(bench.statistics.folder, plan, place)) is None
            or own.known(plan.settings(*place), task) is None
        }
        sides = {side for _, side in self.missing}
        self.dense = [side for side, task in tasks.items() if side in sides and not bench.dense_known(task)]
        self.began, self.done = time.monotonic(), 0
        self.total = sum(self.texts[side] for side in [*self.dense, *(side for _, side in self.missing)])

    def measured(self, place: Place, side: str) -> None:
        """A cell is finished."""
        if (place, side) in self.missing:
            self.done += self.texts[side]

    def progress(self, stage: str) -> Progress:
        return Progress(stage, self.done, self.total, time.monotonic() - self.began)


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
            f"{too_many[0]:g} samples are more than the {available} that are there.", f"Use at most {available}."
        )
