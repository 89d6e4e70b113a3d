"""The components around the tabs, which every tab may read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from gaprune_viz.app.session.view import Shown, View
from gaprune_viz.app.sidebar import Sidebar
from gaprune_viz.app.tuning.bar import TuningBar
from gaprune_viz.app.tuning.cut_latency_row import TimingBar
from gaprune_viz.app.widgets.events import Values


@dataclass(frozen=True)
class Frame:
    """What stands around the tabs.

    Attributes:
        view: the `View` of the session, as plain values.
        active: name of the open tab.
        query: the settings as an address has them, for the browser.
        drawn: the same, of what was drawn last; it changes whenever the settings do, whatever changed them. A state:
            the server compares its values, while a text box of the browser reports equal values as changes too.
        look: what is looked at as an address has it.
        bell: how the browser asks for a state of the page.
        collection: what is searched; the tab that searches lays it out, others read it.
        timing: what a cut of whole structures is expected to take.
    """

    view: gr.State
    active: gr.State
    query: gr.Textbox
    drawn: gr.State
    look: gr.Textbox
    bell: gr.HTML
    collection: gr.Dropdown
    sidebar: Sidebar
    tuning: TuningBar
    headline: gr.HTML
    timing: TimingBar

    @property
    def state(self) -> list[Any]:
        """What is read to know what is shown: the view and the settings."""
        return [self.view, *self.tuning.all]

    def shown(self, values: Values) -> Shown:
        """What is shown for these values.

        Raises:
            GapruneError: a setting is out of bounds.
        """
        return Shown(self.view_of(values), self.tuning.settings(values), values)

    def view_of(self, values: Values) -> View:
        return View.parse(values[self.view])
