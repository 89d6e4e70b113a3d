"""Which sweep the tab describes: its kind, its lists, its limits."""

from __future__ import annotations

from typing import Any

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.config import SWEEP_KINDS, Settings, SweepKind
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.sweep import SweepPlan
from gaprune_viz.figures.kit import panels
from gaprune_viz.jobs.works.searching import both_sides

# What the page begins with is small; the list holds more.
QUICK = "0.3, 0.5, 0.7"
MOST_CELLS = 100


def axes_of(kind: str) -> SweepKind:
    """What a kind of sweep goes over.

    Raises:
        GapruneError: there is no such kind.
    """
    if kind not in SWEEP_KINDS:
        raise GapruneError(f"There is no sweep over {str(kind)[:40]!r}.", f"Use one of: {', '.join(SWEEP_KINDS)}.")
    return SWEEP_KINDS[kind]


def about_html(kind: str) -> str:
    """What a kind of sweep answers, what it takes and what is kept."""
    axes = SWEEP_KINDS[kind]
    cell = (
        "An analysis of its own, an exact mask and both collections encoded: each cell takes as long as a run."
        if kind == "samples"
        else "Each cell makes an exact mask, or cuts the model, and encodes both collections, which takes some seconds."
    )
    fixed = "" if axes.column == "sparsity" else " The sparsity is that of the tuning bar."
    return panels.notice(
        f"{axes.sentence} {cell} What is not swept comes from the tuning bar.{fixed} "
        "Finished cells are kept: a sweep that was stopped goes on where it was."
    )


def column_choices(kind: str) -> list[str]:
    """Lists of columns to pick from; any other can be typed."""
    axes = SWEEP_KINDS[kind]
    return [QUICK, axes.columns] if axes.column == "sparsity" else [axes.columns]


def plan_from(
    analysis: Analysis, source: str, settings: Settings, kind: str, rows: list[str], values: str, columns: str
) -> SweepPlan:
    """The sweep that the tab describes.

    Raises:
        GapruneError: a list cannot be read, or asks for too many cells.
    """
    axes = axes_of(kind)
    whole = kind == "samples"
    down: Any = tuple(rows or ()) if kind == "criteria" else numbers(values, axes.row_label, whole=whole)
    across: Any = numbers(columns, axes.column_label, whole=whole)
    if len(down) * len(across) > MOST_CELLS:
        raise GapruneError(
            f"{len(down)} times {len(across)} cells are too many for the page.",
            f"Ask for at most {MOST_CELLS}, or use `gaprune-viz sweep`.",
        )
    domain, general = both_sides(analysis, source)
    return SweepPlan(kind, down, across, (domain, general), settings)


def numbers(text: str, what: str, *, whole: bool = False) -> tuple[float | str, ...]:
    """Numbers, or `auto`, separated by commas or blanks.

    Raises:
        GapruneError: one of them is neither.
    """
    parts = (text or "")[:500].replace(",", " ").replace(";", " ").split()
    try:
        found = [part if part == "auto" else float(part) for part in parts]
    except ValueError as error:
        raise GapruneError(
            f"{text[:60]!r} is not a list of numbers for {what}.", "Write for example 0.3, 0.5."
        ) from error
    return tuple(int(n) if whole and isinstance(n, float) and n.is_integer() else n for n in found)
