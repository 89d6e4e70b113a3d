"""A sweep as a grid that can be clicked and walked with the arrow keys; what a click chose, against another cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import pandas as pd

from gaprune_viz.config import SWEEP_KINDS
from gaprune_viz.figures.experiments.sweep_plots import (
    SIDES,
    column_label,
    fixed,
    kind_of,
    place_label,
    places_of,
    row_label,
    share,
    span_of,
)
from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.formatting import MISSING, p_value, signed
from gaprune_viz.figures.kit.protocols import CellDifference

TICKS = 5
KEYS = "Click a cell, or walk with the arrow keys and press Enter, to load its settings."


def sweep_map_html(frame: pd.DataFrame, side: str, *, selected: int | None = None) -> str:
    """Rows of the sweep by columns. Enter or a click selects; the colours of both sides have one scale.

    Args:
        frame: tidy, as `gaprune_viz.sweep.sweep` returns it.
        side: `domain` or `general`.
        selected: position of the chosen cell in `places_of(frame)`.
    """
    cells = frame[frame["side"] == side]
    if cells.empty:
        return ""
    axes, places = kind_of(frame), places_of(frame)
    columns = list(dict.fromkeys(column for _, column in places))
    span = span_of(frame)
    colors = scales.Scale(scales.DIVERGING, 100 - span, 100 + span)
    found = {(cell["row"], cell["column"]): cell for cell in cells.to_dict(orient="records")}
    chosen = places[selected] if selected is not None and 0 <= selected < len(places) else None
    head = max(len(row_label(row, axes)) for row, _ in places)
    rows = "".join(
        f'<div role="row" class="gv-hm-row"><span role="rowheader" class="gv-hm-role'
        f'{" gv-hm-on" if chosen and chosen[0] == row else ""}">{escape(row_label(row, axes))}</span>'
        + "".join(
            _cell(found.get((row, column)), places.index((row, column)), colors, (row, column) == chosen, chosen)
            for column in columns
        )
        + "</div>"
        for row in dict.fromkeys(row for row, _ in places)
    )
    heads = "".join(
        f'<span role="columnheader" class="gv-hm-layer{" gv-hm-on" if chosen and chosen[1] == column else ""}">'
        f"<span>{escape(column_label(column, axes))}</span></span>"
        for column in columns
    )
    title = f"{SIDES[side]}: {cells['task'].iloc[0]}"
    said = f"{title}, nDCG@10 in percent of dense, by {axes.row_label} and {axes.column_label}"
    return (
        f'<div class="gv-hm" style="--gv-n:{len(columns)};--gv-hm-head:{min(16, 0.85 * head + 1):.1f}ch">'
        f'<div class="gv-hm-top"><p class="gv-hm-help"><b>{escape(title)}</b> Orange is worse than dense, '
        f"blue better.</p>{_legend(colors)}</div>"
        f'<div role="grid" class="gv-hm-grid" data-select="enter" aria-label="{escape(said, quote=True)}">'
        f'<div role="row" class="gv-hm-row"><span role="columnheader" class="gv-hm-corner"></span>{heads}</div>{rows}'
        f'</div><p class="gv-hm-keys">{KEYS}</p></div>'
    )


def _cell(cell: dict[Any, Any] | None, number: int, colors: scales.Scale, on: bool, chosen: object) -> str:
    if cell is None:
        return '<span role="gridcell" class="gv-hm-cell gv-hm-none" aria-label="not computed"></span>'
    axes, value = SWEEP_KINDS[cell["kind"]], 100 * cell["of_dense"]
    where = place_label((cell["row"], cell["column"]), axes)
    says = f"nDCG@10 {fixed(cell['ndcg_at_10'])}, {share(cell['of_dense'])} of dense"
    low, high = cell["low"], cell["high"]
    known = math.isfinite(low) and math.isfinite(high)
    shape = f"difference {signed(low)} to {signed(high)} (95 %), p {p_value(cell['p'])}" if known else "no interval"
    data = {"name": f"cell-{number}", "where": where, "value": says, "shape": shape}
    data["place"] = f"{cell['row']}|{cell['column']}"
    color = colors.at(value)
    text = f"{value:.1f}" if math.isfinite(value) else MISSING
    # One cell takes the tab key: the chosen one, or the first.
    stop = on or (chosen is None and number == 0)
    return (
        f'<span role="gridcell" class="gv-hm-cell gv-hm-fit{min(6, len(text))}" '
        + "".join(f'data-{key}="{escape(str(part), quote=True)}" ' for key, part in data.items())
        + f'aria-label="{escape(f"{where}: {says}", quote=True)}" aria-selected="{"true" if on else "false"}" '
        f'tabindex="{0 if stop else -1}" style="background-color:{color};color:{scales.text_on(color)}">'
        f"<span>{text}</span></span>"
    )


def _legend(colors: scales.Scale) -> str:
    ticks = "".join(f"<span>{value:.0f} %</span>" for value in colors.ticks(TICKS))
    return (
        f'<div class="gv-legend"><div class="gv-ramp" style="background-image:linear-gradient(90deg, '
        f'{", ".join(colors.colors)})"></div><div class="gv-ticks">{ticks}</div><p>nDCG@10, % of dense</p></div>'
    )


def difference_html(first: str, second: str, found: Sequence[CellDifference]) -> str:
    """Two cells, or a cell and the dense model, on both tasks: difference, interval, p.

    Args:
        first, second: what is compared, for people; escaped here.
        found: one for each side.
    """
    rows = "".join(
        f'<tr><th scope="row">{SIDES[one.side]}: {escape(one.task)}</th>'
        f"<td>{fixed(one.first)}</td><td>{fixed(one.second)}</td>"
        f"<td><b>{signed(one.delta)}</b></td><td>{_range(one)}</td><td>{p_value(one.p)}</td></tr>"
        for one in found
    )
    heads = ("nDCG@10", "First", "Second", "Difference", "95 % interval", "p")
    header = "".join(f'<th scope="col">{name}</th>' for name in heads)
    groups = any(one.clusters < one.queries for one in found)
    note = " Queries with one and the same answer are drawn, and turn sign, together." if groups else ""
    return (
        f'<section class="gv-panel gv-plain-table"><h3>{escape(first)} <span>less</span> {escape(second)}</h3>'
        f'<p class="gv-sub">Query by query on {" and ".join(f"{one.queries:,}" for one in found)} queries.{note}</p>'
        f"<table><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table></section>"
    )


def _range(one: CellDifference) -> str:
    if not (math.isfinite(one.low) and math.isfinite(one.high)):
        return MISSING
    return f"{signed(one.low)} to {signed(one.high)}"
