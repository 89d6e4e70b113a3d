"""The cells of a sweep as tasks, in this process or for workers; a cell is one setting on both tasks."""

from __future__ import annotations

import math
from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.config import SIDES
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.comparison import COMPARED
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.experiments.executors.coordinator import ran
from gaprune_viz.experiments.executors.from_address import Team
from gaprune_viz.experiments.executors.tasks import Source, Task, refuse_failed
from gaprune_viz.experiments.sweep.bench import Bench
from gaprune_viz.experiments.sweep.cell_places import analysed, bench_of, place_label
from gaprune_viz.experiments.sweep.plan import Place, SweepPlan
from gaprune_viz.experiments.tracked_retraining import analysis_texts, finishing_texts, texts_of
from gaprune_viz.models.encoder import EmbeddingModel

DENSE, ANALYSIS, CELL = "dense", "analysis", "cell"
NUMBERS = (*COMPARED, "dense_ndcg_at_10", "of_dense", "low", "high", "p")
COLUMNS = ("kind", "row", "column", "sparsity", "task", "side", *NUMBERS)


class Argument(NamedTuple):
    """The dense model on a side's task, the analysis of a place, or a place's cells."""

    kind: str
    side: str = ""
    place: Place = ("", "")


def swept_by_workers(team: Team, whole: Whole) -> Generator[Progress, None, None]:
    """Have workers measure the cells of a sweep that are not on disk.

    Raises:
        GapruneError: some of them could not be measured; the others are kept.
    """
    given = {"analysis": str(whole.bench.statistics.folder.resolve()), "plan": whole.plan.document()}
    tasks = whole.tasks()
    refuse_failed((yield from ran(team, Source(open_bench, given), whole, tasks)), len(tasks))


def open_bench(analysis: str, plan: dict[str, Any]) -> Whole:
    """The sweep as a worker has it."""
    return Whole(Path(analysis), SweepPlan.of(plan))


def share(task: Task, step: Progress) -> float:
    """How much of a task is done: a cell tells of what is made of its weights at most, which is a part of it."""
    return step.fraction if task.argument.kind == ANALYSIS else 0.0


class Whole:
    """A whole sweep as the executors understand it.

    Args:
        model: the dense model, where it is loaded already.
    """

    def __init__(self, analysis: Path, plan: SweepPlan, model: EmbeddingModel | None = None) -> None:
        # A wrong task leaves no trace.
        self.on = {side: load_task(source) for side, source in zip(SIDES, plan.tasks, strict=True)}
        self.plan, self.bench = plan, Bench(analysis, model)
        self.samples = plan.kind == "samples"
        self._own: tuple[Place, Bench] | None = None

    def tasks(self) -> list[Task]:
        """What is missing."""
        found, texts = [], sum(map(texts_of, self.on.values()))
        if not self.samples:
            dense = [Argument(DENSE, side) for side in self.on]
            found += [Task(self.name(a), f"Dense, {self.on[a.side].name}", texts_of(self.on[a.side]), a) for a in dense]
        for place in self.plan.places():
            label, cell = place_label(self.plan, *place), Argument(CELL, place=place)
            needs = [Argument(ANALYSIS, place=place)] if self.samples else [Argument(DENSE, side) for side in self.on]
            if self.samples:
                samples = self.plan.run(self.bench.statistics.run, *place).calibration.samples
                found.append(Task(self.name(needs[0]), f"{label}, analysis", analysis_texts(samples), needs[0]))
            cost = texts + finishing_texts(self.plan.settings(*place))
            found.append(Task(self.name(cell), label, cost, cell, tuple(map(self.name, needs))))
        return [task for task in found if self.known(task.argument) is None]

    def name(self, argument: Argument) -> str:
        if argument.kind == DENSE:
            return f"{DENSE}-{self.on[argument.side].content_hash}"
        run = self.plan.run(self.bench.statistics.run, *argument.place)
        if argument.kind == ANALYSIS:
            return f"{ANALYSIS}-{run.calibration.key()}"
        settings = self.plan.settings(*argument.place)
        keys = "-".join(self.bench.key(settings, task) for task in self.on.values())
        return f"{keys}-{run.calibration.key()}" if self.samples else keys

    def known(self, argument: Argument) -> dict[str, Any] | None:
        if argument.kind == DENSE:
            return {} if self.bench.dense_known(self.on[argument.side]) else None
        bench = bench_of(self.bench.statistics.folder, self.plan, argument.place) if self.samples else self.bench
        if bench is None or argument.kind == ANALYSIS:
            return None if bench is None else {}
        settings = self.plan.settings(*argument.place)
        return {} if all(bench.known(settings, task) for task in self.on.values()) else None

    def done(self, argument: Argument) -> Generator[Progress, None, dict[str, Any]]:
        if argument.kind == DENSE:
            self.bench.dense_scores(self.on[argument.side])
            return {}
        if argument.kind == ANALYSIS:
            yield from analysed(self.plan, self.bench, argument.place)
            return {}
        bench, settings = self._of(argument.place), self.plan.settings(*argument.place)
        bench.model = self.bench.loaded()
        found = {}
        for side, task in self.on.items():
            found[side] = yield from bench.measured(settings, task)
        return found

    def keep(self, argument: Argument, document: dict[str, Any]) -> dict[str, Any]:
        if argument.kind == CELL:
            bench, settings = self._of(argument.place), self.plan.settings(*argument.place)
            for side, task in self.on.items():
                bench.keep(settings, task, document[side])
        return document

    def frame(self) -> pd.DataFrame:
        """The cells, all of which are on disk: one row per cell and task, columns `COLUMNS`.

        Raises:
            GapruneError: one was deleted meanwhile.
        """
        rows: list[dict[str, Any]] = []
        for row, column in self.plan.places():
            bench, settings = self._of((row, column)), self.plan.settings(row, column)
            where = {"kind": self.plan.kind, "row": row, "column": column, "sparsity": settings.mask.sparsity}
            for side, task in self.on.items():
                cell = bench.known(settings, task)
                if cell is None:
                    raise GapruneError(f"The cell {place_label(self.plan, row, column)} is gone.", "Run it again.")
                dense = cell.numbers["dense_ndcg_at_10"]
                of_dense = cell.numbers["ndcg_at_10"] / dense if dense > 0 else math.nan
                rows.append({**where, "task": task.name, "side": side, **cell.numbers, "of_dense": of_dense})
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def _of(self, place: Place) -> Bench:
        """Where a place's cells are kept."""
        if not self.samples:
            return self.bench
        if self._own is None or self._own[0] != place:
            found = bench_of(self.bench.statistics.folder, self.plan, place)
            if found is None:
                raise GapruneError(f"The analysis of {place_label(self.plan, *place)} is gone.", "Run the sweep again.")
            self._own = (place, found)
        return self._own[1]
