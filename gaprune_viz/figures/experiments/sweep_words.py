"""What a sweep shows, in plain sentences: where retrieval falls below a share of the dense model's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from gaprune_viz.config import ENOUGH
from gaprune_viz.figures.experiments.sweep_plots import SIDES, column_label, kind_of, place_label, row_label, share
from gaprune_viz.figures.kit.formatting import percent

CAUTION = "The best of many cells on the same queries flatters itself: choose on other queries than you report."


def sweep_sentences(frame: pd.DataFrame, enough: float = ENOUGH) -> list[str]:
    """One sentence a side; and for a choice among many cells, a caution.

    Args:
        frame: tidy, as `gaprune_viz.sweep.sweep` returns it.
        enough: share of the dense model's nDCG@10, 0..1.
    """
    say = {"samples": _samples, "kappa": _grid}.get(str(frame["kind"].iloc[0]), _falls)
    sides = [frame[frame["side"] == side] for side in SIDES]
    said = [
        f"{SIDES[cells['side'].iloc[0]]} ({cells['task'].iloc[0]}): {say(cells, enough)}"
        for cells in sides
        if len(cells)
    ]
    return [*said, CAUTION] if say is _grid else said


def collapse_sentence(task: str, points: int, below: Mapping[float, float | None]) -> str:
    """Up to which sparsity a collection keeps which share of the dense model's nDCG@10, as far as it was measured.

    Args:
        points: how many sparsities were measured.
        below: share of dense -> the sparsity from which on the curve is below it; None where it never is.
    """
    kept = [f"{percent(level, 0)} up to {percent(edge, 0)}" for level, edge in below.items() if edge is not None]
    if not kept:
        return f"{task}: nowhere below {percent(max(below), 0)} of dense nDCG@10 ({points} sparsities tried)."
    return f"{task} keeps {' and '.join(kept)} sparsity (share of dense nDCG@10, {points} sparsities tried)."


def _falls(cells: pd.DataFrame, enough: float) -> str:
    """From which of the tried sparsities on each row lies below, rows of one answer together."""
    axes = kind_of(cells)
    answers: dict[float, list[str]] = {}
    for row in dict.fromkeys(cells["row"]):
        line = cells[cells["row"] == row].sort_values("column")
        below = line.loc[line["of_dense"] < enough, "column"]
        answers.setdefault(float(below.iloc[0]) if len(below) else math.inf, []).append(row_label(row, axes))
    parts = [
        f"from {column_label(first, axes)} on with {_and(rows)}"
        if math.isfinite(first)
        else f"nowhere up to {column_label(cells['column'].max(), axes)} with {_and(rows)}"
        for first, rows in sorted(answers.items())
    ]
    return f"falls below {percent(enough, 0)} of dense {'; '.join(parts)}."


def _grid(cells: pd.DataFrame, enough: float) -> str:
    known = cells[cells["of_dense"].notna()]
    if known.empty:
        return "the dense model finds nothing; there is no share to speak of."
    best: dict[Any, Any] = known.sort_values("of_dense", ascending=False, kind="stable").iloc[0].to_dict()
    count = int((known["of_dense"] < enough).sum())
    where = place_label((best["row"], best["column"]), kind_of(cells))
    return (
        f"{count} of {len(known)} cells fall below {percent(enough, 0)} of dense; "
        f"the highest is {where} with {share(best['of_dense'])}."
    )


def _samples(cells: pd.DataFrame, enough: float) -> str:
    parts, below = [], []
    for count in dict.fromkeys(cells["row"]):
        seeds = [float(value) for value in cells.loc[cells["row"] == count, "of_dense"]]
        spread = f", seeds {100 * (max(seeds) - min(seeds)):.1f} points apart" if len(seeds) > 1 else ""
        parts.append(f"{share(sum(seeds) / len(seeds))} with {count} samples{spread}")
        below += [str(count)] * (min(seeds) < enough)
    end = (
        f"one falls below {percent(enough, 0)} with {_and(below)} samples"
        if below
        else f"none falls below {percent(enough, 0)}"
    )
    return f"of dense, {'; '.join(parts)}. Of the seeds tried, {end}."


def _and(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
