"""A benchmark in words, as a picture and as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.formatting import MISSING, count, p_value, shortened, signed
from gaprune_viz.figures.kit.plotly_frame import axis, empty, framed, plain
from gaprune_viz.figures.kit.progress import duration
from gaprune_viz.figures.kit.protocols import Estimate

DENSE = "dense"
METRIC_LABELS = {
    "ndcg_at_10": "nDCG@10",
    "map_at_1000": "MAP",
    "accuracy": "Accuracy",
    "v_measure": "V-measure",
    "max_ap": "Average precision",
    "f1": "F1",
    "cosine_spearman": "Spearman of cosines",
}
MIB = 2**20
ROW_HEIGHT = 34
LOOKS = {
    "pruned": (scales.PRUNED, "circle"),
    "refitted": (scales.GENERAL, "cross"),
    "retrained": (scales.KEPT, "square"),
}
OTHER_LOOK = (scales.OTHER_TERM, "diamond")
NAMES_SHOWN = 3


def estimate_text(found: Estimate) -> str:
    """What a benchmark will cost, in a few plain sentences."""
    models = "1 model" if found.models == 1 else f"{found.models} models"
    parts = []
    if found.texts:
        speed = count(round(found.speed.tokens_per_second))
        parts.append(
            f"About {duration(found.seconds)} for {models} that read {count(found.texts)} texts "
            f"({count(found.tokens)} tokens) each, at {speed} tokens a second as measured just now; "
            f"about {max(1, round(found.memory / MIB)):,} MiB of memory beside the model."
        )
    if found.unknown:
        names = ", ".join(found.unknown[:NAMES_SHOWN])
        more = f" and {len(found.unknown) - NAMES_SHOWN} more" if len(found.unknown) > NAMES_SHOWN else ""
        parts.append(f"Of unknown size before they are loaded: {names}{more}.")
    return " ".join(parts)


def benchmark_figure(frame: pd.DataFrame) -> go.Figure:
    """Difference of each version to the dense model, task by task, with its 95 % interval where there is one.

    Args:
        frame: as `gaprune_viz.evaluation.benchmarks.report.frame` gives it.
    """
    title = "Difference to the dense model"
    cells = frame[(frame["variant"] != DENSE) & np.isfinite(frame["difference"].to_numpy(float))]
    if not len(cells):
        return empty(title, "There is no version beside the dense model yet.")
    tasks = list(dict.fromkeys(cells["task"]))
    variants = list(dict.fromkeys(cells["variant"]))
    figure = framed(
        150 + ROW_HEIGHT * len(tasks), title, "Of the main score, with its 95 % interval for searches", legend=True
    )
    for number, name in enumerate(variants):
        own = cells[cells["variant"] == name]
        color, symbol = LOOKS.get(name, OTHER_LOOK)
        # Versions stand above one another, so that no interval hides another.
        shift = (number - (len(variants) - 1) / 2) * 0.3
        low, high = (own[end].where(np.isfinite(own[end]), own["difference"]) for end in ("low", "high"))
        figure.add_trace(
            go.Scatter(
                x=own["difference"],
                y=[tasks.index(task) + shift for task in own["task"]],
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": (high - own["difference"]).tolist(),
                    "arrayminus": (own["difference"] - low).tolist(),
                    "color": color,
                    "thickness": 1.5,
                },
                mode="markers",
                marker={"color": color, "symbol": symbol, "size": 10},
                name=plain(name),
                customdata=[_hover(cell) for cell in own.to_dict(orient="records")],
                hovertemplate="%{customdata}<extra></extra>",
            )
        )
    reach = float(np.nanmax(np.abs(cells[["difference", "low", "high"]].to_numpy(float)))) * 1.1 or 0.01
    figure.add_vline(x=0, line={"color": scales.DENSE, "width": 2, "dash": "dash"})
    figure.layout.xaxis = axis("Score less the dense model's", range=[-reach, reach])
    figure.update_yaxes(
        **axis(
            "",
            tickmode="array",
            tickvals=list(range(len(tasks))),
            ticktext=[plain(shortened(task, 24)) for task in tasks],
            range=[len(tasks) - 0.5, -0.5],
        )
    )
    figure.update_layout(margin={"b": 84})
    return figure


def _hover(cell: Mapping[Any, Any]) -> str:
    return (
        f"<b>{plain(str(cell['task']))}</b>, {plain(str(cell['variant']))}<br>{cell['metric']} {_score(cell)}<br>"
        f"difference {signed(cell['difference'], 4)}, 95 %: {_bounds(cell)}"
    )


def benchmark_table(frame: pd.DataFrame) -> pd.DataFrame:
    """The table for people: one row per task, the dense score first, then each other version with its difference.

    Args:
        frame: as `gaprune_viz.evaluation.benchmarks.report.frame` gives it.
    """
    others = [name for name in dict.fromkeys(frame["variant"]) if name != DENSE]
    rows = []
    for task, cells in frame.groupby("task", sort=False):
        by_variant = {cell["variant"]: cell for cell in cells.to_dict(orient="records")}
        first = next(iter(by_variant.values()))
        row = {
            "Task": task,
            "Metric": METRIC_LABELS.get(first["metric"], first["metric"]),
            "Dense": _score(by_variant.get(DENSE)),
        }
        for name in others:
            row |= _columns(name, by_variant.get(name))
        rows.append(row)
    return pd.DataFrame(rows)


def _columns(name: str, cell: Mapping[Any, Any] | None) -> dict[str, str]:
    title = name.capitalize()
    known = cell if cell is not None else {}
    return {
        title: _score(cell),
        f"{title} − dense": signed(float(known.get("difference", math.nan))),
        f"95 % of {name} − dense": _bounds(known),
        f"p, {name}": p_value(float(known.get("p_value", math.nan))),
    }


def _bounds(cell: Mapping[Any, Any]) -> str:
    low, high = (float(cell.get(end, math.nan)) for end in ("low", "high"))
    return f"{signed(low)} to {signed(high)}" if math.isfinite(low) and math.isfinite(high) else MISSING


def _score(cell: Mapping[Any, Any] | None) -> str:
    return f"{cell['score']:.4f}" if cell is not None and math.isfinite(cell["score"]) else MISSING
