"""An experiment in a process of its own, and what of it is finished meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.config import ExecutorSpec, Spec
from gaprune_viz.experiments.cells import STUDY_CELLS, STUDY_FORMAT, CellStore
from gaprune_viz.experiments.registry import EXPERIMENTS
from gaprune_viz.jobs import process

MOST_ROWS = 5_000


def experiment(
    name: str,
    spec: Spec,
    folder: Path,
    executor: ExecutorSpec,
    stopped: Callable[[], bool],
    *,
    gives_way: bool = False,
) -> Generator[Progress, None, None]:
    """Run an experiment by its name; all else is as with `process.analysis`. Closing keeps the cells that are finished.

    Raises:
        Cancelled, GapruneError, Unforeseen: as an analysis does.
    """
    values = {
        "name": name,
        "spec": spec.model_dump(mode="json"),
        "folder": str(folder),
        "executor": executor.model_dump(mode="json"),
    }
    yield from process.done("experiment", values, stopped, gives_way)


class Finished:
    """The finished cells of an experiment, read as they come: each file once."""

    def __init__(self, name: str, folder: Path) -> None:
        self._row, self._store = EXPERIMENTS[name].row, CellStore(folder / STUDY_CELLS, STUDY_FORMAT)
        self._rows: dict[str, dict[str, Any]] = {}

    def news(self) -> bool:
        """Read what came since; whether there was anything."""
        before = len(self._rows)
        for place in self._store.folder.glob("*.json"):
            if place.stem in self._rows or len(self._rows) >= MOST_ROWS:
                continue
            document = self._store.read(place.stem)
            if document is not None:
                # A file of somebody else's is no cell of this experiment.
                with suppress(KeyError, TypeError, ValueError, IndexError):
                    self._rows[place.stem] = self._row(document)
        return len(self._rows) > before

    def table(self) -> pd.DataFrame:
        """One line a cell, the latest last."""
        return pd.DataFrame(list(self._rows.values()))
