"""The pictures of a transfer map: scores and masks by source, where masks differ, the advantage with its intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from gaprune_viz.figures.experiments.grid import Grid, GridCell, grid_html
from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.formatting import MISSING, signed
from gaprune_viz.figures.kit.metrics import ROLE_LABELS, ROLE_ORDER
from gaprune_viz.figures.kit.plotly_frame import axis, framed, plain

Map = Mapping[str, Any]
LEAST_SPAN = 1.0
KEYS = "Click a cell, or walk with the arrow keys and press Enter, to look into it."
REAL, CONTROL = "Real sources", "Shuffled texts (control)"


def cell_name(calibrated: int, measured: int) -> str:
    """What a cell is called: `2-0` is calibrated on the third source and measured on the first."""
    return f"{calibrated}-{measured}"


def score_map_html(one: Map, labels: Sequence[str], selected: str | None = None) -> str:
    """Percent of dense, calibrated on (rows) by measured on (columns); coloured by the mean of each column."""
    n = len(labels)
    of_dense = [[one["scores"][i][j]["of_dense"] for j in range(n)] for i in range(n)]
    means = [sum(of_dense[i][j] for i in range(n)) / n for j in range(n)]
    over = [[of_dense[i][j] - means[j] for j in range(n)] for i in range(n)]
    span = max(LEAST_SPAN, *(abs(value) for row in over for value in row))

    def cell(i: int, j: int) -> GridCell:
        score = one["scores"][i][j]
        around = "" if score["low"] is None else f" (95 % {score['low']:.1f} to {score['high']:.1f})"
        return GridCell(
            cell_name(i, j),
            over[i][j],
            f"{of_dense[i][j]:.1f}",
            f"Calibrated on {labels[i]}, measured on {labels[j]}",
            f"{of_dense[i][j]:.1f} % of dense{around}",
            f"{signed(over[i][j], 1)} points over the mean of its column",
        )

    grid = Grid(
        "Score on each source",
        "Percent of the dense model's nDCG@10. A column is one task; blue is better than its mean. If calibrating on "
        "the domain mattered, the diagonal would be blue.",
        "Percent of dense, calibrated on by measured on",
        labels,
        labels,
        [[cell(i, j) for j in range(n)] for i in range(n)],
        scales.Scale(scales.DIVERGING, -span, span),
        "points over the mean of the column",
        lambda value: signed(value, 1),
        corner="Calibrated on",
        keys=KEYS,
    )
    return grid_html(grid, selected)


def overlap_map_html(one: Map, labels: Sequence[str], unrelated: float, selected: str | None = None) -> str:
    """How much the masks of two calibrations prune together.

    Args:
        unrelated: Jaccard index of two masks that have nothing to do with each other: the dark end of the colours.
    """
    shared = {tuple(pair["pair"]): pair["jaccard"] for pair in one["shared"]}
    n = len(labels)

    def cell(i: int, j: int) -> GridCell:
        value = 1.0 if i == j else shared[min(i, j), max(i, j)]
        where = labels[i] if i == j else f"Masks of {labels[i]} and {labels[j]}"
        return GridCell(cell_name(i, j), value, f"{100 * value:.1f}", where, f"{100 * value:.1f} % pruned by both")

    grid = Grid(
        "Masks in common",
        f"Of the weights that either of two masks prunes, the share that both prune. Unrelated masks: "
        f"{100 * unrelated:.0f} %.",
        "Share of pruned weights in common, by source",
        labels,
        labels,
        [[cell(i, j) for j in range(n)] for i in range(n)],
        scales.Scale(scales.SEQUENTIAL, unrelated, 1.0),
        "pruned by both, of pruned by either",
        lambda value: f"{100 * value:.0f} %",
    )
    return grid_html(grid, selected)


def word_map_html(words: Sequence[Sequence[float]], labels: Sequence[str], selected: str | None = None) -> str:
    """How many words the calibration texts of two sources have in common."""
    n = len(labels)

    def cell(i: int, j: int) -> GridCell:
        value = words[i][j]
        where = labels[i] if i == j else f"Texts of {labels[i]} and {labels[j]}"
        return GridCell(cell_name(i, j), value, f"{100 * value:.0f}", where, f"{100 * value:.1f} % of words in both")

    grid = Grid(
        "Words in common",
        "Of the words that the calibration texts of either have, the share that both have.",
        "Share of words in common, by source",
        labels,
        labels,
        [[cell(i, j) for j in range(n)] for i in range(n)],
        scales.Scale(scales.SEQUENTIAL, 0.0, 1.0),
        "words in both, of words in either",
        lambda value: f"{100 * value:.0f} %",
    )
    return grid_html(grid, selected)


def places_html(places: Sequence[tuple[int, str, float]], title: str, unrelated: float) -> str:
    """Where two masks differ: the share of pruned weights in common, by layer and role.

    Args:
        places: (layer, role, Jaccard index).
        title: what is compared; escaped here.
    """
    found = {(layer, role): value for layer, role, value in places}
    layers = sorted({layer for layer, _ in found})
    roles = [role for role in ROLE_ORDER if any(one == role for _, one in found)]
    roles += sorted({role for _, role in found} - set(roles))

    def cell(layer: int, role: str) -> GridCell | None:
        value = found.get((layer, role))
        if value is None:
            return None
        where = f"Layer {layer}, {ROLE_LABELS.get(role, role)}"
        return GridCell(f"{layer}-{role}", value, f"{100 * value:.0f}", where, f"{100 * value:.1f} % pruned by both")

    # Where many matrices prune next to nothing, a place may be below what unrelated masks share.
    low = min([unrelated, *(value for value in found.values() if math.isfinite(value))])
    grid = Grid(
        title,
        "Share of pruned weights in common, by layer and role. Dark is where the sources disagree.",
        f"{title}: share of pruned weights in common, by layer and role",
        [ROLE_LABELS.get(role, role) for role in roles],
        [str(layer) for layer in layers],
        [[cell(layer, role) for layer in layers] for role in roles],
        scales.Scale(scales.SEQUENTIAL, low, 1.0),
        "pruned by both, of pruned by either",
        lambda value: f"{100 * value:.0f} %",
        corner="Layer",
    )
    return grid_html(grid)


def advantage_figure(maps: Sequence[Map]) -> go.Figure:
    """The domain advantage of every row and sparsity with its interval, the control beside it.

    Args:
        maps: of one refit state, the controls among them.
    """
    rows = list(dict.fromkeys(one["row"] for one in maps))
    places = sorted({(one["row"], one["sparsity"]) for one in maps}, key=lambda place: (rows.index(place[0]), place[1]))
    names = [f"{row}, {100 * sparsity:g} %" for row, sparsity in places]
    figure = framed(
        150 + 34 * len(places),
        "What calibrating on the domain is worth",
        "Points of the dense score, mean over the tasks, 95 % intervals",
        left=120,
        legend=True,
    )
    for shuffled, label, color, shift in ((False, REAL, scales.DOMAIN, -0.14), (True, CONTROL, scales.DENSE, 0.14)):
        found = {(one["row"], one["sparsity"]): one["advantage"] for one in maps if one["shuffled"] is shuffled}
        known = [(i, found[place]) for i, place in enumerate(places) if place in found]
        if not known:
            continue
        figure.add_trace(
            go.Scatter(
                x=[gain["points"] for _, gain in known],
                y=[i + shift for i, _ in known],
                mode="markers",
                name=label,
                marker={"color": color, "size": 9, "symbol": "circle-open" if shuffled else "circle"},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [_reach(gain["high"], gain["points"]) for _, gain in known],
                    "arrayminus": [_reach(gain["points"], gain["low"]) for _, gain in known],
                    "color": color,
                    "thickness": 1.6,
                    "width": 4,
                },
                customdata=[plain(f"{names[i]}: {_said(gain)}") for i, gain in known],
                hovertemplate="%{customdata}<extra></extra>",
            )
        )
    figure.add_vline(x=0, line={"color": scales.THRESHOLD, "width": 1.2, "dash": "dot"})
    figure.update_layout(
        xaxis=axis("points of the dense score"),
        yaxis=axis(
            tickmode="array",
            tickvals=list(range(len(places))),
            ticktext=[plain(name) for name in names],
            range=[len(places) - 0.5, -0.5],
        ),
    )
    figure.update_layout(margin={"b": 84})
    return figure


def _reach(high: float | None, low: float | None) -> float:
    return 0.0 if high is None or low is None else high - low


def _said(gain: Mapping[str, Any]) -> str:
    if gain["low"] is None or gain["high"] is None:
        return f"{signed(gain['points'], 2)}, no interval"
    return f"{signed(gain['points'], 2)} ({signed(gain['low'], 2)} to {signed(gain['high'], 2)})"


def rank_table(
    queries: Sequence[str],
    dense: Sequence[int | None],
    ranks: Mapping[str, Sequence[int | None]],
    shown: str,
) -> pd.DataFrame:
    """Where the first right answer of every query stands, by what was calibrated on; what moves most is first.

    Args:
        dense: ranks of the dense model, from 1; None where there is none.
        ranks: of every calibration, by its label.
        shown: the label whose moves decide the order.
    """
    beyond = 1 + max([rank for column in (dense, *ranks.values()) for rank in column if rank is not None], default=0)

    def moved(i: int) -> float:
        before, after = dense[i] or beyond, ranks[shown][i] or beyond
        return -abs(math.log(after) - math.log(before))

    order = sorted(range(len(queries)), key=lambda i: (moved(i), i))
    return pd.DataFrame(
        {
            "Query": [queries[i] for i in order],
            "Dense": [_rank(dense[i]) for i in order],
            **{f"On {label}": [_rank(column[i]) for i in order] for label, column in ranks.items()},
        }
    )


def _rank(rank: int | None) -> int | str:
    return MISSING if rank is None else rank


def score_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Every score on one line, columns named for people."""
    return pd.DataFrame(
        {
            "Row": frame["row"],
            "Sparsity": [f"{100 * value:g} %" for value in frame["sparsity"]],
            "Kept weights": ["refitted" if refit else "as they were" for refit in frame["refit"]],
            "Texts": ["shuffled" if shuffled else "real" for shuffled in frame["shuffled"]],
            "Calibrated on": frame["calibrated_on"],
            "Measured on": frame["measured_on"],
            "nDCG@10": frame["ndcg_at_10"].round(4),
            "% of dense": frame["of_dense"].round(2),
            "Low": frame["low"].astype(float).round(2),
            "High": frame["high"].astype(float).round(2),
            "Masks shared, %": (100 * frame["masks_shared"]).round(2),
        }
    )
