"""The cells of a study as tasks for workers: an analysis first, then the cells that score its statistics."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.calibration.statistics import SPEC_FILE
from gaprune_viz.config import CalibrationSpec, StudySpec
from gaprune_viz.experiments.executors.coordinator import ran
from gaprune_viz.experiments.executors.from_address import Team
from gaprune_viz.experiments.executors.tasks import Failure, Source, Task
from gaprune_viz.experiments.study.bench import Bench
from gaprune_viz.experiments.study.plan import Cell, calibration_of
from gaprune_viz.experiments.tracked_retraining import TRAINING, analysis_texts, texts_of, training_texts

Argument = Cell | CalibrationSpec
"""A cell, or the calibration of an analysis."""


def measured_by_workers(
    team: Team, bench: Bench, planned: Sequence[Cell]
) -> Generator[Progress, None, dict[str, Failure]]:
    """Have workers measure the cells that are not on disk; what was given up, by the name of the cell or analysis."""
    given = {"spec": bench.spec.model_dump(mode="json"), "folder": str(bench.folder.resolve())}
    return (yield from ran(team, Source(open_bench, given), Whole(bench), tasks_of(bench, planned)))


def open_bench(spec: dict[str, Any], folder: str) -> Whole:
    """The study as a worker has it."""
    return Whole(Bench(StudySpec.parse(spec), Path(folder)))


def cost(bench: Bench, cell: Cell) -> float:
    """What a cell costs, in texts that are encoded in the same time."""
    texts = sum(map(texts_of, bench.tasks.values()))
    return texts + (0 if cell.retrain is None else training_texts(cell.retrain, {}))


def share(task: Task, step: Progress) -> float:
    """How much of a task is done: of a cell only its training tells, and the retrieval comes after it."""
    if not isinstance(task.argument, Cell):
        return step.fraction
    retrain = task.argument.retrain
    return 0.0 if retrain is None or step.stage != TRAINING else step.fraction * training_texts(retrain, {}) / task.cost


def tasks_of(bench: Bench, planned: Sequence[Cell]) -> list[Task]:
    """What is missing: each cell, and before the first that needs it, its analysis."""
    tasks: list[Task] = []
    for cell in planned:
        name = bench.key(cell)
        if bench.store.read(name) is not None:
            continue
        needs: tuple[str, ...] = ()
        if cell.settings is not None:
            calibration = calibration_of(bench.spec, cell)
            needs = (analysis := bench.analysis_name(calibration),)
            if not (bench.folder / analysis / SPEC_FILE).is_file():
                label = f"Calibrating with {calibration.samples:,} samples, seed {calibration.seed}"
                tasks.append(Task(analysis, label, analysis_texts(calibration.samples), calibration))
        tasks.append(Task(name, cell.label, cost(bench, cell), cell, needs))
    return tasks


class Whole:
    """A whole study as the executors understand it: an argument is a cell, or the calibration of an analysis."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def name(self, argument: Argument) -> str:
        return self.bench.key(argument) if isinstance(argument, Cell) else self.bench.analysis_name(argument)

    def known(self, argument: Argument) -> dict[str, Any] | None:
        name = self.name(argument)
        if isinstance(argument, Cell):
            return self.bench.store.read(name)
        return {"analysis": name} if (self.bench.folder / name / SPEC_FILE).is_file() else None

    def done(self, argument: Argument) -> Generator[Progress, None, dict[str, Any]]:
        if isinstance(argument, Cell):
            return (yield from self.bench.measured(argument))
        return {"analysis": (yield from self.bench.analysed(argument)).name}

    def keep(self, argument: Argument, document: dict[str, Any]) -> dict[str, Any]:
        if isinstance(argument, Cell):
            return self.bench.store.write_once(self.name(argument), document)
        return document
