"""Compare: up to four pinned settings side by side, and the difference between two settings or two analyses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.session.view import Shown
from gaprune_viz.app.tabs.compare import view
from gaprune_viz.app.widgets.elements import html, with_files
from gaprune_viz.app.widgets.events import Changes
from gaprune_viz.errors import GapruneError
from gaprune_viz.figures.kit import panels
from gaprune_viz.figures.kit.metrics import METRICS

# The buttons that load a pin are the page's own (`gv.actions`); those that drop one ask the server.
BOARD_JS = """element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-drop]');
  if (button) trigger('select', { drop: Number(button.dataset.drop) });
});"""


@dataclass(frozen=True)
class CompareTab:
    """The components that handlers read and write."""

    pins: gr.State
    board: gr.HTML
    one: gr.Dropdown
    other: gr.Dropdown
    metric: gr.Dropdown
    difference: gr.HTML
    table: gr.Dataframe

    @property
    def chosen(self) -> list[Any]:
        """What the comparison reads."""
        return [self.pins, self.one, self.other, self.metric]

    def open(self, shown: Shown) -> Changes:
        """The difference: the settings now may be part of it."""
        pins, one, other, metric = (shown.values[part] for part in self.chosen)
        try:
            drawn, table = view.difference_of(pins, one, other, metric, shown)
        except GapruneError as error:
            return {self.difference: panels.error_card(error.message, error.hint)}
        return {self.difference: drawn, self.table: table}


def build(frame: Frame, shown: Shown) -> CompareTab:
    """Lay the tab out."""
    pins = gr.State([])
    board = html(view.EMPTY, js_on_load=BOARD_JS, elem_id="gv-board")
    with gr.Row():
        choices = [("The settings now", view.NOW), ("Paper, 50 %", "preset:paper")]
        one = gr.Dropdown(choices, value="preset:paper", label="Difference from", elem_id="gv-one", min_width=200)
        other = gr.Dropdown(choices, value=view.NOW, label="to", elem_id="gv-other", min_width=200)
        metric = gr.Dropdown(
            [(m.label, key) for key, m in METRICS.items()],
            value="pruned_fraction",
            label="of",
            elem_id="gv-compare-metric",
            min_width=200,
        )
    difference = html("", elem_id="gv-difference")
    with gr.Accordion("The difference as a table", open=False):
        table = with_files(gr.Dataframe(interactive=False, elem_id="gv-difference-table"), "difference")
    return CompareTab(pins, board, one, other, metric, difference, table)
