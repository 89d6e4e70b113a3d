"""One matrix in detail, what its two terms do, and profiles over layers and rows; with the table beside each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gaprune_viz.figures import scales
from gaprune_viz.figures.formatting import count, number, percent
from gaprune_viz.figures.frame import axis, empty, framed, layer_ticks, log_ticks, matrix_name, plain
from gaprune_viz.figures.metrics import ROLE_LABELS, ROLE_ORDER

HEIGHT = 380
FRACTION_TICKS = {
    "tickmode": "array",
    "tickvals": [0, 0.25, 0.5, 0.75, 1],
    "ticktext": ["0 %", "25 %", "50 %", "75 %", "100 %"],
}
MOST_POINTS = 3_000
MOST_ROWS = 256
# Bins with less than this share of the matrix are left off the ends of the axis.
SHOWN_SHARE = 5e-4
SERIES = (
    ("fisher_domain", "domain", scales.DOMAIN),
    ("fisher_general", "general", scales.GENERAL),
    ("theta", "|θ|", scales.DENSE),
)
SYMBOLS = (
    "circle-open",
    "diamond-open",
    "square-open",
    "triangle-up-open",
    "triangle-down-open",
    "cross-open",
    "x-open",
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


def scatter_terms(
    theta_term: np.ndarray,
    fisher_term: np.ndarray,
    pruned: np.ndarray,
    *,
    threshold: float = math.nan,
    title: str = "The two terms of the weights",
    same_scale: bool = False,
) -> go.Figure:
    """Fisher term against magnitude term of sampled weights, kept and pruned.

    Args:
        theta_term, fisher_term: [n], in the unit of the score.
        pruned: bool [n].
        threshold: of the score; drawn as the line where the terms add up to it (before alignment).
        same_scale: draw both axes to one scale, which shows how small one term is.
    """
    x, y = np.asarray(theta_term, dtype=np.float64), np.asarray(fisher_term, dtype=np.float64)
    usable = np.isfinite(x) & np.isfinite(y)
    if not usable.any():
        return empty(title, "There are no weights to show.")
    x, y, gone = x[usable], y[usable], np.asarray(pruned, dtype=bool)[usable]
    step = max(1, -(-len(x) // MOST_POINTS))
    figure = framed(HEIGHT, title, f"{count(len(x[::step]))} of {count(len(x))} sampled weights", legend=True)
    looks = ((~gone, "kept", scales.KEPT, "circle", 0), (gone, "pruned", scales.REMOVED, "x-thin-open", 1))
    for chosen, label, color, symbol, edge in looks:
        figure.add_trace(
            go.Scatter(
                x=x[::step][chosen[::step]],
                y=y[::step][chosen[::step]],
                mode="markers",
                name=label,
                marker={
                    "color": color,
                    "symbol": symbol,
                    "size": 5,
                    "opacity": 0.55,
                    "line": {"width": symbol != "circle"},
                },
                hovertemplate=f"<b>{label}</b><br>magnitude term %{{x:.3~g}}<br>Fisher term %{{y:.3~g}}<extra></extra>",
            )
        )
    spans = [_bulk(x), _bulk(y)]
    if same_scale:
        half = max(high - low for low, high in spans) / 2
        spans = [((low + high) / 2 - half, (low + high) / 2 + half) for low, high in spans]
    if math.isfinite(threshold):
        figure.add_trace(
            go.Scatter(
                x=[spans[0][0], spans[0][1]],
                y=[threshold - spans[0][0], threshold - spans[0][1]],
                mode="lines",
                name="sum at the threshold",
                line={"color": scales.THRESHOLD, "width": 2, "dash": "dash"},
                hoverinfo="skip",
            )
        )
    figure.update_xaxes(**axis("magnitude term γ √|θ|", range=list(spans[0]), nticks=6))
    figure.update_yaxes(**axis("Fisher term", range=list(spans[1]), nticks=6, exponentformat="power"))
    return figure


def scatter_table(theta_term: np.ndarray, fisher_term: np.ndarray, pruned: np.ndarray) -> pd.DataFrame:
    """The table beside `scatter_terms`: how many, and the median of each term."""
    gone = np.asarray(pruned, dtype=bool)
    rows = [
        {
            "Weights": label,
            "Sampled": int(chosen.sum()),
            "Median magnitude term": number(_median(theta_term, chosen)),
            "Median Fisher term": number(_median(fisher_term, chosen)),
        }
        for label, chosen in (("kept", ~gone), ("pruned", gone))
    ]
    return pd.DataFrame(rows)


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
    figure.update_xaxes(**axis("Layer", range=[-0.5, len(layers) - 0.5], showgrid=False, **layer_ticks(layers)))
    figure.update_yaxes(**axis("", range=[0, 1.02], **FRACTION_TICKS))
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


def row_profile(values: np.ndarray, *, title: str, y_title: str, fraction: bool = False) -> go.Figure:
    """One value per output row; many rows are drawn as means with the range between smallest and largest.

    Args:
        values: [rows].
        fraction: values are shares: the axis is 0 to 100 %.
    """
    values = np.asarray(values, dtype=np.float64)
    if not np.isfinite(values).any():
        return empty(title, "There are no rows to show.")
    low, middle, high, starts = _blocks(values)
    per = -(-len(values) // len(middle))
    note = f"{len(values):,} rows" + (f", {per} to a point" if per > 1 else "")
    figure = framed(270, title, note)
    shown = percent if fraction else number
    text = [
        f"<b>{'Row' if per == 1 else 'Rows from'} {start:,}</b><br>{shown(m)}"
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
    figure.update_xaxes(**axis("Output row", showgrid=False, range=[0, max(1, len(values) - 1)]))
    figure.update_yaxes(**axis(y_title, **({"range": [0, 1.02], **FRACTION_TICKS} if fraction else {"nticks": 5})))
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


def _bulk(values: np.ndarray) -> tuple[float, float]:
    """The range of all but the outermost half percent, with a little air."""
    low, high = (float(v) for v in np.quantile(values, [0.005, 0.995]))
    air = 0.04 * (high - low) or max(abs(high), 1e-12) * 0.1
    return low - air, high + air


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


def _median(values: np.ndarray, chosen: np.ndarray) -> float:
    picked = np.asarray(values, dtype=np.float64)[chosen]
    return float(np.median(picked)) if picked.size else math.nan
