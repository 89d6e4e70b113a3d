"""What a study says, in plain sentences made from its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gaprune_viz.evaluation.significance import holm
from gaprune_viz.experiments.study.tables import BASELINE
from gaprune_viz.figures.kit.formatting import p_value

Row = Mapping[str, Any]
CLEAR = 0.01


def main_rows(document: Mapping[str, Any], steps: int) -> list[Row]:
    """The pruned rows of the main table, one-shot (0) or after so many steps."""
    return [r for r in document["rows"] if r["part"] == "main" and r["row"] != "dense" and r["steps"] == steps]


def all_steps(document: Mapping[str, Any]) -> list[int]:
    """The numbers of steps that the main table has, in order."""
    return sorted({r["steps"] for r in document["rows"] if r["part"] == "main"})


def dense_row(document: Mapping[str, Any], steps: int) -> Row | None:
    """The dense model, as it is or retrained for so many steps."""
    found = (r for r in document["rows"] if r["row"] == "dense" and r["steps"] == steps)
    return next(found, None)


def findings(document: Mapping[str, Any]) -> list[str]:
    """One sentence a sparsity and number of steps: which row keeps most of the domain, and whether that is clear.

    Its p-value is adjusted over the rows that it was picked among.
    """
    told = []
    for steps in all_steps(document):
        rows = main_rows(document, steps)
        for sparsity in sorted({r["sparsity"] for r in rows}):
            cells = [r for r in rows if r["sparsity"] == sparsity and _kept(r) is not None]
            if cells:
                told.append(_sentence(cells, sparsity, steps))
    return told


def repairs(document: Mapping[str, Any], rows: Sequence[str] = ("balanced", "magnitude")) -> list[str]:
    """One sentence a sparsity: from where to where some steps of training lift rows, in percent of dense."""
    told = []
    before = {(r["row"], r["sparsity"]): r for r in main_rows(document, 0)}
    for steps in all_steps(document):
        after = {(r["row"], r["sparsity"]): r for r in main_rows(document, steps)} if steps else {}
        for sparsity in sorted({s for _, s in after}):
            parts = [
                f"`{row}` from {_kept(one):.1f} % to {_kept(two):.1f} % of dense on the domain "
                f"({_kept(one, 'general'):.1f} % to {_kept(two, 'general'):.1f} % on general data)"
                for row in rows
                if (one := before.get((row, sparsity))) and (two := after.get((row, sparsity)))
                if None not in (_kept(one), _kept(two), _kept(one, "general"), _kept(two, "general"))
            ]
            if parts:
                told.append(f"At {100 * sparsity:g} %, {steps} steps bring {'; '.join(parts)}.")
    return told


def _kept(row: Row, side: str = "domain") -> float | None:
    return row["sides"][side]["of_dense"]


def _sentence(cells: list[Row], sparsity: float, steps: int) -> str:
    best = max(cells, key=lambda r: _kept(r) or 0.0)
    when = "one-shot" if steps == 0 else f"after {steps} steps"
    text = (
        f"At {100 * sparsity:g} %, {when}, `{best['row']}` keeps most: {_kept(best):.1f} % of dense on the domain, "
        f"{_kept(best, 'general'):.1f} % on general data"
    )
    over = best["sides"]["domain"].get("over_baseline")
    if over is None or best["row"] == BASELINE:
        return text + "."
    # The best was picked among all rows on these very queries: its p-value must answer for all of them.
    tested = [r for r in cells if r["row"] != BASELINE and r["sides"]["domain"].get("over_baseline") is not None]
    adjusted = holm([r["sides"]["domain"]["over_baseline"]["p"] for r in tested])[tested.index(best)]
    among = f", adjusted for a pick among {len(tested)} rows (Holm)" if len(tested) > 1 else ""
    verdict = "clear" if adjusted < CLEAR else "not clear"
    return (
        f"{text}. That is {over['points']:+.1f} points on {BASELINE} (95 % of this row alone {over['low']:+.1f} to "
        f"{over['high']:+.1f}; p {p_value(adjusted)}{among}: {verdict})."
    )
