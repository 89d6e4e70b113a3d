"""Profiles: pruned fraction over layers, one value per output row; with the table beside each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.formatting import number, percent
from gaprune_viz.figures.kit.metrics import ROLE_LABELS, ROLE_ORDER
from gaprune_viz.figures.kit.plotly_frame import HEIGHT, axis, empty, framed, layer_ticks

FRACTION_TICKS = {
    "tickmode": "array",
    "tickvals": [0, 0.25, 0.5, 0.75, 1],
    "ticktext": ["0 %", "25 %", "50 %", "75 %", "100 %"],
}
MOST_ROWS = 256
SYMBOLS = (
    "circle-open",
    "diamond-open",
    "square-open",
    "triangle-up-open",
    "triangle-down-open",
    "cross-open",
    "x-open",
)


def layer_profile(table: pd.DataFrame) -> go.Figure:
    """Pruned fraction of every layer, its roles as marks, against the same fraction everywhere.

    Args:
        table: `layer`, `role`, `size`, `pruned_fraction`, one row per matrix.
    """
    layers, fractions, overall = _by_layer(table)
    title = "Pruned fraction by layer"
    if not layers:
        return empty(title, "There are no layers to show.")
    figure = framed(HEIGHT, title, f"all together {percent(overall)}", legend=True)
    figure.add_trace(
        go.Bar(
            x=list(range(len(layers))),
            y=fractions,
            name="layer",
            marker={"color": scales.faded(scales.PRUNED, 0.55), "line": {"color": scales.PRUNED, "width": 1}},
            customdata=[[layer, percent(value)] for layer, value in zip(layers, fractions, strict=True)],
            hovertemplate="<b>Layer %{customdata[0]}</b><br>%{customdata[1]} of its weights pruned<extra></extra>",
        )
    )
    _role_marks(figure, table, layers)
    figure.add_trace(
        go.Scatter(
            x=[-0.5, len(layers) - 0.5],
            y=[overall, overall],
            mode="lines",
            name="if it were uniform",
            line={"color": scales.INK, "width": 1.5, "dash": "dash"},
            hoverinfo="skip",
        )
    )
    figure.layout.xaxis = axis("Layer", range=[-0.5, len(layers) - 0.5], showgrid=False, **layer_ticks(layers))
    figure.layout.yaxis = axis("", range=[0, 1.02], **FRACTION_TICKS)
    return figure


def layer_table(table: pd.DataFrame) -> pd.DataFrame:
    """The table beside `layer_profile`."""
    layers, fractions, overall = _by_layer(table)
    sizes = table.groupby("layer")["size"].sum()
    rows = [
        {
            "Layer": layer,
            "Weights": int(sizes[layer]),
            "Pruned": percent(value),
            "Against uniform": f"{'+' if value >= overall else '−'}{100 * abs(value - overall):.1f} points",
        }
        for layer, value in zip(layers, fractions, strict=True)
    ]
    return pd.DataFrame(rows, columns=["Layer", "Weights", "Pruned", "Against uniform"])


def row_profile(
    values: np.ndarray, *, title: str, y_title: str, fraction: bool = False, unit: str = "row"
) -> go.Figure:
    """One value per output row, or other unit; many are drawn as means with the range between smallest and largest.

    Args:
        values: [rows].
        fraction: values are shares: the axis is 0 to 100 %.
    """
    values = np.asarray(values, dtype=np.float64)
    if not np.isfinite(values).any():
        return empty(title, f"There are no {unit}s to show.")
    low, middle, high, starts = _blocks(values)
    per = -(-len(values) // len(middle))
    note = f"{len(values):,} {unit}s" + (f", {per} to a point" if per > 1 else "")
    figure = framed(270, title, note)
    shown = percent if fraction else number
    text = [
        f"<b>{unit.capitalize() if per == 1 else f'{unit.capitalize()}s from'} {start:,}</b><br>{shown(m)}"
        + (f"<br>{shown(a)} to {shown(b)}" if per > 1 else "")
        for start, a, m, b in zip(starts.tolist(), low, middle, high, strict=True)
    ]
    if per > 1:
        figure.add_trace(
            go.Scatter(
                x=np.concatenate([starts, starts[::-1]]),
                y=np.concatenate([high, low[::-1]]),
                fill="toself",
                fillcolor=scales.faded(scales.PRUNED if fraction else scales.KEPT, 0.18),
                line={"width": 0},
                hoverinfo="skip",
            )
        )
    figure.add_trace(
        go.Scatter(
            x=starts,
            y=middle,
            mode="lines",
            line={"color": scales.PRUNED if fraction else scales.KEPT, "width": 1.5},
            customdata=text,
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    figure.layout.xaxis = axis("Output row", showgrid=False, range=[0, max(1, len(values) - 1)])
    figure.layout.yaxis = axis(y_title, **({"range": [0, 1.02], **FRACTION_TICKS} if fraction else {"nticks": 5}))
    return figure


def row_table(values: np.ndarray, *, label: str, most: int = MOST_ROWS) -> pd.DataFrame:
    """The table beside `row_profile`: the same blocks of rows."""
    low, middle, high, starts = _blocks(np.asarray(values, dtype=np.float64), most)
    return pd.DataFrame({"First row": starts, label: middle, "Smallest": low, "Largest": high})


def _by_layer(table: pd.DataFrame) -> tuple[list[int], list[float], float]:
    """Layers, the pruned fraction of each weighted by size, and that of all."""
    rows = table.dropna(subset=["pruned_fraction"])
    if rows.empty:
        return [], [], math.nan
    zeros = (rows["pruned_fraction"] * rows["size"]).groupby(rows["layer"]).sum()
    sizes = rows["size"].groupby(rows["layer"]).sum()
    fractions = zeros / sizes
    return [int(x) for x in fractions.index], [float(v) for v in fractions], float(zeros.sum() / sizes.sum())


def _role_marks(figure: go.Figure, table: pd.DataFrame, layers: Sequence[int]) -> None:
    """One mark per matrix, a symbol for each role; only where a layer has more than one."""
    present = [role for role in ROLE_ORDER if (table["role"] == role).any()]
    if len(present) < 2:
        return
    place = {layer: i for i, layer in enumerate(layers)}
    for i, role in enumerate(present):
        rows = table[(table["role"] == role) & table["layer"].isin(place)]
        figure.add_trace(
            go.Scatter(
                x=[place[layer] for layer in rows["layer"]],
                y=rows["pruned_fraction"],
                mode="markers",
                name=ROLE_LABELS[role],
                marker={"symbol": SYMBOLS[i % len(SYMBOLS)], "size": 8, "color": scales.DENSE, "line": {"width": 1.5}},
                customdata=[percent(v) for v in rows["pruned_fraction"]],
                hovertemplate=f"<b>{ROLE_LABELS[role]}</b><br>%{{customdata}} pruned<extra></extra>",
            )
        )


def _blocks(values: np.ndarray, most: int = MOST_ROWS) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Smallest, mean and largest of consecutive blocks of rows, and the first row of each."""
    size = max(1, -(-len(values) // most))
    starts = np.arange(0, len(values), size)
    if not len(starts):
        return values, values, values, starts
    parts = [values[start : start + size] for start in starts]
    known = [part[np.isfinite(part)] if np.isfinite(part).any() else np.array([math.nan]) for part in parts]
    low, middle, high = (np.array([float(f(p)) for p in known]) for f in (np.min, np.mean, np.max))
    return low, middle, high, starts
