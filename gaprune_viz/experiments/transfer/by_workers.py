"""The cells of a transfer map as tasks for workers: the analyses of a cell's sources first, then the cell."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.config import TransferSpec
from gaprune_viz.experiments.executors.coordinator import ran
from gaprune_viz.experiments.executors.from_address import Team
from gaprune_viz.experiments.executors.tasks import Source, Task, refuse_failed
from gaprune_viz.experiments.tracked_retraining import analysis_texts, texts_of
from gaprune_viz.experiments.transfer.bench import Bench
from gaprune_viz.experiments.transfer.calibrations import Arm, arm_of
from gaprune_viz.experiments.transfer.plan import Cell

OVERLAP_COST = 20
"""Of two masks held against each other, in texts that are encoded in the same time."""


class Calibrated(NamedTuple):
    """The analysis that is calibrated on the source at a place, with the texts of an arm."""

    arm: Arm
    place: int


Argument = Cell | Calibrated
"""A cell, or an analysis."""


def measured_by_workers(team: Team, bench: Bench, planned: Sequence[Cell]) -> Generator[Progress, None, None]:
    """Have workers make the analyses and measure the cells that are not on disk.

    Raises:
        GapruneError: some could not be; the others are kept.
    """
    given = {"spec": bench.spec.model_dump(mode="json"), "folder": str(bench.folder.resolve())}
    tasks = tasks_of(bench, planned)
    refuse_failed((yield from ran(team, Source(open_bench, given), Whole(bench), tasks)), len(tasks))


def open_bench(spec: dict[str, Any], folder: str) -> Whole:
    """The map as a worker has it."""
    return Whole(Bench(TransferSpec.parse(spec), Path(folder)))


def cost(bench: Bench, cell: Cell) -> float:
    """What a cell costs, in texts that are encoded in the same time."""
    return OVERLAP_COST if cell.task is None else texts_of(bench.sources[cell.task].task)


def share(task: Task, step: Progress) -> float:
    """How much of a task is done: a cell tells of a refit at most, which is a small part of it."""
    return step.fraction if isinstance(task.argument, Calibrated) else 0.0


def tasks_of(bench: Bench, planned: Sequence[Cell]) -> list[Task]:
    """What is missing: each cell, and before the first that needs it, each analysis; none of them twice."""
    whole, found, looked = Whole(bench), dict[str, Task](), set[str]()
    for cell in planned:
        name = bench.key(cell)
        if name in found or bench.store.read(name) is not None:
            continue
        # What the weights alone decide is pruned within a scope as well, which is opened with an analysis.
        needs = [Calibrated(arm_of(cell), place) for place in cell.calibrated]
        for need in needs:
            if (analysis := whole.name(need)) not in looked and whole.known(need) is None:
                found[analysis] = _calibrating(bench, need, analysis)
            looked.add(analysis)
        names = tuple(map(whole.name, needs))
        found[name] = Task(name, cell.label(bench.labels), cost(bench, cell), cell, names, _made_for(cell))
    return list(found.values())


def _made_for(cell: Cell) -> str:
    """What the cells of one mask share: the mask, and what is refitted over it."""
    return repr((cell.row, cell.sparsity, cell.seed, cell.shuffled, cell.calibrated)) if cell.kind == "score" else ""


def _calibrating(bench: Bench, argument: Calibrated, name: str) -> Task:
    arm, place = argument
    how = f"{', shuffled' if arm.shuffled else ''}, seed {arm.seed}"
    texts = analysis_texts(bench.spec.calibration.samples)
    return Task(name, f"Calibrating on {bench.labels[place]}{how}", texts, argument)


class Whole:
    """A whole map as the executors understand it: an argument is a cell, or an analysis."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def name(self, argument: Argument) -> str:
        if isinstance(argument, Cell):
            return self.bench.key(argument)
        return self.bench.calibrations.folder_of(*argument).name

    def known(self, argument: Argument) -> dict[str, Any] | None:
        if isinstance(argument, Cell):
            return self.bench.store.read(self.name(argument))
        return {"analysis": self.name(argument)} if self.bench.calibrations.is_made(*argument) else None

    def done(self, argument: Argument) -> Generator[Progress, None, dict[str, Any]]:
        if isinstance(argument, Cell):
            return (yield from self.bench.measured(argument))
        return {"analysis": (yield from self.bench.calibrations.analysed(*argument)).name}

    def keep(self, argument: Argument, document: dict[str, Any]) -> dict[str, Any]:
        if isinstance(argument, Cell):
            return self.bench.store.write_once(self.name(argument), document)
        return document
