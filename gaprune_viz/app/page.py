"""The page: it composes the frame and the tabs, and wires them; it computes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from gaprune_viz.app import endpoints
from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.cut_latency import wire_timing
from gaprune_viz.app.frame.restoring import Restoration, wire_address
from gaprune_viz.app.frame.run_events import wire_run
from gaprune_viz.app.frame.search_collection import collection_picker
from gaprune_viz.app.frame.summary_row import headline_html
from gaprune_viz.app.frame.tab import Placed, Tab, Wiring
from gaprune_viz.app.frame.updates import FIRST, Following, wire_opening, wire_tuning
from gaprune_viz.app.session.access import DEMO, Access, visitor
from gaprune_viz.app.session.event_guard import guard
from gaprune_viz.app.session.page_closing import closed
from gaprune_viz.app.session.sent_values import CheckedBlocks
from gaprune_viz.app.session.view import Shown, View, run_line
from gaprune_viz.app.sidebar import build_sidebar
from gaprune_viz.app.tabs import TABS
from gaprune_viz.app.tuning.bar import build_tuning
from gaprune_viz.app.tuning.cut_latency_row import build_timing
from gaprune_viz.app.widgets.elements import bell, html
from gaprune_viz.app.widgets.events import report_progress_on
from gaprune_viz.config import ServeSpec, Settings
from gaprune_viz.config.presets import Preset
from gaprune_viz.experiments.saved_presets import saved_presets
from gaprune_viz.jobs import watched_work

TITLE = "gaprune_viz"


@dataclass(frozen=True)
class Page:
    """Every component that a handler reads or writes: the frame, and the tabs by name."""

    frame: Frame
    tab_box: gr.Tabs
    tabs: Mapping[str, Placed[Any]]

    @property
    def following(self) -> Following:
        return Following(self.frame, list(self.tabs.values()))


def build(serve: ServeSpec | None = None, tabs: Sequence[Tab[Any]] = TABS) -> gr.Blocks:
    """The whole page, with the bundled analysis in it: the first paint is a finished picture.

    Args:
        serve: whom it is for; None for the defaults of this machine.
        tabs: what it shows.
    """
    access = Access(serve or ServeSpec.here())
    with CheckedBlocks(title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=(3_600, 14_400)) as demo:
        page = compose(tabs, [] if access.spec.public else list(saved_presets().values()))
        wire(page, demo)
        if not access.spec.public:
            endpoints.offer()
    report_progress_on(demo, page.frame.bell)
    guard(demo, access)
    return demo


def compose(tabs: Sequence[Tab[Any]] = TABS, saved: Sequence[Preset] = ()) -> Page:
    """Lay the page out; inside a `gr.Blocks`."""
    shown = Shown(View(), Settings())
    now = shown.now
    state: dict[str, Any] = {
        "view": gr.State(shown.view.model_dump()),
        "active": gr.State(FIRST),
        "query": gr.Textbox("", visible="hidden", show_label=False),
        "drawn": gr.State(""),
        "look": gr.Textbox("", visible="hidden", show_label=False),
        "bell": bell(),
        "collection": collection_picker(now.analysis.run.calibration.domain),
        "sidebar": build_sidebar(run_line(now.analysis, DEMO)),
    }
    html(_header(), elem_classes=["gv-header"])
    tuning = build_tuning(saved)
    headline = html(headline_html(now), elem_id="gv-headline")
    frame = Frame(**state, tuning=tuning, headline=headline, timing=build_timing())
    placed: dict[str, Placed[Any]] = {}
    with gr.Tabs(elem_id="gv-tabs", overflow_behavior="wrap") as tab_box:
        for tab in tabs:
            with gr.Tab(tab.label, id=tab.name) as box:
                placed[tab.name] = Placed(tab, box, tab.build(frame, shown))
    return Page(frame, tab_box, placed)


def wire(page: Page, demo: gr.Blocks) -> None:
    """Connect every control."""
    frame, following, placed = page.frame, page.following, list(page.tabs.values())
    wire_address(demo, Restoration(following, page.tab_box))
    _wire_closing(demo)
    wire_tuning(frame, following)
    wire_opening(frame, following)
    wire_run(frame, following)
    wire_timing(frame, following)
    recipes = (following.refreshing, following.following, following.following_selection)
    for one in placed:
        one.tab.wire(one.parts, Wiring(frame, one.box, *recipes))


def _wire_closing(demo: gr.Blocks) -> None:
    """A closed page leaves nothing behind: its work stops, and what was its own is forgotten."""

    def forget(request: gr.Request) -> None:
        who = visitor()
        watched_work.stop(who.session)
        who.access.forget(who.session)
        closed(demo, who.session, wholly=who.public)

    demo.unload(forget)


def _header() -> str:
    return (
        '<header class="gv-title"><h1>gaprune_viz</h1>'
        "<p>See what gradient-alignment pruning does to an embedding model, weight by weight.</p>"
        '<nav class="gv-title-tools" aria-label="Page tools">'
        '<button type="button" class="gv-tool" data-gv="tour" id="gv-tour">Take the tour</button>'
        '<button type="button" class="gv-tool" data-gv="share" id="gv-share">Copy link</button>'
        "</nav></header>"
    )
