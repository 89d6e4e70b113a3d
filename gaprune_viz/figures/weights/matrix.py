"""One matrix in detail: how its values spread, and the table beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.formatting import number, percent
from gaprune_viz.figures.kit.plotly_frame import HEIGHT, axis, framed, log_ticks, matrix_name, plain

# Bins with less than this share of the matrix are left off the ends of the axis.
SHOWN_SHARE = 5e-4
SERIES = (
    ("fisher_domain", "domain", scales.DOMAIN),
    ("fisher_general", "general", scales.GENERAL),
    ("theta", "|θ|", scales.DENSE),
)


def matrix_detail(
    histograms: Mapping[str, np.ndarray],
    index: int,
    name: str,
    *,
    score: tuple[np.ndarray, np.ndarray, float] | None = None,
) -> go.Figure:
    """The selected matrix: Fisher information of both sides overlaid, |theta| below, the score where it is given.

    Args:
        histograms: `fisher_domain`, `fisher_general`, `theta`: counts [matrices, bins]; `<key>_edges`: powers of ten.
        index: row of the matrix in them.
        name: of the matrix.
        score: edges [b + 1], counts [b], threshold (nan for none); what is left of it is coloured as pruned.
    """
    panels = 2 + (score is not None)
    figure = framed(HEIGHT + 120 * (panels - 2), "Distributions of the selected matrix", matrix_name(name), legend=True)
    bands = _bands(panels)
    for place, keys in enumerate((SERIES[:2], SERIES[2:])):
        reach = [_exponent_range(histograms, key, index) for key, _, _ in keys]
        low, high = min(a for a, _ in reach), max(b for _, b in reach)
        for key, label, color in keys:
            edges, line = _line(histograms, key, index)
            _area(figure, edges, line, label, color, place, log10=True, legend=place == 0)
        title = "Fisher information (squared gradient)" if place == 0 else "|θ|"
        _axes(figure, place, bands[place], title, range=[low, high], **log_ticks(low, high, 8))
    if score is not None:
        edges, line, threshold = score
        _split_area(figure, edges, line, threshold, 2)
        _axes(figure, 2, bands[2], "score", range=[float(edges[0]), float(edges[-1])])
    return figure


def matrix_detail_table(histograms: Mapping[str, np.ndarray], index: int) -> pd.DataFrame:
    """The table beside `matrix_detail`: weights counted and quantiles, within the width of a bin."""
    rows = []
    for key, label, _ in SERIES:
        edges, line = _line(histograms, key, index)
        total = line.sum()
        cumulated = np.concatenate(([0.0], np.cumsum(line)))
        values = [
            10.0 ** float(np.interp(q * total, cumulated, edges)) if total else math.nan for q in (0.05, 0.5, 0.95)
        ]
        shown = dict(zip(("5 %", "Median", "95 %"), map(number, values), strict=True))
        rows.append({"Value": label if key == "theta" else f"Fisher, {label}", "Weights": int(total)} | shown)
    return pd.DataFrame(rows)


def _line(histograms: Mapping[str, np.ndarray], key: str, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Edges and counts of one matrix."""
    return np.asarray(histograms[f"{key}_edges"]), np.asarray(histograms[key][index], dtype=np.float64)


def _exponent_range(histograms: Mapping[str, np.ndarray], key: str, index: int) -> tuple[float, float]:
    """Where the values lie, leaving out the first bin, which holds exact zeros."""
    edges, line = _line(histograms, key, index)
    filled = np.flatnonzero(line[1:] > SHOWN_SHARE * max(1.0, line.sum())) + 1
    return (
        (float(edges[filled[0]]), float(edges[filled[-1] + 1])) if filled.size else (float(edges[0]), float(edges[-1]))
    )


def _area(
    figure: go.Figure,
    edges: np.ndarray,
    line: np.ndarray,
    label: str,
    color: str,
    place: int,
    *,
    log10: bool,
    legend: bool = True,
    total: float | None = None,
) -> None:
    """A histogram as a stepped area; shares are of `total`, which is the sum of the counts where it is not given."""
    shares = line / max(1.0, float(line.sum()) if total is None else total)
    spans = [
        (10.0**a, 10.0**b) if log10 else (a, b) for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]
    text = [
        f"<b>{plain(label)}</b><br>{number(a)} to {number(b)}<br>{percent(part, 2)} of the weights"
        for (a, b), part in zip(spans, shares.tolist(), strict=True)
    ]
    figure.add_trace(
        go.Scatter(
            x=edges,
            y=100 * np.append(shares, 0.0),
            mode="lines",
            showlegend=legend,
            name=label,
            line={"color": color, "width": 1.5, "shape": "hv"},
            fill="tozeroy",
            fillcolor=scales.faded(color, 0.16),
            customdata=[*text, ""],
            hovertemplate="%{customdata}<extra></extra>",
            xaxis="x" if place == 0 else f"x{place + 1}",
            yaxis="y" if place == 0 else f"y{place + 1}",
        )
    )


def _split_area(figure: go.Figure, edges: np.ndarray, line: np.ndarray, threshold: float, place: int) -> None:
    """The score's distribution, coloured on either side of the threshold."""
    cut = int(np.searchsorted(edges, threshold)) if math.isfinite(threshold) else 0
    cut = min(max(cut, 0), len(line))
    for label, color, keep in (("pruned", scales.REMOVED, slice(0, cut)), ("kept", scales.KEPT, slice(cut, None))):
        part = np.zeros_like(np.asarray(line, dtype=np.float64))
        part[keep] = line[keep]
        if part.any():
            _area(figure, edges, part, label, color, place, log10=False, total=float(np.sum(line)))


def _bands(panels: int) -> list[tuple[float, float]]:
    """Upright domains of stacked panels, the first on top."""
    gap = 0.2 if panels == 2 else 0.16
    size = (1 - gap * (panels - 1)) / panels
    return [(1 - i * (size + gap) - size, 1 - i * (size + gap)) for i in range(panels)]


def _axes(figure: go.Figure, place: int, band: tuple[float, float], title: str, **more: object) -> None:
    number_ = "" if place == 0 else str(place + 1)
    figure.update_layout(
        {
            f"xaxis{number_}": axis(title, anchor=f"y{number_}", **more) | {"domain": [0, 1]},
            f"yaxis{number_}": axis("", anchor=f"x{number_}", rangemode="tozero", ticksuffix=" %", nticks=4)
            | {"domain": [max(0.0, band[0]), min(1.0, band[1])]},
        }
    )
