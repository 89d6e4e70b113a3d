"""What the `sweep` command reads from its flags and prints at the end."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaprune_viz.config import SWEEP_KINDS, Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.csv_tables import csv_text

if TYPE_CHECKING:
    import pandas as pd

    from gaprune_viz.experiments.sweep import SweepPlan

# The list that gives the rows of each kind, and the one that gives its columns.
LISTS = {
    "criteria": ("criteria", "sparsities"),
    "alpha": ("alphas", "sparsities"),
    "kappa": ("kappas", "betas"),
    "samples": ("samples", "seeds"),
}


def make_plan(
    kind: str,
    lists: dict[str, str | None],
    tasks: tuple[str, str],
    base: Settings,
    given: set[str],
) -> SweepPlan:
    """A plan from the words of a command line.

    Args:
        kind: a key of SWEEP_KINDS.
        lists: the values of every list flag by its name, separated by commas; None for the usual ones.
        tasks: of the domain, and general.
        base: the settings of all that is not swept.
        given: names of the spec flags that were given.

    Raises:
        GapruneError: a list, a name or a flag makes no sense.
    """
    if kind not in SWEEP_KINDS:
        raise GapruneError(f"--kind: there is no sweep over {kind!r}.", f"Use one of: {', '.join(SWEEP_KINDS)}.")
    axes = SWEEP_KINDS[kind]
    pairs = zip(LISTS[kind], (axes.row, axes.column), (axes.rows, axes.columns), strict=True)
    values = []
    for flag, swept, usual in pairs:
        if swept in given and kind != "samples":
            raise GapruneError(
                f"--{swept.replace('_', '-')} is what is swept here.", f"Give the values as a list: --{flag}."
            )
        values.append(_values(lists[flag] or usual, flag))
    for flag, text in lists.items():
        if text is not None and flag not in LISTS[kind]:
            raise GapruneError(
                f"--{flag} has no part in a sweep over {kind}.", f"Its lists are --{' and --'.join(LISTS[kind])}."
            )
    from gaprune_viz.experiments.sweep import SweepPlan

    return SweepPlan(kind, values[0], values[1], tasks, base)


def _values(text: str, flag: str) -> tuple[Any, ...]:
    if flag == "criteria":
        return split(text, flag)
    if flag == "kappas":
        return tuple(word if word == "auto" else numbers(word, flag)[0] for word in split(text, flag))
    found = numbers(text, flag)
    return tuple(int(n) if n.is_integer() else n for n in found) if flag in ("samples", "seeds") else found


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
    return {**plan.document(), "cells": rows}


def write_csv(frame: pd.DataFrame, place: Path) -> None:
    """Write the frame with a header.

    Raises:
        GapruneError: the file cannot be written.
    """
    try:
        place.write_text(csv_text(frame), encoding="utf-8")
    except OSError as error:
        raise GapruneError(f"{place} cannot be written: {error.strerror or error}.", "Choose another file.") from error


def print_table(frame: pd.DataFrame) -> None:
    """The frame for people, on standard output, and in a line for each side where retrieval falls."""
    from rich.console import Console
    from rich.table import Table

    from gaprune_viz.figures.experiments.sweep_plots import sweep_table
    from gaprune_viz.figures.experiments.sweep_words import sweep_sentences

    console = Console()
    for side, cells in sweep_table(frame).groupby("Side", sort=False):
        # Every column within the 80 characters of a narrow terminal.
        table = Table(title=str(side), title_justify="left", box=None, pad_edge=False, collapse_padding=True)
        shown = cells.drop(columns="Side")
        for column in shown.columns:
            table.add_column(str(column), justify="right" if table.columns else "left", no_wrap=True)
        for row in shown.itertuples(index=False):
            table.add_row(*map(str, row))
        console.print(table)
    for sentence in sweep_sentences(frame):
        console.print(sentence, markup=False, highlight=False)
