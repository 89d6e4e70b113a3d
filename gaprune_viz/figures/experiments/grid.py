"""A small grid of numbers that can be clicked and walked with the arrow keys: sources by sources, layers by roles.

Every text is escaped here. `heatmap.js` moves in it; a click or Enter sends the name of a cell.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from gaprune_viz.figures.kit import scales

TICKS = 3
WIDEST = 16


@dataclass(frozen=True)
class GridCell:
    """One cell.

    Attributes:
        name: what a click sends.
        value: its place on the colour scale; nan where it has none.
        text: what stands in it, at most six characters.
        where, says: its tooltip and what a reader of the screen hears.
        shape: a second line of the tooltip.
    """

    name: str
    value: float
    text: str
    where: str
    says: str
    shape: str = ""


@dataclass(frozen=True)
class Grid:
    """What is drawn.

    Attributes:
        title, help: above it.
        label: of the whole, for readers of the screen.
        rows, columns: their heads, top down and left to right.
        cells: [rows][columns]; None where there is nothing.
        colors: of the values.
        unit: below the legend.
        tick: how a number of the legend is written.
        corner: what rows are, at the head of their column.
        keys: what a click does, below; nothing where it does nothing.
    """

    title: str
    help: str
    label: str
    rows: Sequence[str]
    columns: Sequence[str]
    cells: Sequence[Sequence[GridCell | None]]
    colors: scales.Scale
    unit: str
    tick: Callable[[float], str]
    corner: str = ""
    keys: str = ""


def grid_html(grid: Grid, selected: str | None = None) -> str:
    """The grid.

    Args:
        selected: name of the chosen cell.
    """
    names = [cell.name for row in grid.cells for cell in row if cell is not None]
    # One cell takes the tab key: the chosen one, or the first.
    stop = selected if selected in names else next(iter(names), None)
    rows = "".join(
        f'<div role="row" class="gv-hm-row">'
        f'<span role="rowheader" class="gv-hm-role" title="{escape(head, quote=True)}">'
        f"<span>{escape(head)}</span></span>"
        f"{''.join(_cell(cell, grid, selected, stop) for cell in row)}</div>"
        for head, row in zip(grid.rows, grid.cells, strict=True)
    )
    heads = "".join(
        f'<span role="columnheader" class="gv-hm-layer" title="{escape(head, quote=True)}">'
        f"<span>{escape(head)}</span></span>"
        for head in grid.columns
    )
    longest = min(WIDEST, max(map(len, [*grid.rows, grid.corner])))
    keys = f'<p class="gv-hm-keys">{escape(grid.keys)}</p>' if grid.keys else ""
    return (
        f'<div class="gv-hm gv-grid" style="--gv-n:{len(grid.columns)};--gv-hm-head:{0.85 * longest + 1:.1f}ch">'
        f'<div class="gv-hm-top"><p class="gv-hm-help"><b>{escape(grid.title)}</b> {escape(grid.help)}</p>'
        f"{_legend(grid)}</div>"
        f'<div role="grid" class="gv-hm-grid" data-select="enter" aria-label="{escape(grid.label, quote=True)}">'
        f'<div role="row" class="gv-hm-row"><span role="columnheader" class="gv-hm-corner">{escape(grid.corner)}</span>'
        f"{heads}</div>{rows}</div>{keys}</div>"
    )


def _cell(cell: GridCell | None, grid: Grid, selected: str | None, stop: str | None) -> str:
    if cell is None:
        return '<span role="gridcell" class="gv-hm-cell gv-hm-none" aria-label="nothing"></span>'
    color = grid.colors.at(cell.value if math.isfinite(cell.value) else math.nan)
    # The place tells the tooltip that the name says nothing to people.
    data = {"name": cell.name, "where": cell.where, "value": cell.says, "shape": cell.shape, "place": cell.name}
    said = f"{cell.where}: {cell.says}" + (f", {cell.shape}" if cell.shape else "")
    # Who speaks to the page says what stands there: the name holds it (WCAG 2.5.3).
    said += "" if cell.text in said else f", shown as {cell.text}"
    return (
        f'<span role="gridcell" class="gv-hm-cell gv-hm-fit{min(6, len(cell.text))}" '
        + "".join(f'data-{key}="{escape(value, quote=True)}" ' for key, value in data.items())
        + f'aria-label="{escape(said, quote=True)}" aria-selected="{"true" if cell.name == selected else "false"}" '
        f'tabindex="{0 if cell.name == stop else -1}" style="background-color:{color};color:{scales.text_on(color)}">'
        f"<span>{escape(cell.text)}</span></span>"
    )


def _legend(grid: Grid) -> str:
    ticks = "".join(f"<span>{escape(grid.tick(value))}</span>" for value in grid.colors.ticks(TICKS))
    return (
        f'<div class="gv-legend"><div class="gv-ramp" style="background-image:linear-gradient(90deg, '
        f'{", ".join(grid.colors.colors)})"></div><div class="gv-ticks">{ticks}</div>'
        f"<p>{escape(grid.unit)}</p></div>"
    )
