"""What the Matrix tab does: look inside, zoom, explain a weight that was clicked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from typing import Any

import gradio as gr

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.long_work import asked, heavy_job, heavy_listener, stopping
from gaprune_viz.app.frame.tab import Wiring
from gaprune_viz.app.session.view import View, selected_name
from gaprune_viz.app.tabs.matrix.layout import MatrixTab
from gaprune_viz.app.tabs.matrix.view import FIRST, Inside, drawn, place_in_table, state_of, window_of
from gaprune_viz.app.tabs.matrix.weight import weight_html
from gaprune_viz.app.widgets.events import HEAVY, HEAVY_LAST, Changes, Listener, Steps, Values, sent_with
from gaprune_viz.config import Settings
from gaprune_viz.figures.weights.matrix_window import QUANTITIES
from gaprune_viz.sketch import inspection
from gaprune_viz.sketch.inspection import Window

NAME = "inside"
LEAST = (12, 24)
Move = Callable[[Window | None, tuple[int, int]], Window | None]


def wire(tab: MatrixTab, page: Wiring) -> None:
    """Connect the picture, its buttons, the table of extremes and the card of one weight."""
    events = MatrixEvents(tab, page.frame)
    frame, weight = page.frame, tab.weight
    card = [weight.box, weight.row, weight.column, weight.progress, weight.card]
    gr.on([tab.look.click, tab.what.input, tab.side.input], **events.drawing(events.look)).then(**page.refresh)
    tab.out.click(**events.drawing(events.out))
    tab.picture.select(**events.drawing(events.click, writes=card))  # type: ignore[attr-defined]
    gr.on([page.tab.select, frame.drawn.change], **events.drawing(events.follow, reads=[frame.active], kind=HEAVY_LAST))
    line = heavy_listener(frame, events.explain_line, weight.progress, [tab.extremes], card)
    tab.extremes.select(**line)
    gr.on(
        [weight.explain.click, weight.row.submit, weight.column.submit],
        **heavy_listener(frame, events.explain, weight.progress, [weight.row, weight.column], [weight.card]),
    ).then(**page.refresh)
    tab.stop.click(**stopping())


class MatrixEvents:
    """The handlers of one page's tab."""

    def __init__(self, tab: MatrixTab, frame: Frame) -> None:
        self.tab, self.frame = tab, frame

    def drawing(
        self,
        handler: Callable[..., Steps],
        reads: list[Any] | None = None,
        writes: list[Any] | None = None,
        kind: dict[str, Any] = HEAVY,
    ) -> Listener:
        """What ties a handler that draws the matrix to what it reads and writes."""
        tab = self.tab
        asked = [tab.what, tab.side, tab.window, *(reads or ())]
        seen = [tab.picture, tab.units, tab.extremes, tab.window, *(writes or ())]
        return heavy_listener(self.frame, handler, tab.progress, asked, seen, kind)

    def look(self, values: Values, request: gr.Request) -> Steps:
        """Draw the selected matrix, in the window of before where it is the same."""
        yield from self._drawn(values, request, lambda window, shape: window)

    def follow(self, values: Values, request: gr.Request) -> Steps:
        """Draw anew what was looked into, where the tab is opened, the selection is another or the settings moved."""
        if values[self.frame.active] != NAME or not isinstance(values[self.tab.window], dict):
            yield {}
            return
        yield from self.look(values, request)

    def out(self, values: Values, request: gr.Request) -> Steps:
        """Four times as much in each direction."""
        yield from self._drawn(values, request, _wider)

    def click(self, values: Values, event: gr.EventData, request: gr.Request) -> Steps:
        """Zoom to the cell that was clicked; a single weight is explained. Browsers may send anything."""
        data = sent_with(event)
        row, column = data.get("row"), data.get("column")
        if data.get("act") == "out":
            yield from self.out(values, request)
        elif isinstance(row, int) and isinstance(column, int) and data.get("act") == "zoom":
            yield from self._drawn(values, request, _closer(row, column))
        elif isinstance(row, int) and isinstance(column, int) and data.get("act") == "weight":
            yield self._asked(row, column)
            yield from self.explained(values, request, row, column)

    def explain_line(self, values: Values, event: gr.SelectData, request: gr.Request) -> Steps:
        """Explain the weight in a clicked line of the table."""
        place = place_in_table(values[self.tab.extremes], event.index)
        if place is not None:
            yield self._asked(*place)
            yield from self.explained(values, request, *place)

    def explain(self, values: Values, request: gr.Request) -> Steps:
        """Why one weight of the selected matrix is pruned or kept."""
        card = self.tab.weight
        yield from self.explained(values, request, int(values[card.row] or 0), int(values[card.column] or 0))

    def explained(self, values: Values, request: gr.Request, row: int, column: int) -> Steps:
        """The card of one weight."""
        card = self.tab.weight

        def work(shown: View, analysis: Analysis, settings: Settings, report: Any, stopped: Any) -> dict[str, Any]:
            given = {"name": selected_name(shown, analysis), "row": row, "column": column}
            return asked("explain", analysis, settings, report, stopped, **given)

        def show(answer: dict[str, Any]) -> Changes:
            return {card.card: weight_html(answer)}

        yield from heavy_job(self.frame, card.progress, work, show, values, request)

    def _asked(self, row: int, column: int) -> Changes:
        """The card, open, and the weight that it is about."""
        card = self.tab.weight
        return {card.box: gr.Accordion(open=True), card.row: row, card.column: column}

    def _drawn(self, values: Values, request: gr.Request, move: Move) -> Steps:
        tab = self.tab

        def work(shown: View, analysis: Analysis, settings: Settings, report: Any, stopped: Any) -> Inside:
            name, what = selected_name(shown, analysis), values[tab.what]
            info = next(m for m in analysis.statistics.matrices if m.name == name)
            window = move(window_of(values[tab.window], name), (info.rows, info.columns))
            given = {"name": name, "what": what if what in QUANTITIES else FIRST, "window": window and astuple(window)}
            look = asked("look", analysis, settings, report, stopped, **given)
            return drawn(look, analysis.statistics.matrices, settings, given["what"], values[tab.side])

        def show(found: Inside) -> Changes:
            return {
                tab.picture: found.picture,
                tab.units: gr.update(value=found.units, visible=True),
                tab.extremes: found.extremes,
                tab.window: state_of(found),
            }

        yield from heavy_job(self.frame, tab.progress, work, show, values, request)


def _wider(window: Window | None, shape: tuple[int, int]) -> Window | None:
    return inspection.widened(window, shape) if window else None


def _closer(row: int, column: int) -> Move:
    def move(window: Window | None, shape: tuple[int, int]) -> Window:
        return inspection.zoomed(window or inspection.whole(shape), row, column, shape, LEAST)

    return move
