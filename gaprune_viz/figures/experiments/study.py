"""A study as figures: criteria by sparsity, ablations, sample sizes, retraining."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from gaprune_viz.figures.experiments.sweep_plots import LINE_COLORS, MARKERS, SIDES
from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.formatting import MISSING, percent
from gaprune_viz.figures.kit.metrics import CRITERION_LABELS
from gaprune_viz.figures.kit.plotly_frame import axis, empty, framed, plain

PERCENT_OF_DENSE = "nDCG@10, % of dense"
LEGEND_HEIGHT = 110
# In a chart of many rows only a line's marker and colour together are its own.
DASHES = ("solid", "dot", "dash")


def study_curves(frame: pd.DataFrame, side: str, steps: int) -> go.Figure:
    """Percent of dense against sparsity, one line a row, with 95 % paired bootstrap intervals.

    Args:
        frame: as `gaprune_viz.study.tables.frame` returns it.
        side: `domain` or `general`.
        steps: 0 for one-shot, else the steps of retraining.
    """
    title = f"{SIDES[side]}, {'one-shot' if steps == 0 else f'after {steps} steps'}"
    part = frame[(frame["part"] == "main") & (frame["side"] == side) & (frame["steps"] == steps)]
    lines = part[part["row"] != "dense"]
    if lines.empty:
        return empty(title, "There are no cells to show yet.")
    figure = framed(360 + LEGEND_HEIGHT, title, "Bars: 95 % interval of the difference to dense", legend=True)
    figure.update_layout(margin={"b": 52 + LEGEND_HEIGHT})
    for number, (row, cells) in enumerate(lines.groupby("row", sort=False)):
        _line(figure, number, _row_label(str(row)), cells.sort_values("sparsity"))
    reference = part[part["row"] == "dense"]["of_dense"]
    if len(reference):
        label = "dense" if steps == 0 else "dense, same steps"
        figure.add_hline(
            y=float(reference.iloc[0]), line={"color": scales.DENSE, "width": 2, "dash": "dash"}, annotation_text=label
        )
    ticks = sorted(set(lines["sparsity"]))
    figure.update_xaxes(
        **axis("Sparsity", tickmode="array", tickvals=ticks, ticktext=[f"{100 * s:g} %" for s in ticks])
    )
    figure.layout.yaxis = axis(PERCENT_OF_DENSE, ticksuffix=" %")
    return figure


def _row_label(row: str) -> str:
    """A criterion as the page calls it; a preset with a capital."""
    name, plus, more = row.partition(" + ")
    return CRITERION_LABELS.get(name, name.capitalize()) + plus + more


def _line(figure: go.Figure, number: int, name: str, cells: pd.DataFrame) -> None:
    color = LINE_COLORS[number % len(LINE_COLORS)]
    figure.add_trace(
        go.Scatter(
            x=cells["sparsity"],
            y=cells["of_dense"],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": cells["high"] - cells["of_dense"],
                "arrayminus": cells["of_dense"] - cells["low"],
                "thickness": 1,
                "width": 3,
            },
            mode="lines+markers",
            line={"color": color, "width": 2, "dash": DASHES[number // len(LINE_COLORS) % len(DASHES)]},
            marker={"symbol": MARKERS[number % len(MARKERS)], "size": 9},
            name=plain(name),
            hovertemplate=f"{plain(name)}<br>%{{x:.0%}}: %{{y:.1f}} % of dense<extra></extra>",
        )
    )


def ablation_figure(frame: pd.DataFrame, base: str) -> go.Figure:
    """What moving alpha, beta or gamma alone does to the domain, from one setting.

    Args:
        frame: as `gaprune_viz.study.tables.frame` returns it.
        base: name of the preset that the values are moved from.
    """
    title = f"Ablation from {base}: domain, one-shot"
    part = frame[(frame["part"] == "ablation") & (frame["side"] == "domain")]
    part = part[part["row"].str.startswith(f"{base}, ")]
    if part.empty:
        return empty(title, "This study has no ablation.")
    figure = framed(380, title, "Bars: 95 % interval of the difference to dense", legend=True)
    names = part["row"].str.extract(r", (?P<name>\w+) (?P<value>[\d.]+)$")
    for number, name in enumerate(dict.fromkeys(names["name"])):
        chosen = part[names["name"] == name].assign(sparsity=names["value"].astype(float))
        _line(figure, number, str(name), chosen.sort_values("sparsity"))
        figure.update_traces(
            hovertemplate=f"{plain(name)} %{{x:g}}: %{{y:.1f}} % of dense<extra></extra>",
            selector={"name": plain(str(name))},
        )
    figure.layout.xaxis = axis("Value of the one that is moved")
    figure.layout.yaxis = axis(PERCENT_OF_DENSE, ticksuffix=" %")
    return figure


def samples_figure(frame: pd.DataFrame) -> go.Figure:
    """Percent of dense against the number of calibration samples, domain, one-shot."""
    title = "Calibration samples: domain, one-shot"
    few = frame[(frame["part"] == "samples") & (frame["side"] == "domain")]
    if few.empty:
        return empty(title, "This study has one sample size.")
    sparsity = few["sparsity"].iloc[0]
    whole = frame[(frame["part"] == "main") & (frame["side"] == "domain") & (frame["steps"] == 0)]
    whole = whole[(whole["sparsity"] == sparsity) & whole["row"].isin(set(few["row"]))]
    both = pd.concat([few, whole]).assign(sparsity=lambda t: t["samples"].astype(float))
    figure = framed(380, title, f"{percent(sparsity)} sparsity; bars: 95 % interval", legend=True)
    for number, (row, cells) in enumerate(both.groupby("row", sort=False)):
        _line(figure, number, str(row), cells.sort_values("sparsity"))
    figure.update_traces(hovertemplate="%{x:,.0f} samples: %{y:.1f} % of dense<extra></extra>")
    figure.layout.xaxis = axis("Samples a side", type="log")
    figure.layout.yaxis = axis(PERCENT_OF_DENSE, ticksuffix=" %")
    return figure


def loss_figure(rows: Sequence[Mapping[str, Any]], sparsity: float) -> go.Figure:
    """Loss over the steps of retraining, one line a row at one sparsity, with the dense control.

    Args:
        rows: of `study.json`.
        sparsity: which cells.
    """
    title = f"Retraining at {percent(sparsity)}"
    shown = [r for r in rows if r["curve"] and (r["sparsity"] == sparsity or r["row"] == "dense")]
    if not shown:
        return empty(title, "Nothing was retrained.")
    figure = framed(360 + LEGEND_HEIGHT, title, "Contrastive loss, mean of the last ten batches", legend=True)
    figure.update_layout(margin={"b": 52 + LEGEND_HEIGHT})
    for number, row in enumerate(shown):
        losses = pd.Series([loss for _, loss in row["curve"]["losses"]]).rolling(10, min_periods=1).mean()
        figure.add_trace(
            go.Scatter(
                x=[step for step, _ in row["curve"]["losses"]],
                y=losses,
                mode="lines",
                line={
                    "color": LINE_COLORS[number % len(LINE_COLORS)],
                    "width": 2,
                    "dash": DASHES[number // len(LINE_COLORS) % len(DASHES)],
                },
                name=plain(row["row"]),
                hovertemplate=f"{plain(row['row'])}, step %{{x}}: %{{y:.3f}}<extra></extra>",
            )
        )
    figure.layout.xaxis = axis("Step")
    figure.layout.yaxis = axis("Loss")
    return figure


def study_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Every cell on one line, domain beside general, in the order of the study.

    Args:
        frame: as `gaprune_viz.study.tables.frame` returns it: two lines a cell.
    """
    domain, general = (frame[frame["side"] == side].reset_index(drop=True) for side in SIDES)
    return pd.DataFrame(
        {
            "Part": domain["part"],
            "Row": domain["row"],
            "Sparsity": domain["sparsity"].map(percent),
            "Steps": domain["steps"],
            "Samples": domain["samples"],
            "Domain, % of dense": domain["of_dense"].round(1),
            "95 % interval": [_interval(low, high) for low, high in zip(domain["low"], domain["high"], strict=True)],
            "Points over magnitude": domain["over_magnitude_points"].astype(float).round(1),
            "p": domain["over_magnitude_p"].astype(float).round(4),
            "General, % of dense": general["of_dense"].round(1),
            "General interval": [
                _interval(low, high) for low, high in zip(general["low"], general["high"], strict=True)
            ],
        }
    )


def _interval(low: float | None, high: float | None) -> str:
    return MISSING if low is None or high is None or low != low else f"{low:.1f} … {high:.1f}"
