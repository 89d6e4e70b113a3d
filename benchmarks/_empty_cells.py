"""Cells that take no time, for what an executor adds to each."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from gaprune_viz.calibration.progress import Progress


class Empty:
    """A bench that does nothing and keeps nothing on disk."""

    def __init__(self) -> None:
        self.kept: set[int] = set()

    def name(self, argument: int) -> str:
        return str(argument)

    def known(self, argument: int) -> dict[str, Any] | None:
        return {} if argument in self.kept else None

    def done(self, argument: int) -> Generator[Progress, None, dict[str, Any]]:
        yield Progress("", 0, 0, 0.0)
        return {"cell": argument}

    def keep(self, argument: int, document: dict[str, Any]) -> dict[str, Any]:
        self.kept.add(argument)
        return document


def open_empty() -> Empty:
    """The bench as a worker has it."""
    return Empty()
