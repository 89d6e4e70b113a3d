"""A sweep as curves, as a map, and as a table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gaprune_viz.config import SWEEP_KINDS, SweepKind
from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.formatting import MISSING, p_value, percent, signed
from gaprune_viz.figures.kit.metrics import CRITERION_LABELS
from gaprune_viz.figures.kit.plotly_frame import axis, empty, framed, plain

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
    """nDCG@10 as a percentage of the dense model's against the columns of the sweep, one line per row.

    The band is the 95 % paired bootstrap interval of the difference, drawn around the line. A sweep over samples is
    drawn against the number of samples: the line is the mean over the seeds, the band reaches from the worst to the
    best.

    Args:
        frame: tidy, as `gaprune_viz.sweep.sweep` returns it.
        side: `domain` or `general`.
    """
    title, cells = _side(frame, side)
    if not np.isfinite(cells["of_dense"].to_numpy(float)).any():
        return empty(title, "There are no cells to show.")
    axes, seeds = kind_of(frame), cells["kind"].iloc[0] == "samples"
    names = ["mean over the seeds"] if seeds else list(dict.fromkeys(cells["row"]))
    lines = math.ceil((len(names) + 1) * ENTRY_WIDTH / PHONE_WIDTH)
    band = "from the worst seed to the best" if seeds else "95 % interval of the difference to dense"
    figure = framed(340 + LEGEND_LINE * lines, title, f"Bands: {band}", legend=True)
    figure.update_layout(margin={"b": 58 + LEGEND_LINE * lines})
    if seeds:
        _draw_seeds(figure, cells)
    else:
        for number, name in enumerate(names):
            _draw_line(figure, number, cells[cells["row"] == name].sort_values("column"), row_label(name, axes))
    _draw_dense(figure, cells, "row" if seeds else "column")
    figure.layout.yaxis = axis("nDCG@10, % of dense", ticksuffix=" %")
    return figure


def _draw_dense(figure: go.Figure, cells: pd.DataFrame, along: str) -> None:
    """The dense model's line, and the axis below it with a tick at every value."""
    axes, values = kind_of(cells), sorted(set(cells[along]))
    reach = (values[-1] - values[0]) * 0.05 or 0.05
    ends = [values[0] - reach, values[-1] + reach]
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
    shown = values if len(values) <= 9 else values[:: math.ceil(len(values) / 9)]
    text = [f"{value:g}" if along == "row" else column_label(value, axes) for value in shown]
    title = axes.row_label if along == "row" else axes.column_label
    figure.layout.xaxis = axis(title, range=ends, tickmode="array", tickvals=shown, ticktext=text)


def _draw_seeds(figure: go.Figure, cells: pd.DataFrame) -> None:
    """Mean, range and every seed of a sweep over samples."""
    shares = (100 * cells["of_dense"]).groupby(cells["row"])
    x, color = sorted(set(cells["row"])), LINE_COLORS[0]
    worst, mean, best = (getattr(shares, name)().reindex(x).tolist() for name in ("min", "mean", "max"))
    figure.add_trace(_band(x, worst, best, color, "mean over the seeds"))
    figure.add_trace(
        go.Scatter(
            x=x,
            y=mean,
            mode="lines",
            line={"color": color, "width": 2},
            name="mean over the seeds",
            hovertemplate="%{x} samples: %{y:.1f} % on average<extra></extra>",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=cells["row"].tolist(),
            y=(100 * cells["of_dense"]).tolist(),
            mode="markers",
            marker={"symbol": "circle-open", "size": 9, "color": color},
            name="one seed",
            customdata=_customdata(cells),
            hovertemplate="%{customdata[0]}<extra></extra>",
        )
    )


def _band(x: list[Any], low: list[float], high: list[float], color: str, group: str) -> go.Scatter:
    return go.Scatter(
        x=[*x, *reversed(x)],
        y=[*high, *reversed(low)],
        fill="toself",
        fillcolor=scales.faded(color, BAND_OPACITY),
        line={"width": 0},
        mode="lines",
        legendgroup=group,
        showlegend=False,
        hoverinfo="skip",
    )


def _draw_line(figure: go.Figure, number: int, cells: pd.DataFrame, label: str) -> None:
    color = LINE_COLORS[number % len(LINE_COLORS)]
    x, y = cells["column"].tolist(), (100 * cells["of_dense"]).tolist()
    low, high = (
        (100 * (1 + cells[end] / cells["dense_ndcg_at_10"].where(cells["dense_ndcg_at_10"] > 0)))
        for end in ("low", "high")
    )
    if low.notna().all() and high.notna().all():
        figure.add_trace(_band(x, low.tolist(), high.tolist(), color, label))
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="lines+markers",
            line={"color": color, "width": 2, "dash": "solid" if number < len(LINE_COLORS) else "dot"},
            marker={"symbol": MARKERS[number % len(MARKERS)], "size": 9},
            name=plain(label),
            legendgroup=label,
            customdata=_customdata(cells),
            hovertemplate="%{customdata[0]}<extra></extra>",
        )
    )


def sweep_map(frame: pd.DataFrame, side: str) -> go.Figure:
    """Rows of the sweep by columns; colour and label are nDCG@10 as a percentage of the dense model's.

    Args:
        frame: tidy, as `gaprune_viz.sweep.sweep` returns it.
        side: `domain` or `general`.
    """
    title, cells = _side(frame, side)
    if not np.isfinite(cells["of_dense"].to_numpy(float)).any():
        return empty(title, "There are no cells to show.")
    axes, names, columns = kind_of(frame), list(dict.fromkeys(cells["row"])), list(dict.fromkeys(cells["column"]))
    by_place = {place: i for i, place in enumerate(zip(cells["row"], cells["column"], strict=True))}
    values, hover = cells["of_dense"].tolist(), [pair[0] for pair in _customdata(cells)]

    def grid(pick: Any, missing: Any) -> list[list[Any]]:
        return [[pick(by_place[n, c]) if (n, c) in by_place else missing for c in columns] for n in names]

    shares = np.array(grid(lambda i: 100 * values[i], math.nan), dtype=float)
    span = span_of(frame)
    figure = framed(130 + 44 * len(names), title, "nDCG@10, % of dense; orange is worse, blue better", left=52)
    figure.add_trace(
        go.Heatmap(
            x=[column_label(column, axes) for column in columns],
            y=[row_label(name, axes) for name in names],
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
    figure.layout.xaxis = axis(axes.column_label, type="category", showgrid=False)
    figure.layout.yaxis = axis("", type="category", autorange="reversed", showgrid=False)
    return figure


def span_of(frame: pd.DataFrame) -> float:
    """How far, in percentage points, the colours reach on each side of 100 %: the same for both sides, 100 at most."""
    shares = 100 * frame["of_dense"].to_numpy(float)
    known = np.abs(shares[np.isfinite(shares)] - 100)
    return min(100.0, max(LEAST_SPAN, float(known.max(initial=0.0))))


def _write_labels(figure: go.Figure, shares: np.ndarray, scale: scales.Scale) -> None:
    """The number of each cell, in black or white: the greys that plotly would choose are too faint on some cells."""
    heatmap: Any = figure.data[0]
    places = [(i, j) for i, j in np.ndindex(shares.shape) if np.isfinite(shares[i, j])]
    figure.add_trace(
        go.Scatter(
            x=[heatmap.x[j] for _, j in places],
            y=[heatmap.y[i] for i, _ in places],
            mode="text",
            text=[share(float(shares[place]) / 100) for place in places],
            textfont={"size": 13, "color": [scales.text_on(scale.at(float(shares[place]))) for place in places]},
            hoverinfo="skip",
            showlegend=False,
        )
    )


def sweep_table(frame: pd.DataFrame) -> pd.DataFrame:
    """The table beside both figures: every cell of both sides, rounded, with columns named for people."""
    if frame.empty:
        return pd.DataFrame()
    axes = kind_of(frame)
    rows = [
        {
            "Side": f"{SIDES.get(cell['side'], cell['side'])}: {cell['task']}",
            axes.row_label: row_label(cell["row"], axes),
            axes.column_label: column_label(cell["column"], axes),
            "nDCG@10": fixed(cell["ndcg_at_10"]),
            "MRR@10": fixed(cell["mrr_at_10"]),
            "Recall@10": fixed(cell["recall_at_10"]),
            "Of dense": share(cell["of_dense"]),
            "95 % interval": _interval(cell),
            "p": p_value(cell["p"]),
        }
        for cell in frame.to_dict(orient="records")
    ]
    return pd.DataFrame(rows)


def kind_of(frame: pd.DataFrame) -> SweepKind:
    """What rows and columns of a frame are."""
    return SWEEP_KINDS[str(frame["kind"].iloc[0])]


def places_of(frame: pd.DataFrame) -> list[tuple[Any, Any]]:
    """(row, column) of every cell, each once; its position is the cell's name on the page."""
    return list(dict.fromkeys(zip(frame["row"], frame["column"], strict=True)))


def row_label(row: Any, axes: SweepKind) -> str:
    """`Magnitude`, `α = 0.2`, `κ = auto`, `n = 128`."""
    text = CRITERION_LABELS.get(row, row) if isinstance(row, str) else f"{row:g}"
    return f"{axes.row_symbol} = {text}" if axes.row_symbol else str(text)


def column_label(column: Any, axes: SweepKind) -> str:
    """`50 %`, `β = 0.3`, `seed 2`."""
    if axes.column == "sparsity":
        return _sparsity(column)
    return f"{axes.column_symbol}{' ' if len(axes.column_symbol) > 1 else ' = '}{column:g}"


def place_label(place: tuple[Any, Any], axes: SweepKind) -> str:
    """A cell for people."""
    return f"{row_label(place[0], axes)}, {column_label(place[1], axes)}"


def _side(frame: pd.DataFrame, side: str) -> tuple[str, pd.DataFrame]:
    """Title and cells of one side."""
    cells = frame[frame["side"] == side]
    task = f": {cells['task'].iloc[0]}" if len(cells) else ""
    return f"{SIDES[side]}{task}", cells


def _customdata(cells: pd.DataFrame) -> list[list[str]]:
    """Of every point: what is said of it, and its place in the plan, by which a click finds the cell of the map."""
    axes = kind_of(cells)
    return [
        [
            f"<b>{plain(place_label((cell['row'], cell['column']), axes))}</b><br>nDCG@10 {fixed(cell['ndcg_at_10'])}, "
            f"{share(cell['of_dense'])} of dense<br>difference, 95 %: {_interval(cell)}",
            f"{cell['row']}|{cell['column']}",
        ]
        for cell in cells.to_dict(orient="records")
    ]


def _sparsity(value: float) -> str:
    """Whole percents where that is the whole of it."""
    return percent(value, 0 if math.isclose(100 * value, round(100 * value), abs_tol=1e-9) else 1)


def share(value: float) -> str:
    """A fraction of dense as a percentage with one decimal."""
    return f"{100 * value:.1f} %" if math.isfinite(value) else MISSING


def fixed(value: float) -> str:
    """A measure with three decimals."""
    return f"{value:.3f}" if math.isfinite(value) else MISSING


def _interval(cell: dict[Any, Any]) -> str:
    low, high = cell["low"], cell["high"]
    return f"{signed(low)} to {signed(high)}" if math.isfinite(low) and math.isfinite(high) else MISSING
