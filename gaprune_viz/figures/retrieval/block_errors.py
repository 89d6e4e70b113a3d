"""Where pruning's error arises, block by block, and what a refit takes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go

from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.plotly_frame import axis, framed, plain

LOOKS = {"mask_only": ("Mask only", scales.PRUNED, "circle"), "refit": ("Refitted", scales.REFITTED, "square")}
TITLE = "Error of each block's output"
HEIGHT = 320
Errors = Mapping[str, Sequence[float]]


def block_errors_figure(errors: Errors) -> go.Figure:
    """Relative error of each block's output beside the dense model's.

    Args:
        errors: `mask_only` and `refit`, one fraction a block.
    """
    figure = framed(HEIGHT, TITLE, "On the calibration texts, beside the dense model; lower is nearer", legend=True)
    figure.update_layout(margin={"b": 84})
    for name, values in errors.items():
        label, color, symbol = LOOKS[name]
        figure.add_trace(
            go.Scatter(
                x=list(range(len(values))),
                y=[100 * value for value in values],
                mode="lines+markers",
                line={"color": color, "width": 2},
                marker={"symbol": symbol, "size": 8},
                name=label,
                hovertemplate=f"{plain(label)}, block %{{x}}: %{{y:.1f}} %<extra></extra>",
            )
        )
    figure.layout.xaxis = axis("Block", dtick=max(1, max(map(len, errors.values())) // 12))
    figure.layout.yaxis = axis("Relative error", rangemode="tozero", ticksuffix=" %")
    return figure


def block_errors_table(errors: Errors) -> pd.DataFrame:
    """The table beside the figure."""
    found: dict[str, list[float | int]] = {"Block": list(range(max(map(len, errors.values()))))}
    for name, values in errors.items():
        found[f"{LOOKS[name][0]}, %"] = [round(100 * value, 2) for value in values]
    return pd.DataFrame(found)
