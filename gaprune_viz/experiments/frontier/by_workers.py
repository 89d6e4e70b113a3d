"""The rows of a frontier as tasks for workers. Times count beside each other only: they are taken in one place."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.config import FrontierSpec
from gaprune_viz.experiments.executors.coordinator import ran
from gaprune_viz.experiments.executors.from_address import Team
from gaprune_viz.experiments.executors.tasks import Source, Task, refuse_failed
from gaprune_viz.experiments.frontier.bench import FrontierBench
from gaprune_viz.experiments.frontier.rows import Row
from gaprune_viz.experiments.tracked_retraining import finishing_texts, texts_of


def measured_by_workers(team: Team, bench: FrontierBench, rows: list[Row]) -> Generator[Progress, None, None]:
    """Have workers make the models that are missing, and measure how well they answer.

    Raises:
        GapruneError: some could not be; the others are kept.
    """
    tasks = tasks_of(bench, rows)
    given = {"analysis": str(bench.analysis.resolve()), "spec": bench.spec.model_dump(mode="json")}
    source = Source(open_bench, {**given, "folder": str(bench.folder.resolve())})
    refuse_failed((yield from ran(team, source, Whole(bench), tasks)), len(tasks))


def tasks_of(bench: FrontierBench, rows: list[Row]) -> list[Task]:
    """The rows that are missing."""
    texts = sum(map(texts_of, bench.tasks.values()))
    base = {row.folder: bench.key(row) for row in rows if not row.int8}
    tasks = []
    for row in rows:
        if bench.store.read(bench.key(row)) is None:
            finishing = 0 if row.settings is None else finishing_texts(row.settings)
            # Eight bits are made of a folder that another row writes.
            needs = (base[row.folder],) if row.int8 and row.folder in base else ()
            tasks.append(Task(bench.key(row), row.label, texts + finishing, row, needs))
    return tasks


def open_bench(analysis: str, spec: dict[str, Any], folder: str) -> Whole:
    """The frontier as a worker has it."""
    return Whole(FrontierBench(Path(analysis), FrontierSpec.parse(spec), Path(folder)))


class Whole:
    """A whole frontier as the executors understand it: an argument is a row."""

    def __init__(self, bench: FrontierBench) -> None:
        self.bench = bench

    def name(self, argument: Row) -> str:
        return self.bench.key(argument)

    def known(self, argument: Row) -> dict[str, Any] | None:
        return self.bench.store.read(self.name(argument))

    def done(self, argument: Row) -> Generator[Progress, None, dict[str, Any]]:
        return (yield from self.bench.measured(argument))

    def keep(self, argument: Row, document: dict[str, Any]) -> dict[str, Any]:
        return self.bench.store.write_once(self.name(argument), document)
