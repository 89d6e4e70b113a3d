"""Run a sweep. Every finished cell is on disk before the next begins: one that was stopped goes on where it was."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pandas as pd

from gaprune_viz.analysis.making import analyze
from gaprune_viz.calibration.progress import Progress, relayed
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import SIDES
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.comparison import COMPARED
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import RetrievalTask
from gaprune_viz.experiments.sweep.bench import Bench
from gaprune_viz.experiments.sweep.plan import Place, SweepPlan, Value
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.storage.workspace import workspace

NUMBERS = (*COMPARED, "dense_ndcg_at_10", "of_dense", "low", "high", "p")
COLUMNS = ("kind", "row", "column", "sparsity", "task", "side", *NUMBERS)


def sweep(
    analysis_folder: Path, plan: SweepPlan, *, model: EmbeddingModel | None = None
) -> Generator[Progress, None, pd.DataFrame]:
    """Prune and evaluate every cell of a plan. Closing the generator keeps the cells that are finished.

    Args:
        analysis_folder: a finished analysis with its tensors; cells are kept in `sweep-cells` in it. The analyses of a
            sweep over samples are made in the workspace, where they are found again by their content.
        model: the dense model, where it is loaded already. It is loaded only if it is needed.

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
    for row, column in places:
        label = place_label(plan, row, column)
        own = bench
        if plan.kind == "samples":
            folder = yield from _analysed(plan, bench, (row, column), label, progress)
            own = Bench(folder, bench.model)
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
        self.began, self.done = time.monotonic(), 0
        self.total = sum(self.texts[side] for _, side in self.missing)

    def measured(self, place: Place, side: str) -> None:
        """A cell is finished."""
        if (place, side) in self.missing:
            self.done += self.texts[side]

    def progress(self, stage: str) -> Progress:
        return Progress(stage, self.done, self.total, time.monotonic() - self.began)


def place_label(plan: SweepPlan, row: Value, column: Value) -> str:
    """A cell for people: `magnitude, sparsity 50 %`, `κ = auto, β = 0.3`, `128 samples, seed 2`."""
    axes = plan.axes
    if plan.kind == "samples":
        return f"{row:g} samples, seed {column:g}" if not isinstance(row, str) else f"{row}, {column}"
    first = f"{axes.row_symbol} = {_plain(row)}" if axes.row_symbol else str(row)
    second = (
        f"sparsity {100 * float(column):g} %"
        if axes.column == "sparsity"
        else f"{axes.column_symbol} = {_plain(column)}"
    )
    return f"{first}, {second}"


def _plain(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def bench_of(analysis_folder: Path, plan: SweepPlan, place: Place) -> Bench | None:
    """Where the cells of a place are kept; None where its analysis is not known yet."""
    if plan.kind != "samples":
        return Bench(analysis_folder)
    bench = Bench(analysis_folder)
    document = bench.store.read(_pointer(bench, plan, place), "analysis")
    # The name alone: what lies outside the workspace is no analysis of ours.
    folder = workspace() / Path(str(document["analysis"])).name if document else None
    return Bench(folder) if folder and folder.is_dir() else None


def _analysed(
    plan: SweepPlan, bench: Bench, place: Place, label: str, progress: Any
) -> Generator[Progress, None, Path]:
    """The analysis of one place of a sweep over samples: found in the workspace, or made there."""
    work = analyze(plan.run(bench.statistics.run, *place), model=bench.loaded())

    def told(step: Progress) -> Progress:
        done = f", {step.fraction:.0%}" if step.total > 1 else ""
        return progress(f"{label}: {step.stage}{done}")

    folder = yield from relayed(work, told)
    bench.store.write(_pointer(bench, plan, place), {"analysis": folder.name})
    return folder


def _pointer(bench: Bench, plan: SweepPlan, place: Place) -> str:
    """Under which key the name of a place's analysis is kept, so that its cells are found without the model."""
    return f"analysis-{plan.run(bench.statistics.run, *place).calibration.key()}"


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
