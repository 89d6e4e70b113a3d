"""What the Matrix tab does: look inside, zoom, explain a weight that was clicked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr
import pandas as pd

from gaprune_viz.analysis import Analysis
from gaprune_viz.app import views
from gaprune_viz.app.heavy import Changes, Heavy, heavy_job
from gaprune_viz.app.store import STORE
from gaprune_viz.app.tabs.inside import Inside, look_inside, place_in_table, state_of, window_of
from gaprune_viz.app.tabs.weight import weight_html
from gaprune_viz.app.views import View
from gaprune_viz.config import Settings
from gaprune_viz.core import inspection
from gaprune_viz.core.inspection import Window

if TYPE_CHECKING:
    from gaprune_viz.app.page import Page

LEAST = (12, 24)
Move = Callable[[Window | None, tuple[int, int]], Window | None]


def look(page: Page) -> Callable[..., Heavy]:
    """Draw the selected matrix, in the window of before where it is the same."""

    def handler(request: gr.Request, view: dict[str, Any], what: str, side: str, state: Any, *values: Any) -> Heavy:
        yield from _drawn(page, request, view, what, side, state, values, lambda window, shape: window)

    return handler


def follow(page: Page) -> Callable[..., Heavy]:
    """Draw anew what was looked into, where the tab is opened, the selection is another or the settings have moved."""

    def handler(
        request: gr.Request,
        active: str,
        view: dict[str, Any],
        what: str,
        side: str,
        state: Any,
        *values: Any,
    ) -> Heavy:
        if active != "inside" or not isinstance(state, dict):
            yield {page.inside.progress: gr.skip()}
            return
        yield from _drawn(page, request, view, what, side, state, values, lambda window, shape: window)

    return handler


def out(page: Page) -> Callable[..., Heavy]:
    """Four times as much in each direction."""

    def handler(request: gr.Request, view: dict[str, Any], what: str, side: str, state: Any, *values: Any) -> Heavy:
        yield from _drawn(page, request, view, what, side, state, values, _wider)

    return handler


def click(page: Page) -> Callable[..., Heavy]:
    """Zoom to the cell that was clicked; a single weight is explained. Browsers may send anything."""

    def handler(
        event: gr.EventData,
        request: gr.Request,
        view: dict[str, Any],
        what: str,
        side: str,
        state: Any,
        *values: Any,
    ) -> Heavy:
        data: Any = getattr(event, "_data", None)
        data = data if isinstance(data, dict) else {}
        row, column = data.get("row"), data.get("column")
        if data.get("act") == "out":
            yield from _drawn(page, request, view, what, side, state, values, _wider)
        elif isinstance(row, int) and isinstance(column, int) and data.get("act") == "zoom":
            yield from _drawn(page, request, view, what, side, state, values, _closer(row, column))
        elif isinstance(row, int) and isinstance(column, int) and data.get("act") == "weight":
            yield _asked(page, row, column)
            yield from explained(page, request, view, row, column, values)

    return handler


def explain_line(page: Page) -> Callable[..., Heavy]:
    """Explain the weight in a clicked line of the table."""

    def handler(
        event: gr.SelectData, request: gr.Request, view: dict[str, Any], table: pd.DataFrame, *values: Any
    ) -> Heavy:
        place = place_in_table(table, event.index)
        if place is not None:
            yield _asked(page, *place)
            yield from explained(page, request, view, *place, values)

    return handler


def explain(page: Page) -> Callable[..., Heavy]:
    """Why one weight of the selected matrix is pruned or kept."""

    def handler(request: gr.Request, view: dict[str, Any], row: Any, column: Any, *values: Any) -> Heavy:
        yield from explained(page, request, view, int(row or 0), int(column or 0), values)

    return handler


def _asked(page: Page, row: int, column: int) -> dict[Any, Any]:
    """The card, open, and the weight that it is about."""
    card = page.inside.weight
    return {card.box: gr.Accordion(open=True), card.row: row, card.column: column}


def explained(
    page: Page, request: gr.Request, view: dict[str, Any], row: int, column: int, values: tuple[Any, ...]
) -> Heavy:
    """The card of one weight."""
    card = page.inside.weight

    def work(shown: View, analysis: Analysis, settings: Settings, report: Any, stopped: Any) -> dict[str, Any]:
        report("Making the exact mask", 0, 0)
        name = views.selected_name(shown, analysis)
        result = STORE.masks(analysis, settings)
        return STORE.scope(analysis)[0].explain(name, row, column, settings, result)

    yield from heavy_job(page, card.progress, work, lambda a: {card.card: weight_html(a)}, view, values, request)


def _drawn(
    page: Page,
    request: gr.Request,
    view: dict[str, Any],
    what: str,
    side: str,
    state: Any,
    values: tuple[Any, ...],
    move: Move,
) -> Heavy:
    tab = page.inside

    def work(shown: View, analysis: Analysis, settings: Settings, report: Any, stopped: Any) -> Inside:
        report("Making the exact mask", 0, 0)
        name = views.selected_name(shown, analysis)
        info = next(m for m in analysis.statistics.matrices if m.name == name)
        window = move(window_of(state, name), (info.rows, info.columns))
        return look_inside(analysis, shown, settings, what, side, window)

    def show(found: Inside) -> Changes:
        return {
            tab.picture: found.picture,
            tab.units: gr.update(value=found.units, visible=True),
            tab.extremes: found.extremes,
            tab.window: state_of(found),
        }

    yield from heavy_job(page, tab.progress, work, show, view, values, request)


def _wider(window: Window | None, shape: tuple[int, int]) -> Window | None:
    return inspection.widened(window, shape) if window else None


def _closer(row: int, column: int) -> Move:
    def move(window: Window | None, shape: tuple[int, int]) -> Window:
        return inspection.zoomed(window or inspection.whole(shape), row, column, shape, LEAST)

    return move
