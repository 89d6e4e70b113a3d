"""How values spread: layer by value densities, and the table beside each of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.formatting import number, percent
from gaprune_viz.figures.kit.plotly_frame import axis, empty, framed, layer_ticks, log_ticks
from gaprune_viz.figures.weights.matrix import matrix_detail, matrix_detail_table
from gaprune_viz.figures.weights.profiles import layer_profile, layer_table, row_profile, row_table
from gaprune_viz.figures.weights.terms import scatter_table, scatter_terms

__all__ = [
    "density_heatmap",
    "density_table",
    "fisher_density",
    "fisher_table",
    "layer_profile",
    "layer_table",
    "matrix_detail",
    "matrix_detail_table",
    "row_profile",
    "row_table",
    "scatter_table",
    "scatter_terms",
]

QUANTILES = (0.05, 0.5, 0.95)
# Bins with less than this share of every layer are left off the ends of the axis.
SHOWN_SHARE = 5e-4
SIDES = {"domain": "Fisher information, domain", "general": "Fisher information, general"}


def density_heatmap(
    edges: np.ndarray,
    counts: np.ndarray,
    layers: Sequence[int],
    *,
    title: str,
    x_title: str,
    thresholds: Sequence[float] | None = None,
    log10: bool = False,
    subtitle: str = "",
) -> go.Figure:
    """Layer by value: each row is one layer's distribution, as a share of the layer's weights.

    Colours follow the square root of the share, because the eye would see only the peaks otherwise.

    Args:
        edges: [bins + 1], rising; exponents where `log10`.
        counts: [layers, bins], weights in each bin.
        layers: labels of the rows.
        thresholds: one value per layer, nan where there is none; drawn as a step line.
        log10: label the axis with powers of ten.
        subtitle: a second line.
    """
    shares = _shares(counts)
    if not shares.size or not np.isfinite(shares).any():
        return empty(title, "There are no values to show.")
    low, high = float(edges[0]), float(edges[-1])
    middle = (edges[:-1] + edges[1:]) / 2
    lines = thresholds is not None and any(math.isfinite(t) for t in thresholds)
    figure = framed(_height(len(layers)), title, subtitle, left=52, legend=lines)
    figure.add_trace(
        go.Heatmap(
            x=middle,
            y=list(range(len(layers))),
            z=np.sqrt(np.where(shares > 0, shares, np.nan)),
            customdata=_hover(edges, shares, layers, log10),
            hovertemplate="%{customdata}<extra></extra>",
            colorscale=scales.plotly_scale(scales.DENSITY),
            zmin=0,
            zmax=float(np.sqrt(np.nanmax(shares))),
            showscale=False,
            ygap=1,
        )
    )
    if lines and thresholds is not None:
        _draw_thresholds(figure, thresholds, low, high)
    figure.layout.xaxis = axis(x_title, range=[low, high], **(log_ticks(low, high) if log10 else {"nticks": 7}))
    figure.update_yaxes(
        **axis("Layer", range=[len(layers) - 0.5, -0.5], showgrid=False, **layer_ticks([int(x) for x in layers]))
    )
    return figure


def density_table(
    edges: np.ndarray, counts: np.ndarray, layers: Sequence[int], thresholds: Sequence[float] | None = None
) -> pd.DataFrame:
    """The table beside `density_heatmap`: quantiles within bin width, the threshold, and what lies below it."""
    rows = []
    lines = thresholds if thresholds is not None else [math.nan] * len(layers)
    for layer, line, threshold in zip(layers, np.asarray(counts, dtype=np.float64), lines, strict=True):
        low, middle, high = (_quantile(edges, line, q) for q in QUANTILES)
        rows.append(
            {
                "Layer": int(layer),
                "5 %": number(low),
                "Median": number(middle),
                "95 %": number(high),
                "Threshold": number(threshold),
                "Below it": percent(_below(edges, line, threshold)),
            }
        )
    return pd.DataFrame(rows, columns=["Layer", "5 %", "Median", "95 %", "Threshold", "Below it"])


def fisher_density(histograms: Mapping[str, np.ndarray], matrices: pd.DataFrame, side: str) -> go.Figure:
    """Layer by log10 Fisher information of the domain or of general data.

    Args:
        histograms: `fisher_<side>` counts [matrices, bins] and `fisher_<side>_edges` [bins + 1], exponents of ten.
            The first bin also holds exact zeros.
        matrices: `name`, `layer`, one row per matrix.
        side: `domain` or `general`.
    """
    edges, counts, layers = _by_layer(histograms, matrices, side)
    start, stop = _occupied(counts[:, 1:])
    zeros = float(counts[:, 0].sum() / max(1.0, counts.sum()))
    return density_heatmap(
        edges[1 + start : 2 + stop],
        counts[:, 1 + start : 1 + stop],
        layers,
        title=f"{SIDES[side]}, by layer",
        x_title="Fisher information (squared gradient)",
        subtitle=f"{percent(zeros)} of the weights are at 0 and not drawn" if zeros > 0 else "",
        log10=True,
    )


def fisher_table(histograms: Mapping[str, np.ndarray], matrices: pd.DataFrame, side: str) -> pd.DataFrame:
    """The table beside `fisher_density`: quantiles of the Fisher information of each layer."""
    edges, counts, layers = _by_layer(histograms, matrices, side)
    rows = [
        {"Layer": layer, "Weights": int(line.sum())}
        | {
            name: number(10.0 ** _quantile(edges, line, q))
            for name, q in zip(("5 %", "Median", "95 %"), QUANTILES, strict=True)
        }
        for layer, line in zip(layers, counts, strict=True)
    ]
    return pd.DataFrame(rows, columns=["Layer", "Weights", "5 %", "Median", "95 %"])


def _by_layer(
    histograms: Mapping[str, np.ndarray], matrices: pd.DataFrame, side: str
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Edges, counts summed over the matrices of each layer float64 [layers, bins], and the layers."""
    counts = np.asarray(histograms[f"fisher_{side}"], dtype=np.float64)
    of_row = matrices["layer"].to_numpy()
    layers = sorted({int(layer) for layer in of_row})
    summed = np.stack([counts[of_row == layer].sum(axis=0) for layer in layers]) if layers else counts[:0]
    return np.asarray(histograms[f"fisher_{side}_edges"]), summed, layers


def _occupied(counts: np.ndarray) -> tuple[int, int]:
    """First bin and one past the last that hold more than a ten-thousandth of some layer."""
    if not counts.size:
        return 0, counts.shape[1] if counts.ndim == 2 else 0
    filled = np.flatnonzero((_shares(counts) > SHOWN_SHARE).any(axis=0))
    return (int(filled[0]), int(filled[-1]) + 1) if filled.size else (0, counts.shape[1])


def _shares(counts: np.ndarray) -> np.ndarray:
    """Each row as shares of its sum; nan where a row is empty."""
    counts = np.asarray(counts, dtype=np.float64)
    total = counts.sum(axis=1, keepdims=True) if counts.ndim == 2 else np.zeros((0, 1))
    return np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)


def _hover(edges: np.ndarray, shares: np.ndarray, layers: Sequence[int], log10: bool) -> np.ndarray:
    spans = [
        f"{number(10.0**a if log10 else a)} to {number(10.0**b if log10 else b)}"
        for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]
    return np.array(
        [
            [
                f"<b>Layer {layer}</b><br>{span}<br>{percent(part, 2)} of the layer's weights"
                for span, part in zip(spans, row, strict=True)
            ]
            for layer, row in zip(layers, shares.tolist(), strict=True)
        ],
        dtype=object,
    )


def _draw_thresholds(figure: go.Figure, thresholds: Sequence[float], low: float, high: float) -> None:
    """One upright stroke per layer; nothing where a threshold is missing or outside the axis."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    for row, threshold in enumerate(thresholds):
        if math.isfinite(threshold) and low <= threshold <= high:
            xs += [threshold, threshold, None]
            ys += [row - 0.5, row + 0.5, None]
    for width, color in ((5, scales.HALO), (2, scales.THRESHOLD)):
        figure.add_trace(
            go.Scatter(
                x=xs,
                y=ys,
                mode="lines",
                line={"color": color, "width": width},
                name="threshold: left of it is pruned",
                hoverinfo="skip",
                showlegend=color == scales.THRESHOLD,
            )
        )


def _height(layers: int) -> int:
    """Pixels: readable rows for few layers, no endless page for many."""
    return int(min(660, max(256, 150 + 24 * layers)))


def _quantile(edges: np.ndarray, line: np.ndarray, q: float) -> float:
    """Quantile of binned values, linear within a bin; nan where there are none."""
    total = line.sum()
    if not total > 0:
        return math.nan
    return float(np.interp(q * total, np.concatenate(([0.0], np.cumsum(line))), edges))


def _below(edges: np.ndarray, line: np.ndarray, threshold: float) -> float:
    """Share of binned values below a threshold; nan without one."""
    total = line.sum()
    if not math.isfinite(threshold) or not total > 0:
        return math.nan
    return float(np.interp(threshold, edges, np.concatenate(([0.0], np.cumsum(line)))) / total)
