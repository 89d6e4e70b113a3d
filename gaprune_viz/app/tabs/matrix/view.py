"""What a look into a matrix finds: the picture of a window, its units, its extremes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View, selected_name
from gaprune_viz.config import Settings
from gaprune_viz.criteria.registry import criterion
from gaprune_viz.figures.kit.metrics import ROLE_LABELS
from gaprune_viz.figures.kit.panels import notice
from gaprune_viz.figures.weights.inside import QUANTITIES, inside_html, losses_html, neurons_html, unit_figure
from gaprune_viz.masking.sentences import beyond_preview
from gaprune_viz.sketch import inspection
from gaprune_viz.sketch.inspection import Window

MOST_ROWS, MOST_COLUMNS = 40, 96
EXTREMES = 10
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


def look_inside(
    analysis: Analysis, shown: View, settings: Settings, what: str, side: str, window: Window | None
) -> Inside:
    """Everything that the tab shows of the selected matrix.

    Args:
        window: what of it to draw; None for all.

    Raises:
        GapruneError: the settings cannot be met, or there is no such quantity.
    """
    name = selected_name(shown, analysis)
    scope, _ = STORE.scope(analysis)
    result = STORE.masks(analysis, settings)
    losses = STORE.losses(analysis, settings)
    info = next(m for m in analysis.statistics.matrices if m.name == name)
    window = window or inspection.whole((info.rows, info.columns))
    what = what if what in QUANTITIES else "pruned"
    values = inspection.quantity(scope, name, settings, what, result)
    grid = inspection.blocks(values, window, MOST_ROWS, MOST_COLUMNS)
    where = f"Layer {info.layer}, {ROLE_LABELS[info.role]}"
    picture = inside_html(grid.values, grid.rows.tolist(), grid.columns.tolist(), what, where=where, exact=grid.exact)
    config = getattr(STORE.dense(analysis).backbone, "config", None)
    means = inspection.unit_means(values, info.role, inspection.head_size_of(config))
    shown_side = side if side in means else "rows"
    scores = scope.scores(name, settings.score)
    return Inside(
        name,
        window,
        _preview_note(settings)
        + picture
        + losses_html(where, losses.rows[name], info.rows, losses.waking_by_layer(analysis.statistics.matrices))
        + neurons_html(inspection.silent_neurons(result.masks, analysis.statistics.matrices)),
        unit_figure(means[shown_side], shown_side, what),
        _extremes_table(scores, scope.theta_of(name), result.masks[name]),
    )


def _preview_note(settings: Settings) -> str:
    """That what is shown is not the last word, where masks are made by an update."""
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


def _extremes_table(scores: Any, theta: Any, mask: Any) -> pd.DataFrame:
    lowest, highest = inspection.extremes(scores, EXTREMES)
    rows = [
        {
            "Importance": label,
            "Row": row,
            "Column": column,
            "Score": float(f"{float(scores[row, column]):.4g}"),
            "θ": float(f"{float(theta[row, column]):.4g}"),
            "Mask": "kept" if bool(mask[row, column]) else "pruned",
        }
        for label, places in (("least", lowest), ("most", highest))
        for row, column in places
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
