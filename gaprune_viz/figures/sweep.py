"""A sweep as curves, as a map, and as a table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from pandas.api.types import is_numeric_dtype

from gaprune_viz.figures import scales
from gaprune_viz.figures.formatting import MISSING, percent, signed
from gaprune_viz.figures.frame import axis, empty, framed, plain

SIDES = {"domain": "Domain", "general": "General"}
# Every line has its own marker too: colour is never the only difference.
LINE_COLORS = (scales.KEPT, scales.PRUNED, scales.OTHER_TERM, scales.TERMS["alignment"], scales.GENERAL)
MARKERS = ("circle", "square", "diamond", "triangle-up", "x", "triangle-down", "star", "hexagon", "cross", "pentagon")
BAND_OPACITY = 0.12
# Pixels: a legend entry at its usual length, and a line of them.
ENTRY_WIDTH, LEGEND_LINE = 110, 22
PHONE_WIDTH = 360
# The map is never coloured over less than this many percentage points on each side of 100 %.
LEAST_SPAN = 1.0


def sweep_curves(frame: pd.DataFrame, side: str) -> go.Figure:
    """nDCG@10 as a percentage of the dense model's against sparsity, one line per row of the sweep.

    The band is the 95 % paired bootstrap interval of the difference, drawn around the line.

    Args:
        frame: tidy, as `gaprune_viz.sweep.sweep` returns it.
        side: `domain` or `general`.
    """
    title, cells = _side(frame, side)
    if not np.isfinite(cells["of_dense"].to_numpy(float)).any():
        return empty(title, "There are no cells to show.")
    names = list(dict.fromkeys(cells["row"]))
    lines = math.ceil((len(names) + 1) * ENTRY_WIDTH / PHONE_WIDTH)
    figure = framed(340 + LEGEND_LINE * lines, title, "Bands: 95 % interval of the difference to dense", legend=True)
    figure.update_layout(margin={"b": 58 + LEGEND_LINE * lines})
    sparsities = sorted(set(cells["sparsity"]))
    for number, name in enumerate(names):
        _draw_line(figure, number, cells[cells["row"] == name].sort_values("sparsity"), _label(name, cells))
    reach = (sparsities[-1] - sparsities[0]) * 0.05 or 0.05
    ends = [sparsities[0] - reach, sparsities[-1] + reach]
    figure.add_trace(
        go.Scatter(
            x=ends,
            y=[100, 100],
            mode="lines",
            line={"color": scales.DENSE, "width": 2, "dash": "dash"},
            name="dense",
            hovertemplate=f"dense: nDCG@10 {cells['dense_ndcg_at_10'].iloc[0]:.3f}<extra></extra>",
        )
    )
    shown = sparsities if len(sparsities) <= 8 else sparsities[:: math.ceil(len(sparsities) / 8)]
    ticks = {"tickmode": "array", "tickvals": shown, "ticktext": [_sparsity(s) for s in shown]}
    figure.update_xaxes(**axis("Sparsity", range=ends, **ticks))
    figure.update_yaxes(**axis("nDCG@10, % of dense", ticksuffix=" %"))
    return figure


def _draw_line(figure: go.Figure, number: int, cells: pd.DataFrame, label: str) -> None:
    color = LINE_COLORS[number % len(LINE_COLORS)]
    x, y = cells["sparsity"].tolist(), (100 * cells["of_dense"]).tolist()
    low, high = (
        (100 * (1 + cells[end] / cells["dense_ndcg_at_10"].where(cells["dense_ndcg_at_10"] > 0)))
        for end in ("low", "high")
    )
    if low.notna().all() and high.notna().all():
        figure.add_trace(
            go.Scatter(
                x=[*x, *reversed(x)],
                y=[*high.tolist(), *reversed(low.tolist())],
                fill="toself",
                fillcolor=scales.faded(color, BAND_OPACITY),
                line={"width": 0},
                mode="lines",
                legendgroup=label,
                showlegend=False,
                hoverinfo="skip",
            )
        )
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="lines+markers",
            line={"color": color, "width": 2, "dash": "solid" if number < len(LINE_COLORS) else "dot"},
            marker={"symbol": MARKERS[number % len(MARKERS)], "size": 9},
            name=plain(label),
            legendgroup=label,
            customdata=_hover(cells, label),
            hovertemplate="%{customdata}<extra></extra>",
        )
    )


def sweep_map(frame: pd.DataFrame, side: str) -> go.Figure:
    """Rows of the sweep by sparsity; colour and label are nDCG@10 as a percentage of the dense model's.

    Args:
        frame: tidy, as `gaprune_viz.sweep.sweep` returns it.
        side: `domain` or `general`.
    """
    title, cells = _side(frame, side)
    if not np.isfinite(cells["of_dense"].to_numpy(float)).any():
        return empty(title, "There are no cells to show.")
    names = list(dict.fromkeys(cells["row"]))
    sparsities = sorted(set(cells["sparsity"]))
    by_place = {
        (row, sparsity): number
        for number, (row, sparsity) in enumerate(zip(cells["row"], cells["sparsity"], strict=True))
    }
    values, hover = cells["of_dense"].tolist(), _hover_by_row(cells)

    def grid(pick: Any, missing: Any) -> list[list[Any]]:
        return [[pick(by_place[n, s]) if (n, s) in by_place else missing for s in sparsities] for n in names]

    shares = np.array(grid(lambda i: 100 * values[i], math.nan), dtype=float)
    span = max(LEAST_SPAN, float(np.nanmax(np.abs(shares - 100))))
    figure = framed(130 + 44 * len(names), title, "nDCG@10, % of dense; orange is worse, blue better", left=52)
    figure.add_trace(
        go.Heatmap(
            x=[_sparsity(s) for s in sparsities],
            y=[_label(name, cells) for name in names],
            z=shares,
            customdata=grid(lambda i: hover[i], ""),
            hovertemplate="%{customdata}<extra></extra>",
            colorscale=scales.plotly_scale(scales.DIVERGING),
            zmin=100 - span,
            zmax=100 + span,
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    _write_labels(figure, shares, scales.Scale(scales.DIVERGING, 100 - span, 100 + span))
    figure.update_xaxes(**axis("Sparsity", type="category", showgrid=False))
    figure.update_yaxes(**axis("", type="category", autorange="reversed", showgrid=False))
    return figure


def _write_labels(figure: go.Figure, shares: np.ndarray, scale: scales.Scale) -> None:
    """The number of each cell, in black or white: the greys that plotly would choose are too faint on some cells."""
    heatmap: Any = figure.data[0]
    places = [(i, j) for i, j in np.ndindex(shares.shape) if np.isfinite(shares[i, j])]
    figure.add_trace(
        go.Scatter(
            x=[heatmap.x[j] for _, j in places],
            y=[heatmap.y[i] for i, _ in places],
            mode="text",
            text=[_share(float(shares[place]) / 100) for place in places],
            textfont={"size": 13, "color": [scales.text_on(scale.at(float(shares[place]))) for place in places]},
            hoverinfo="skip",
            showlegend=False,
        )
    )


def sweep_table(frame: pd.DataFrame) -> pd.DataFrame:
    """The table beside both figures: every cell of both sides, rounded, with columns named for people."""
    rows = [
        {
            "Side": f"{SIDES.get(cell['side'], cell['side'])}: {cell['task']}",
            "Row": _label(cell["row"], frame),
            "Sparsity": _sparsity(cell["sparsity"]),
            "nDCG@10": _fixed(cell["ndcg_at_10"]),
            "MRR@10": _fixed(cell["mrr_at_10"]),
            "Recall@10": _fixed(cell["recall_at_10"]),
            "Of dense": _share(cell["of_dense"]),
            "95 % interval": _interval(cell),
        }
        for cell in frame.to_dict(orient="records")
    ]
    names = ["Side", "Row", "Sparsity", "nDCG@10", "MRR@10", "Recall@10", "Of dense", "95 % interval"]
    return pd.DataFrame(rows, columns=names)


def _side(frame: pd.DataFrame, side: str) -> tuple[str, pd.DataFrame]:
    """Title and cells of one side."""
    cells = frame[frame["side"] == side]
    task = f": {cells['task'].iloc[0]}" if len(cells) else ""
    return f"{SIDES[side]}{task}", cells


def _label(row: object, frame: pd.DataFrame) -> str:
    """A criterion by its name, a number as a value of alpha."""
    return f"α = {row:g}" if is_numeric_dtype(frame["row"]) else str(row)


def _hover(cells: pd.DataFrame, label: str) -> list[str]:
    return [
        f"<b>{plain(label)}</b>, {_sparsity(cell['sparsity'])}<br>nDCG@10 {_fixed(cell['ndcg_at_10'])}, "
        f"{_share(cell['of_dense'])} of dense<br>difference, 95 %: {_interval(cell)}"
        for cell in cells.to_dict(orient="records")
    ]


def _hover_by_row(cells: pd.DataFrame) -> list[str]:
    return [_hover(cells.iloc[[i]], _label(row, cells))[0] for i, row in enumerate(cells["row"])]


def _sparsity(value: float) -> str:
    """Whole percents where that is the whole of it."""
    return percent(value, 0 if math.isclose(100 * value, round(100 * value), abs_tol=1e-9) else 1)


def _share(value: float) -> str:
    return f"{100 * value:.1f} %" if math.isfinite(value) else MISSING


def _fixed(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else MISSING


def _interval(cell: dict[Any, Any]) -> str:
    low, high = cell["low"], cell["high"]
    return f"{signed(low)} to {signed(high)}" if math.isfinite(low) and math.isfinite(high) else MISSING
