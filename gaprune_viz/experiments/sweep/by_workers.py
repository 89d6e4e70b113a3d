"""The cells of a sweep as tasks for workers; a cell is one setting on both tasks, which share its mask."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.config import SIDES
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.experiments.executors.coordinator import ran
from gaprune_viz.experiments.executors.opening import Team
from gaprune_viz.experiments.executors.tasks import Source, Task, refuse_failed
from gaprune_viz.experiments.sweep.bench import Bench
from gaprune_viz.experiments.sweep.places import analysed, bench_of, place_label
from gaprune_viz.experiments.sweep.plan import Place, SweepPlan
from gaprune_viz.experiments.training import analysis_texts, texts_of

DENSE, ANALYSIS, CELL = "dense", "analysis", "cell"


class Argument(NamedTuple):
    """The dense model on a side's task, the analysis of a place, or a place's cells."""

    kind: str
    side: str = ""
    place: Place = ("", "")


def swept_by_workers(team: Team, analysis: Path, plan: SweepPlan) -> Generator[Progress, None, None]:
    """Have workers measure the cells of a sweep that are not on disk.

    Raises:
        GapruneError: some of them could not be measured; the others are kept.
    """
    given = {"analysis": str(analysis.resolve()), "plan": plan.document()}
    bench = open_bench(**given)
    tasks = bench.tasks()
    refuse_failed((yield from ran(team, Source(open_bench, given), bench, tasks)), len(tasks))


def open_bench(analysis: str, plan: dict[str, Any]) -> _Sweep:
    """The sweep as a worker has it."""
    return _Sweep(Path(analysis), SweepPlan.of(plan))


class _Sweep:
    """A sweep as the executors understand it."""

    def __init__(self, analysis: Path, plan: SweepPlan) -> None:
        self.plan, self.bench = plan, Bench(analysis)
        self.on = {side: load_task(source) for side, source in zip(SIDES, plan.tasks, strict=True)}
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
                found.append(Task(self.name(needs[0]), f"{label}: calibrating", analysis_texts(samples), needs[0]))
            found.append(Task(self.name(cell), label, texts, cell, tuple(map(self.name, needs))))
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
            yield from analysed(self.plan, self.bench, argument.place, lambda step: step)
            return {}
        bench, settings = self._of(argument.place), self.plan.settings(*argument.place)
        bench.model = self.bench.loaded()
        return {side: bench.measured(settings, task) for side, task in self.on.items()}

    def keep(self, argument: Argument, document: dict[str, Any]) -> dict[str, Any]:
        if argument.kind == CELL:
            bench, settings = self._of(argument.place), self.plan.settings(*argument.place)
            for side, task in self.on.items():
                bench.keep(settings, task, document[side])
        return document

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
