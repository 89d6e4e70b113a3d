"""What a look into a matrix finds: the picture of a window, its units, its extremes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from gaprune_viz.calibration.statistics import MatrixInfo
from gaprune_viz.config import Settings
from gaprune_viz.criteria.registry import criterion
from gaprune_viz.figures.kit.metrics import ROLE_LABELS
from gaprune_viz.figures.kit.panels import notice
from gaprune_viz.figures.weights.matrix_window import inside_html, losses_html, neurons_html, unit_figure
from gaprune_viz.jobs.works.matrix_window import Look
from gaprune_viz.masking.sentences import beyond_preview
from gaprune_viz.sketch.inspection import Window

FIRST = "pruned"
"""The quantity that is shown where none, or none that there is, was asked for."""
# Digits of a row or a column.
LONGEST_PLACE = 12


@dataclass(frozen=True)
class Inside:
    """What a look into a matrix found."""

    name: str
    window: Window
    picture: str
    units: go.Figure
    extremes: pd.DataFrame


def drawn(look: Look, matrices: Sequence[MatrixInfo], settings: Settings, what: str, side: str) -> Inside:
    """A look as the tab shows it.

    Args:
        matrices: of the analysis.
        settings: under which it was looked at.
        what: which quantity it is of.
        side: which units are drawn: rows, columns or heads; rows where there are no such.
    """
    info, grid = next(m for m in matrices if m.name == look.name), look.grid
    where = f"Layer {info.layer}, {ROLE_LABELS[info.role]}"
    picture = inside_html(grid.values, grid.rows.tolist(), grid.columns.tolist(), what, where=where, exact=grid.exact)
    shown_side = side if side in look.means else "rows"
    return Inside(
        look.name,
        look.window,
        _preview_note(settings) + picture + _said_below(look, where, info.rows, matrices, settings),
        unit_figure(look.means[shown_side], shown_side, what),
        _extremes_table(look),
    )


def _said_below(look: Look, where: str, rows: int, matrices: Sequence[MatrixInfo], settings: Settings) -> str:
    """What a mask does to rows and neurons. A cut leaves no row of zeros and no neuron that says nothing."""
    if settings.structure.whole:
        return ""
    gone = losses_html(where, look.losses.rows[look.name], rows, look.losses.waking_by_layer(matrices))
    return gone + neurons_html(look.silent)


def _preview_note(settings: Settings) -> str:
    """That what is shown is not the last word, where masks are made by an update; and what goes where structures do."""
    if settings.structure.whole:
        return notice(
            f"Whole {settings.structure.structure.value} go: their rows and columns are cut out, and the matrix of the "
            "smaller model is what is left of this one."
        )
    chosen = criterion(settings.score.criterion)
    return "" if chosen.update is None else notice(beyond_preview(chosen))


def window_of(state: Any, name: str) -> Window | None:
    """The window that the page keeps, where it is of this matrix."""
    if not isinstance(state, dict) or state.get("name") != name:
        return None
    return Window(*(int(state[key]) for key in ("top", "bottom", "left", "right")))


def state_of(found: Inside) -> dict[str, Any]:
    """What the page keeps of a look."""
    window = found.window
    return {
        "name": found.name,
        "top": window.top,
        "bottom": window.bottom,
        "left": window.left,
        "right": window.right,
    }


def _extremes_table(look: Look) -> pd.DataFrame:
    rows = [
        [label, row, column, float(f"{score:.4g}"), float(f"{theta:.4g}"), "kept" if kept else "pruned"]
        for label, row, column, score, theta, kept in look.extremes
    ]
    return pd.DataFrame(rows, columns=["Importance", "Row", "Column", "Score", "θ", "Mask"])


def place_in_table(table: pd.DataFrame, index: Any) -> tuple[int, int] | None:
    """Row and column of the weight in a clicked line; None for anything odd."""
    line = index[0] if isinstance(index, (list, tuple)) and index else None
    if type(line) is not int or not 0 <= line < len(table) or not {"Row", "Column"} <= set(table.columns):
        return None
    # The table comes back from the browser, which may send any.
    place = [str(table[name].iloc[line]) for name in ("Row", "Column")]
    whole_numbers = all(text.isascii() and text.isdigit() and len(text) < LONGEST_PLACE for text in place)
    return (int(place[0]), int(place[1])) if whole_numbers else None
