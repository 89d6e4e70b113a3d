"""What the `sweep` command reads from its flags and prints at the end."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaprune_viz.config import Settings
from gaprune_viz.errors import GapruneError

if TYPE_CHECKING:
    import pandas as pd

    from gaprune_viz.sweep import SweepPlan

KINDS = ("criteria", "alpha")
# The flag that the rows of a sweep take the place of.
SWEPT_FLAG = {"criteria": "criterion", "alpha": "alpha"}


def make_plan(
    kind: str,
    lists: dict[str, str],
    tasks: tuple[str, str],
    base: Settings,
    given: set[str],
) -> SweepPlan:
    """A plan from the words of a command line.

    Args:
        kind: `criteria` or `alpha`.
        lists: `criteria`, `alphas` and `sparsities`, separated by commas.
        tasks: of the domain, and general.
        base: the settings of all that is not swept.
        given: names of the spec flags that were given.

    Raises:
        GapruneError: a list, a name or a flag makes no sense.
    """
    if kind not in KINDS:
        raise GapruneError(f"--kind: there is no sweep over {kind!r}.", f"Use one of: {', '.join(KINDS)}.")
    for flag, instead in (
        (SWEPT_FLAG[kind], "criteria" if kind == "criteria" else "alphas"),
        ("sparsity", "sparsities"),
    ):
        if flag in given:
            raise GapruneError(f"--{flag} is what is swept here.", f"Give the values as a list: --{instead}.")
    from gaprune_viz.sweep import SweepPlan

    rows: Any = split(lists["criteria"], "criteria") if kind == "criteria" else numbers(lists["alphas"], "alphas")
    sparsities = numbers(lists["sparsities"], "sparsities")
    return SweepPlan("criteria" if kind == "criteria" else "alpha", rows, sparsities, tasks, base)


def split(text: str, flag: str) -> tuple[str, ...]:
    """The words of a list separated by commas.

    Raises:
        GapruneError: one of them is empty.
    """
    words = tuple(word.strip() for word in text.split(","))
    if not all(words):
        raise GapruneError(f"--{flag}: {text!r} has an empty place.", "Separate the values by single commas.")
    return words


def numbers(text: str, flag: str) -> tuple[float, ...]:
    """The numbers of a list separated by commas.

    Raises:
        GapruneError: one of them is no finite number.
    """
    found = []
    for word in split(text, flag):
        try:
            found.append(float(word))
        except ValueError:
            found.append(math.nan)
        if not math.isfinite(found[-1]):
            raise GapruneError(f"--{flag}: {word!r} is not a number.", "Write for example 0.3,0.5,0.7.")
    return tuple(found)


def document(plan: SweepPlan, frame: pd.DataFrame) -> dict[str, Any]:
    """A finished sweep as plain values, ready for JSON; what has no value is None."""
    rows = [
        {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}
        for row in frame.to_dict(orient="records")
    ]
    return {
        "kind": plan.kind,
        "rows": list(plan.rows),
        "sparsities": list(plan.sparsities),
        "base": plan.base.model_dump(mode="json"),
        "cells": rows,
    }


def write_csv(frame: pd.DataFrame, place: Path) -> None:
    """Write the frame with a header.

    Raises:
        GapruneError: the file cannot be written.
    """
    try:
        frame.to_csv(place, index=False)
    except OSError as error:
        raise GapruneError(f"{place} cannot be written: {error.strerror or error}.", "Choose another file.") from error


def print_table(frame: pd.DataFrame) -> None:
    """The frame for people, on standard output."""
    from rich.console import Console
    from rich.table import Table

    from gaprune_viz.figures.sweep import sweep_table

    console = Console()
    for side, cells in sweep_table(frame).groupby("Side", sort=False):
        # Every column within the 80 characters of a narrow terminal.
        table = Table(title=str(side), title_justify="left", box=None, pad_edge=False, collapse_padding=True)
        shown = cells.drop(columns="Side")
        for column in shown.columns:
            table.add_column(str(column), justify="left" if column == "Row" else "right", no_wrap=True)
        for row in shown.itertuples(index=False):
            table.add_row(*map(str, row))
        console.print(table)
