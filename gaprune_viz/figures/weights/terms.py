"""What the two terms of the score do to single weights, and the table beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import compress
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.formatting import count, number
from gaprune_viz.figures.kit.plotly_frame import HEIGHT, axis, empty, framed

MOST_POINTS = 3_000


def scatter_terms(
    theta_term: np.ndarray,
    fisher_term: np.ndarray,
    pruned: np.ndarray,
    *,
    threshold: float = math.nan,
    alpha: float = 0.0,
    title: str = "The two terms of the weights",
    same_scale: bool = False,
    links: Sequence[Sequence[Any]] = (),
) -> go.Figure:
    """Fisher term against magnitude term of sampled weights, kept and pruned.

    Args:
        theta_term, fisher_term: [n], in the unit of the score.
        pruned: bool [n].
        threshold: of the score.
        alpha: the alignment weight. The score is the sum of the terms times 1 + alpha s with s in [-1, 1], so the cut
            is not one line but lies between the two for s = 1 and s = -1, which are drawn; one line where alpha is 0.
        links: of each weight the address where a click on it leads, its score, and its row in the densities by layer,
            where its place is shown while it is pointed at.
        same_scale: draw both axes to one scale, which shows how small one term is.
    """
    x, y = np.asarray(theta_term, dtype=np.float64), np.asarray(fisher_term, dtype=np.float64)
    usable = np.isfinite(x) & np.isfinite(y)
    if not usable.any():
        return empty(title, "There are no weights to show.")
    x, y, gone = x[usable], y[usable], np.asarray(pruned, dtype=bool)[usable]
    step = max(1, -(-len(x) // MOST_POINTS))
    to = [link for link, there in zip(links, usable.tolist(), strict=True) if there] if len(links) else None
    click = "<br>click: look at this weight" if to is not None else ""
    figure = framed(HEIGHT, title, f"{count(len(x[::step]))} of {count(len(x))} sampled weights", legend=True)
    looks = ((~gone, "kept", scales.KEPT, "circle", 0), (gone, "pruned", scales.REMOVED, "x-thin-open", 1))
    for chosen, label, color, symbol, edge in looks:
        figure.add_trace(
            go.Scatter(
                x=x[::step][chosen[::step]],
                y=y[::step][chosen[::step]],
                mode="markers",
                name=label,
                marker={"color": color, "symbol": symbol, "size": 5, "opacity": 0.55, "line": {"width": edge}},
                customdata=None if to is None else list(compress(to[::step], chosen[::step].tolist())),
                hovertemplate=f"<b>{label}</b><br>magnitude term %{{x:.3~g}} (score)<br>Fisher term %{{y:.3~g}} (score)"
                f"{click}<extra></extra>",
            )
        )
    spans = [_bulk(x), _bulk(y)]
    if same_scale:
        half = max(high - low for low, high in spans) / 2
        spans = [((low + high) / 2 - half, (low + high) / 2 + half) for low, high in spans]
    for value, label, dash in _cuts(threshold, alpha):
        figure.add_trace(
            go.Scatter(
                x=list(spans[0]),
                y=[value - spans[0][0], value - spans[0][1]],
                mode="lines",
                name=label,
                line={"color": scales.THRESHOLD, "width": 2, "dash": dash},
                hoverinfo="skip",
            )
        )
    figure.layout.xaxis = axis("magnitude term γ √|θ|", range=list(spans[0]), nticks=6)
    figure.layout.yaxis = axis("Fisher term", range=list(spans[1]), nticks=6, exponentformat="power")
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


def _cuts(threshold: float, alpha: float) -> list[tuple[float, str, str]]:
    """Sums of the terms at which a weight is cut: value, name and dash of each line."""
    if not math.isfinite(threshold):
        return []
    if alpha == 0:
        return [(threshold, "cut", "dash")]
    cuts = [(threshold / (1 + alpha), "cut if gradients agree", "dash")]
    if alpha < 1:
        cuts.append((threshold / (1 - alpha), "cut if they conflict", "dot"))
    return cuts


def _bulk(values: np.ndarray) -> tuple[float, float]:
    """The range of all but the outermost half percent, with a little air."""
    low, high = (float(v) for v in np.quantile(values, [0.005, 0.995]))
    air = 0.04 * (high - low) or max(abs(high), 1e-12) * 0.1
    return low - air, high + air


def _median(values: np.ndarray, chosen: np.ndarray) -> float:
    picked = np.asarray(values, dtype=np.float64)[chosen]
    return float(np.median(picked)) if picked.size else math.nan
