"""Restoring a state of the page from an address: on opening it, on undo and redo, from a pin, the tour or a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from gaprune_viz.app.frame.address import LONGEST, analysis_at, look_query, matrix_at, params_of, settings_of, view_of
from gaprune_viz.app.frame.tab import Asked
from gaprune_viz.app.frame.updates import Following, knobs
from gaprune_viz.app.session.event_guard import warn
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View, run_line
from gaprune_viz.app.widgets.events import (
    CARRIES,
    LIGHT,
    Changes,
    Listener,
    Values,
    arrived,
    listener,
    script,
    sent_with,
)
from gaprune_viz.config import Settings
from gaprune_viz.errors import GapruneError

EXACT = "exact"
THEME = "__theme"


class Restoration:
    """Sets a page as an address says; a wrong part of it changes nothing and says why."""

    def __init__(self, following: Following, tab_box: gr.Tabs) -> None:
        self.following, self.tab_box = following, tab_box
        self.frame, self.tabs = following.frame, following.tabs

    def from_address(self, values: Values, request: gr.Request) -> Changes:
        """Set the page as the address says that it was opened with."""
        return self.restored(dict(request.query_params), self.frame.view_of(values))

    def go(self, values: Values, event: gr.EventData) -> Changes:
        """Set the page as a query says. `exact` before it means that settings it does not name are the paper's."""
        query = str(sent_with(event).get("query", ""))
        exact = query.startswith(f"{EXACT}&")
        return self.restored(params_of(query), self.frame.view_of(values), exact=exact)

    def restored(self, params: Mapping[str, str], before: View, *, exact: bool = False) -> Changes:
        """All that an address sets; what follows from it is drawn by others."""
        frame, view = self.frame, view_of(params, before)
        try:
            name = analysis_at(params, before)
            analysis = STORE.analysis(name)
            view = view.with_(analysis=name)
        except GapruneError as error:
            warn(error)
            analysis = STORE.analysis(view.analysis)
        matrices = analysis.statistics.matrices
        view = view.with_(selected=matrix_at(params.get("at", ""), matrices) or view.selected)
        asked = Asked(params, view, analysis, moved=view.analysis != before.analysis)
        changes: Changes = {
            frame.view: view.model_dump(),
            frame.look: look_query(view, matrices),
            frame.sidebar.current: run_line(analysis, view.analysis),
            **self._settings(params, exact),
        }
        if tab := params.get("tab", ""):
            changes[self.tab_box] = gr.Tabs(selected=tab[:LONGEST])
        for placed in self.tabs:
            if placed.tab.restoring:
                changes |= placed.tab.restoring.restore(placed.parts, asked)
        return changes

    def _settings(self, params: Mapping[str, str], exact: bool) -> Changes:
        try:
            settings = settings_of(params)
        except GapruneError as error:
            warn(error, "The address holds a setting that is not possible. ")
            settings = None
        if settings is None:
            return self.frame.tuning.set(Settings()) if exact else {}
        return self.frame.tuning.set(settings)

    @property
    def writes(self) -> list[Any]:
        frame = self.frame
        own = [frame.view, frame.look, frame.sidebar.current, self.tab_box, *frame.tuning.all]
        for placed in self.tabs:
            if placed.tab.restoring:
                own += placed.tab.restoring.writes(placed.parts)
        return own


def wire_address(demo: gr.Blocks, restoration: Restoration) -> None:
    """What is shown goes into the address, and comes out of it."""
    frame, following = restoration.frame, restoration.following
    start = demo.load(**listener(restoration.from_address, [frame.view], restoration.writes, LIGHT))
    again = frame.bell.select(  # type: ignore[attr-defined]
        **listener(restoration.go, [frame.view], restoration.writes, CARRIES)
    )
    start.then(**script("() => gv.begin()"))
    for arrival, draw in ((start, _opening(following)), (again, _drawing(following))):
        arrival.then(**knobs(frame))
        # Of its own: it writes the query after the controls, and whatever hears the query reads them.
        settled = arrival.then(**following.refreshing)
        settled.then(**arrived("gv-bell"))
        settled.then(**draw).then(**script("() => gv.settle()"))
    frame.query.change(**script("(query) => gv.write(query, 'settings')", frame.query))
    frame.look.change(**script("(query) => gv.write(query, 'look')", frame.look))
    for placed in following.tabs:
        for part, component in placed.tab.kept.items():
            held = component(placed.parts)
            held.change(**script(f"(value) => gv.part('{part}', value)", held))


def _opening(following: Following) -> Listener:
    """What the open tab shows, where the address asks for anything; the first paint stands as it is otherwise."""
    drawing = _drawing(following)

    def opened(values: Values, request: gr.Request) -> Changes:
        asked = set(request.query_params) - {THEME}
        return following.arrived(values) if asked else {}

    return listener(opened, drawing["inputs"], drawing["outputs"])


def _drawing(following: Following) -> Listener:
    """What the open tab shows, and what belongs to the selected matrix."""
    listeners = (following.following, following.selecting)
    reads, writes = ([part for one in listeners for part in one[side] or ()] for side in ("inputs", "outputs"))
    return listener(following.arrived, reads, writes)
