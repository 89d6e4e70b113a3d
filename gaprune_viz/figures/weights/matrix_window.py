"""A matrix from inside: a picture to zoom down to single weights, its neurons and heads; and the kinds of weights."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go

from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.formatting import number, percent, signed
from gaprune_viz.figures.kit.metrics import Metric, scale_of
from gaprune_viz.figures.kit.plotly_frame import HEIGHT, axis, framed
from gaprune_viz.figures.weights.profiles import row_profile

_SQUARED = "squared gradient"
QUANTITIES = {
    metric.key: metric
    for metric in (
        Metric("pruned", "Pruned", "Share of the weights that the exact mask sets to 0.", "of the weights", "fraction"),
        Metric("score", "Score", "The criterion's score: higher means keep.", "score", "sequential"),
        Metric("theta", "|θ|", "Size of the weight.", "weight", "sequential"),
        Metric("fisher_domain", "Fisher, domain", "Mean on domain data.", _SQUARED, "sequential", True),
        Metric("fisher_general", "Fisher, general", "Mean on general data.", _SQUARED, "sequential", True),
        Metric("fisher_ratio", "Fisher ratio", "log10 of domain over general Fisher.", "log10", "diverging"),
        Metric("alignment", "Gradient correlation", "Do both sides want the same?", "correlation", "diverging"),
    )
}
UNITS = {
    "rows": ("Output neurons", "row"),
    "columns": ("Input features", "column"),
    "heads": ("Attention heads", "head"),
}


def inside_html(
    values: np.ndarray, rows: Sequence[int], columns: Sequence[int], what: str, *, where: str, exact: bool
) -> str:
    """A window of a matrix as a picture with a cursor; `inside.js` draws it and reports clicks.

    Args:
        values: [m, n], mean of each block.
        rows, columns: where the blocks begin, and the last ones end.
        what: key of QUANTITIES.
        where: the matrix, in words.
        exact: every block is one weight.
    """
    metric = QUANTITIES[what]
    flat = [float(v) for v in values.reshape(-1)]
    colors, log = scale_of(metric, flat)
    size = f"{rows[-1] - rows[0]:,} × {columns[-1] - columns[0]:,} weights"
    block = "every cell is one weight" if exact else "every cell is the mean of a block"
    place = f"rows {rows[0]:,} to {rows[-1] - 1:,}, columns {columns[0]:,} to {columns[-1] - 1:,}"
    help_line = (
        "Click a cell to zoom in, or a single weight to explain it. With the keyboard: arrows move, Enter zooms, "
        "Backspace goes out."
    )
    return (
        f'<section class="gv-panel gv-inside"><div class="gv-inside-top"><div><h3>{escape(metric.label)}</h3>'
        f'<p class="gv-sub">{escape(metric.help)}</p></div>{_legend(metric, colors, log)}</div>'
        f'<p class="gv-inside-where"><b>{escape(where)}</b> {escape(f"{place}; {size}; {block}.")}</p>'
        f'<div class="gv-inside-frame" role="application" tabindex="0" '
        f'aria-label="{escape(f"{metric.label} of {where}, {place}. Arrow keys move the cursor.", quote=True)}" '
        f'data-values="{_packed(values)}" data-rows="{_joined(rows)}" data-columns="{_joined(columns)}" '
        f'data-colors="{",".join(colors.colors)}" data-low="{colors.low!r}" data-high="{colors.high!r}" '
        f'data-log="{int(log)}" data-kind="{metric.kind}" data-unit="{escape(metric.unit, quote=True)}" '
        f'data-exact="{int(exact)}"><canvas aria-hidden="true"></canvas>'
        '<i class="gv-inside-cursor" aria-hidden="true"></i></div>'
        f'<p class="gv-inside-says" role="status" aria-live="polite">&nbsp;</p>'
        f'<p class="gv-hm-keys">{escape(help_line)}</p></section>'
    )


def unit_figure(values: np.ndarray, side: str, what: str) -> go.Figure:
    """Means by neuron, feature or head."""
    metric = QUANTITIES[what]
    title, unit = UNITS[side]
    if side != "heads":
        return row_profile(
            values, title=f"{title}: {metric.label}", y_title=metric.unit, fraction=metric.kind == "fraction", unit=unit
        )
    figure = framed(HEIGHT, f"{title}: {metric.label}", "mean over the weights of a head")
    shown = 100 * values if metric.kind == "fraction" else values
    figure.add_trace(
        go.Bar(
            x=list(range(len(values))),
            y=shown,
            marker={"color": scales.KEPT},
            hovertemplate=f"<b>{unit} %{{x}}</b><br>%{{y:.3~g}} {metric.unit}<extra></extra>",
        )
    )
    figure.layout.xaxis = axis("Head", dtick=1, showgrid=False)
    figure.layout.yaxis = axis(metric.unit, ticksuffix=" %" if metric.kind == "fraction" else "", rangemode="tozero")
    return figure


def kinds_figure(
    ratio_edges: np.ndarray, alignment_edges: np.ndarray, counts: np.ndarray, pruned: np.ndarray, where: str
) -> go.Figure:
    """Fisher ratio against alignment; colour is how many weights, hover says how many of them would go."""
    figure = framed(HEIGHT + 40, "Whom a weight serves", f"and whether both sides agree; {where}")
    share = counts / max(1.0, float(counts.sum()))
    gone = np.divide(pruned, counts, out=np.full_like(counts, np.nan), where=counts > 0)
    x, y = (ratio_edges[:-1] + ratio_edges[1:]) / 2, (alignment_edges[:-1] + alignment_edges[1:]) / 2
    text = [
        [
            f"<b>{10.0**a:.2g} times the general Fisher, correlation {signed(b, 2)}</b><br>"
            f"{percent(s, 2)} of the weights<br>{percent(g)} of them pruned"
            for a, s, g in zip(x.tolist(), row.tolist(), lost.tolist(), strict=True)
        ]
        for b, row, lost in zip(y.tolist(), share, gone, strict=True)
    ]
    figure.add_trace(
        go.Heatmap(
            x=x,
            y=y,
            z=np.sqrt(np.where(share > 0, share, np.nan)),
            customdata=text,
            hovertemplate="%{customdata}<extra></extra>",
            colorscale=scales.plotly_scale(scales.DENSITY),
            showscale=False,
        )
    )
    top = float(alignment_edges[-1])
    for line in ({"x0": 0, "x1": 0, "y0": -top, "y1": top}, {"x0": x[0], "x1": x[-1], "y0": 0, "y1": 0}):
        figure.add_shape(type="line", line={"color": scales.INK, "width": 1, "dash": "dot"}, **line)
    corners = [(side, height) for side in (-1, 1) for height in (-1, 1)]
    for side, height in corners:
        figure.add_annotation(
            text=f"{'domain' if side > 0 else 'general'}, {'agreeing' if height > 0 else 'conflicting'}",
            x=side * 1.9,
            y=height * 0.93 * top,
            showarrow=False,
            xanchor="right" if side > 0 else "left",
            font={"size": 12, "color": scales.INK},
        )
    ticks = {"tickvals": [-2, -1, 0, 1, 2], "ticktext": ["1/100", "1/10", "1", "10", "100"]}
    figure.layout.xaxis = axis("domain Fisher / general Fisher", **ticks)
    figure.layout.yaxis = axis("gradient correlation", range=[-top, top], nticks=5)
    return figure


KINDS_HELP = (
    "Domain or general: which side has the larger Fisher information at the weight. Agreeing or conflicting: whether "
    "both mean gradients point the same way. GAPrune means to keep the first kind and to let go of the last."
)


def kinds_table_html(quadrants: Mapping[str, tuple[float, float]]) -> str:
    """The table beside `kinds_figure`."""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{percent(share)}</td><td>{percent(gone)}</td></tr>'
        for name, (share, gone) in quadrants.items()
    )
    return (
        '<section class="gv-panel gv-facts"><table><caption>Four kinds of weights, after the two questions of the '
        'paper</caption><thead><tr><th scope="col">Kind</th><th scope="col">Of the weights</th>'
        f'<th scope="col">Of these pruned</th></tr></thead><tbody>{rows}</tbody></table>'
        f'<p class="gv-sub">{escape(KINDS_HELP)}</p></section>'
    )


def neurons_html(silent: Mapping[int, int]) -> str:
    """How many whole MLP neurons a mask has silenced, in one plain sentence; empty where the scope has no MLP."""
    if not silent:
        return ""
    every, most = min(silent.values()), max(silent, key=lambda layer: silent[layer])
    text = f"{every:,} in every layer" if every else "none in every layer"
    if not any(silent.values()):
        text = "none"
    elif silent[most] > every:
        text += f"; most in layer {most}: {silent[most]:,}"
    if any(silent.values()):
        why = "Their outgoing weights are all pruned, so that no embedding would change."
    else:
        why = "For that, all outgoing weights of a neuron would have to be pruned."
    return (
        f'<p class="gv-notice"><b>MLP neurons that could be removed exactly: {text}.</b> {why} A configuration has one '
        "width for all layers: what every layer can lose would make the model smaller and faster.</p>"
    )


def losses_html(where: str, gone: int, rows: int, waking: Mapping[int, int]) -> str:
    """Rows of a matrix that are all but gone, and the neurons that wake, in plain sentences.

    Args:
        where: the matrix, in words.
        gone: how many of its `rows` lose over 95 % of their inputs.
        waking: how many neurons wake, by layer; empty where the scope has no whole MLP.
    """
    text = f"<b>{escape(where)}: {gone:,} of {rows:,} rows lose over 95 % of their inputs.</b>"
    woken, layers = sum(waking.values()), [layer for layer, count in waking.items() if count]
    if woken:
        placed = ", ".join(f"layer {layer}: {waking[layer]:,}" for layer in layers)
        answer = "answers" if woken == 1 else "answer"
        text += (
            f" MLP neurons of the model that wake, because nearly all their inputs are gone and some of their outputs "
            f"are not: {woken:,} ({placed}). What wakes {answer} every text alike; Learn shows it."
        )
    elif waking:
        text += " No MLP neuron wakes: none loses nearly all its inputs and keeps an output."
    return f'<p class="gv-notice">{text}</p>'


def _legend(metric: Metric, colors: scales.Scale, log: bool) -> str:
    def tick(value: float) -> str:
        if metric.kind == "fraction":
            return f"{100 * value:.0f} %"
        return signed(value, 2) if metric.kind == "diverging" else number(10.0**value if log else value)

    ticks = "".join(f"<span>{escape(tick(value))}</span>" for value in colors.ticks(3))
    unit = metric.unit + (", log scale" if log else "")
    return (
        f'<div class="gv-legend"><div class="gv-ramp" style="background-image:linear-gradient(90deg, '
        f'{", ".join(colors.colors)})"></div><div class="gv-ticks">{ticks}</div><p>{escape(unit)}</p></div>'
    )


def _packed(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()


def _joined(numbers: Sequence[int]) -> str:
    return ",".join(str(int(n)) for n in numbers)
