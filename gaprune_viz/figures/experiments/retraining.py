"""Retraining as it goes: loss and retrieval over the steps, and the small table at the end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.formatting import MISSING, p_value, percent, signed
from gaprune_viz.figures.kit.plotly_frame import axis, empty, framed, plain

# Every version has its own colour and marker; the side is a solid or a dashed line.
LOOKS = {"retrained": (scales.PRUNED, "circle"), "dense, retrained": (scales.DENSE, "square")}
OTHER_LOOK = (scales.OTHER_TERM, "diamond")
DASHES = {"domain": "solid", "general": "dash"}
SIDES = {"domain": "Domain", "general": "General"}
VERSIONS = {
    "dense": "Dense",
    "pruned": "Pruned",
    "retrained": "Pruned, retrained",
    "dense, retrained": "Dense, retrained (control)",
}
HEIGHT = 340
# A loss is drawn as it is, and as a running mean over this share of the steps so far.
SMOOTHED = 0.1
Curves = Mapping[str, Mapping[str, Any]]


def loss_figure(curves: Curves, steps: int) -> go.Figure:
    """Loss of each batch, faint, and its running mean.

    Args:
        curves: version -> document of a `gaprune_viz.training.Curve`.
        steps: planned, so that the axis stands still while the curve grows.
    """
    title = "Loss"
    if not any(curve["losses"] for curve in curves.values()):
        return empty(title, "The first step is on its way.", HEIGHT)
    figure = framed(HEIGHT, title, "Contrastive loss of each batch, and its running mean", legend=True)
    figure.update_layout(margin={"b": 84})
    for version, curve in curves.items():
        color, _ = LOOKS.get(version, OTHER_LOOK)
        x, y = [step for step, _ in curve["losses"]], [loss for _, loss in curve["losses"]]
        name = VERSIONS.get(version, version)
        figure.add_trace(
            go.Scatter(
                x=x,
                y=y,
                mode="lines+markers" if len(x) < 3 else "lines",
                line={"color": scales.faded(color, 0.35), "width": 1},
                showlegend=False,
                hoverinfo="skip",
            )
        )
        figure.add_trace(
            go.Scatter(
                x=x,
                y=_running_mean(y),
                mode="lines+markers" if len(x) < 3 else "lines",
                line={"color": color, "width": 2},
                name=plain(name),
                customdata=y,
                hovertemplate=f"{plain(name)}, step %{{x}}: %{{customdata:.3f}}<extra></extra>",
            )
        )
    figure.layout.xaxis = axis("Step", range=[0, steps])
    figure.layout.yaxis = axis("Loss", rangemode="tozero")
    return figure


def quality_figure(curves: Curves, steps: int, dense: Mapping[str, float]) -> go.Figure:
    """nDCG@10 as a percentage of the dense model's before any training, over the steps.

    Args:
        curves: version -> document of a `gaprune_viz.training.Curve`.
        steps: planned.
        dense: side -> nDCG@10 of the dense model.
    """
    title = "Retrieval"
    lines = [
        (version, side, points)
        for version, curve in curves.items()
        for side in SIDES
        if (points := [(p["step"], p["ndcg_at_10"][side]) for p in curve["points"] if side in p["ndcg_at_10"]])
        and dense.get(side, 0) > 0
    ]
    if not lines:
        return empty(title, "The first measurement is on its way.", HEIGHT)
    figure = framed(HEIGHT, title, "nDCG@10, % of the dense model before any training", legend=True)
    figure.update_layout(margin={"b": 84})
    for version, side, points in lines:
        color, symbol = LOOKS.get(version, OTHER_LOOK)
        name = f"{VERSIONS.get(version, version)}: {SIDES[side].lower()}"
        figure.add_trace(
            go.Scatter(
                x=[step for step, _ in points],
                y=[100 * score / dense[side] for _, score in points],
                mode="lines+markers",
                line={"color": color, "width": 2, "dash": DASHES[side]},
                marker={"symbol": symbol if side == "domain" else f"{symbol}-open", "size": 8, "color": color},
                name=plain(name),
                customdata=[score for _, score in points],
                hovertemplate=f"{plain(name)}, step %{{x}}: %{{y:.1f}} %, nDCG@10 %{{customdata:.3f}}<extra></extra>",
            )
        )
    figure.add_hline(y=100, line={"color": scales.INK, "width": 1, "dash": "dot"})
    reach = max(1, steps) * 0.03
    figure.layout.xaxis = axis("Step", range=[-reach, steps + reach])
    figure.layout.yaxis = axis("% of dense", ticksuffix=" %")
    return figure


def retraining_table(frame: pd.DataFrame) -> pd.DataFrame:
    """The table for people: one row per version, the domain beside general data.

    Args:
        frame: as `gaprune_viz.trial.Trial.table` gives it.
    """
    rows = []
    for version, cells in frame.groupby("version", sort=False):
        row: dict[str, str] = {"Model": VERSIONS.get(str(version), str(version))}
        for cell in cells.to_dict(orient="records"):
            side = SIDES.get(cell["side"], cell["side"])
            row |= {
                f"{side}: nDCG@10": f"{cell['ndcg_at_10']:.4f}",
                f"{side}: of dense": percent(cell["of_dense"]),
                f"{side}: difference (95 %), p": _interval(cell),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def _interval(cell: Mapping[Any, Any]) -> str:
    if not math.isfinite(cell["difference"]):
        return MISSING
    if not (math.isfinite(cell["low"]) and math.isfinite(cell["high"])):
        return signed(cell["difference"])
    bounds = f"{signed(cell['low'])} to {signed(cell['high'])}"
    return f"{signed(cell['difference'])} ({bounds}), {p_value(cell['p_value'])}"


def _running_mean(values: list[float]) -> list[float]:
    """Exponential running mean without a bias towards the beginning."""
    share = min(1.0, max(SMOOTHED, 2 / (len(values) + 1)))
    out, total, weight = [], 0.0, 0.0
    for value in values:
        total, weight = (1 - share) * total + share * value, (1 - share) * weight + share
        out.append(total / weight)
    return out
