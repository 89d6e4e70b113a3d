"""The sources of a run: how each agrees with the domain, and every pair of them, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.formatting import percent, shortened, signed
from gaprune_viz.figures.kit.plotly_frame import axis, empty, framed, plain

SIDE_COLORS = {"domain": scales.DOMAIN, "general": scales.GENERAL}
MOST_LAYERS, PANELS_ACROSS = 12, 3
# With more sources the cells are too small for numbers.
MOST_WRITTEN = 4
PANEL, BAR, AROUND = 150, 34, 120  # pixels
LONGEST = 22
# Gradients of different texts lie nearly at right angles: colours and bars reach as far as cosines do, never less.
LEAST_REACH = 0.05


def source_bars(
    names: Sequence[str],
    sides: Sequence[str],
    cosines: np.ndarray,
    weights: Sequence[float] | np.ndarray,
    proposed: np.ndarray,
) -> go.Figure:
    """Each source's mean gradient against the domain's.

    Args:
        names, sides: of the sources.
        cosines: float64 [S], with the domain's gradient, a source's own part left out.
        weights, proposed: float64 [S], what each weighs in its side, and what it would by its cosine.
    """
    title = "Sources against the domain"
    if not len(names):
        return empty(title, "There are no sources to show.")
    figure = framed(AROUND + BAR * len(names), title, "cosine of the mean gradients", left=90, legend=True)
    for side, color in SIDE_COLORS.items():
        here = [place for place, one in enumerate(sides) if one == side]
        said = [f"weighs {percent(weights[p])} of its side, {percent(proposed[p])} by its cosine" for p in here]
        figure.add_trace(
            go.Bar(
                x=[float(cosines[p]) for p in here],
                y=here,
                orientation="h",
                name=side,
                marker={"color": color},
                text=[signed(float(cosines[p])) for p in here],
                textposition="outside",
                cliponaxis=False,
                customdata=[[plain(names[p]), text] for p, text in zip(here, said, strict=True)],
                hovertemplate="<b>%{customdata[0]}</b><br>cosine %{x:.3f}<br>%{customdata[1]}<extra></extra>",
            )
        )
    # Room at the ends for what is written beside the bars.
    low, high = min(0.0, float(np.min(cosines))), max(LEAST_REACH, float(np.max(cosines)))
    spare = 0.35 * (high - low)
    figure.update_layout(
        xaxis=axis("cosine", range=[low - spare if low < 0 else 0, high + spare]),
        yaxis=axis(
            tickmode="array",
            tickvals=list(range(len(names))),
            ticktext=[plain(shortened(name, LONGEST)) for name in names],
            range=[len(names) - 0.5, -0.5],
        ),
    )
    return figure


def alignment_figure(names: Sequence[str], layers: Sequence[int], cosines: np.ndarray) -> go.Figure:
    """Cosines of every pair of sources, a panel for each layer; of many layers some, at even distances.

    The colours reach to the largest cosine of two different sources; one with itself is left out.

    Args:
        names: of the S sources.
        layers: in the order of the model.
        cosines: float64 [layers, S, S].
    """
    title = "Agreement of sources by layer"
    if len(names) < 2 or not len(layers):
        return empty(title, "It takes two sources and a layer to show how they agree.")
    shown = np.unique(np.linspace(0, len(layers) - 1, min(len(layers), MOST_LAYERS)).round().astype(int))
    rows = -(-len(shown) // PANELS_ACROSS)
    apart = np.where(np.eye(len(names), dtype=bool), np.nan, cosines)
    reach = max(LEAST_REACH, float(np.nanmax(np.abs(apart))))
    made = make_subplots(rows, PANELS_ACROSS, subplot_titles=[f"layer {layers[i]}" for i in shown])
    key = ", ".join(f"{number} {shortened(name, LONGEST)}" for number, name in enumerate(names, 1))
    figure = framed(AROUND + PANEL * rows, title, key)
    figure = go.Figure(made).update_layout(figure.layout)
    marks: dict[str, Any] = {
        "showgrid": False,
        "tickmode": "array",
        "tickvals": list(range(len(names))),
        "ticktext": [str(number) for number in range(1, len(names) + 1)],
    }
    for panel, layer in enumerate(shown):
        own = apart[layer]
        pairs = [[f"{plain(one)} and {plain(other)}" for other in names] for one in names]
        row, col = panel // PANELS_ACROSS + 1, panel % PANELS_ACROSS + 1
        figure.add_trace(
            go.Heatmap(
                z=own,
                texttemplate="%{z:.2f}" if len(names) <= MOST_WRITTEN else "",
                textfont={"size": 10},
                hoverongaps=False,
                coloraxis="coloraxis",
                customdata=pairs,
                hovertemplate=f"<b>layer {layers[layer]}</b><br>%{{customdata}}<br>cosine %{{z:.3f}}<extra></extra>",
            ),
            row=row,
            col=col,
        )
        figure.update_xaxes(axis(**marks), row=row, col=col)
        figure.update_yaxes(axis(**marks, autorange="reversed"), row=row, col=col)
    figure.update_layout(
        coloraxis={
            "colorscale": scales.plotly_scale(scales.DIVERGING),
            "cmin": -reach,
            "cmax": reach,
            "colorbar": {"thickness": 10, "title": {"text": "cosine", "side": "right"}},
        }
    )
    figure.update_annotations(font={"size": 12, "color": scales.INK})
    return figure
