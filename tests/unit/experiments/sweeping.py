"""A sweep of three criteria, the cells that a sweep stored, and the traces of its figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from gaprune_viz.experiments.cells import SWEEP_CELLS
from gaprune_viz.experiments.sweep import SweepPlan


def criteria_plan(tasks: tuple[str, str]) -> SweepPlan:
    return SweepPlan("criteria", ("magnitude", "dai", "random"), (0.5, 0.9), tasks)


def cells(folder: Path) -> dict[str, int]:
    """Name and time of writing of all stored cells."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / SWEEP_CELLS).iterdir()}


def traces(figure: go.Figure) -> tuple[Any, ...]:
    """The traces; plotly types them too narrowly."""
    return figure.data  # type: ignore[return-value]
