"""Small experiments for executors, whose cells do what a test asks of them: count, fail, end their worker."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.cells import CellStore
from gaprune_viz.experiments.executors.tasks import Source, Task


class SmallBench:
    """Cells by name; what each does is in its argument, and how often it was begun is in the folder."""

    def __init__(self, folder: str, salt: str = "") -> None:
        self.folder, self.salt = Path(folder), salt
        self.store = CellStore(self.folder, 1)

    def name(self, argument: dict[str, Any]) -> str:
        return f"{argument['cell']}{self.salt}"

    def known(self, argument: dict[str, Any]) -> dict[str, Any] | None:
        return self.store.read(argument["cell"])

    def done(self, argument: dict[str, Any]) -> Generator[Progress, None, dict[str, Any]]:
        yield Progress("", 0, 0, 0.0)
        tries = self.begun(argument["cell"])
        with (self.folder / f"{argument['cell']}.begun").open("a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(argument.get("seconds", 0.0))
        if tries < argument.get("killed", 0):
            os.kill(os.getpid(), signal.SIGKILL)
        if tries < argument.get("fails", 0):
            raise GapruneError("It did not work.", "Do something.")
        if tries < argument.get("breaks", 0):
            raise ZeroDivisionError("unforeseen")
        needed = argument.get("reads")
        return {"value": argument["cell"], "read": None if needed is None else self.store.read(needed)}

    def keep(self, argument: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
        if (self.folder / "away").exists():
            raise GapruneError("The disk is away.")
        return self.store.write_once(argument["cell"], document)

    def begun(self, cell: str) -> int:
        """How often a cell was begun."""
        place = self.folder / f"{cell}.begun"
        return len(place.read_text().splitlines()) if place.exists() else 0


def open_small(folder: str, salt: str = "") -> SmallBench:
    return SmallBench(folder, salt)


def source(folder: Path, salt: str = "") -> Source:
    return Source(open_small, {"folder": str(folder), "salt": salt})


def task(cell: str, needs: tuple[str, ...] = (), /, together: str = "", **what: Any) -> Task:
    return Task(cell, f"cell {cell}", 1.0, {"cell": cell, **what}, needs, together)


def kept(folder: Path) -> dict[str, Any]:
    """Every finished cell."""
    return {place.stem: json.loads(place.read_text())["value"] for place in folder.glob("*.json")}
