"""The map of a task: where pruning moved its passages and queries."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.formatting import percent, shortened
from gaprune_viz.figures.kit.plotly_frame import axis, empty, framed, plain
from gaprune_viz.figures.kit.protocols import TaskMap

SYMBOLS = {"passage": "circle", "query": "diamond"}
TEXT_LENGTH = 70


def map_figure(found: TaskMap, title: str) -> go.Figure:
    """Dense texts as rings, pruned ones filled, a thin line from the one to the other.

    Args:
        title: plain text; escaped here.
    """
    points = found.points
    if points.empty:
        return empty(title, "There are no texts to show.")
    drawn = f"{len(points):,} of {found.texts:,} texts, " if len(points) < found.texts else ""
    seen = f"{percent(sum(found.explained), 0)} of the dense variance lies in this plane"
    figure = framed(460, title, f"{drawn}{seen}", legend=True)
    figure.update_layout(margin={"b": 100})
    figure.add_trace(_moves(points))
    for kind, symbol in SYMBOLS.items():
        rows = points[points["kind"] == kind]
        hover = [
            f"<b>{plain(shortened(str(text), TEXT_LENGTH))}</b><br>{kind}, drift {moved:.3f}"
            for text, moved in zip(rows["text"], rows["drift"], strict=True)
        ]
        for model, color in (("dense", scales.DENSE), ("pruned", scales.PRUNED)):
            figure.add_trace(
                go.Scatter(
                    x=rows[f"{model}_x"],
                    y=rows[f"{model}_y"],
                    mode="markers",
                    marker={
                        "symbol": symbol if model == "pruned" else f"{symbol}-open",
                        "size": 7 if kind == "passage" else 6,
                        "color": color,
                        "opacity": 0.85,
                    },
                    name=f"{kind}, {model}",
                    customdata=hover,
                    hovertemplate="%{customdata}<extra></extra>",
                )
            )
    first, second = found.explained
    figure.layout.xaxis = axis(f"Component 1 ({percent(first, 0)})", showticklabels=False)
    figure.layout.yaxis = axis(f"Component 2 ({percent(second, 0)})", showticklabels=False, scaleanchor="x")
    return figure


def _moves(points: pd.DataFrame) -> go.Scatter:
    """All lines as one trace: a gap after each."""

    def joined(along: str) -> list[Any]:
        pairs = zip(points[f"dense_{along}"], points[f"pruned_{along}"], strict=True)
        return [value for pair in pairs for value in (*pair, None)]

    return go.Scatter(
        x=joined("x"),
        y=joined("y"),
        mode="lines",
        line={"color": scales.faded(scales.DENSE, 0.3), "width": 1},
        hoverinfo="skip",
        showlegend=False,
    )


def map_table(maps: dict[str, TaskMap]) -> pd.DataFrame:
    """The table beside the maps: every drawn text, the farthest moved first.

    Args:
        maps: task name -> its map.
    """
    parts = [found.points.assign(task=task) for task, found in maps.items()]
    if not parts:
        return pd.DataFrame()
    points = pd.concat(parts, ignore_index=True).sort_values("drift", ascending=False, kind="stable")
    columns = {
        "task": "Collection",
        "kind": "Kind",
        "text": "Text",
        "topic": "Topic",
        "drift": "Drift",
        "dense_x": "Dense, 1",
        "dense_y": "Dense, 2",
        "pruned_x": "Pruned, 1",
        "pruned_y": "Pruned, 2",
    }
    table = points[list(columns)].rename(columns=columns).reset_index(drop=True)
    return table.round(dict.fromkeys(("Drift", "Dense, 1", "Dense, 2", "Pruned, 1", "Pruned, 2"), 4))
