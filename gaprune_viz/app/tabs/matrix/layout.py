"""Matrix: the selected matrix from inside, from blocks down to single weights; its neurons, heads and extremes."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from gaprune_viz.app.frame.address import LONGEST
from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.tab import Asked
from gaprune_viz.app.session.view import Shown
from gaprune_viz.app.tabs.matrix.weight import WeightCard, build_weight
from gaprune_viz.app.widgets.elements import html, with_files
from gaprune_viz.app.widgets.events import Changes
from gaprune_viz.app.widgets.scripts import of_element
from gaprune_viz.figures.kit import panels
from gaprune_viz.figures.weights.matrix_window import QUANTITIES


@dataclass(frozen=True)
class MatrixTab:
    """The components that handlers read and write."""

    what: gr.Dropdown
    side: gr.Radio
    look: gr.Button
    out: gr.Button
    stop: gr.Button
    progress: gr.HTML
    picture: gr.HTML
    units: gr.Plot
    extremes: gr.Dataframe
    window: gr.State
    weight: WeightCard

    def restore(self, asked: Asked) -> Changes:
        """Row and column of an address's `w=12,300`."""
        row, _, column = asked.params.get("w", "")[:LONGEST].partition(",")
        whole = row.isdecimal() and column.isdecimal()
        return {self.weight.row: int(row), self.weight.column: int(column)} if whole else {}


def build(frame: Frame, shown: Shown) -> MatrixTab:
    """Lay the tab out; the picture is made when it is asked for, because it needs the exact mask."""
    with gr.Row(elem_classes=["gv-ask"]):
        what = gr.Dropdown(
            [(m.label, key) for key, m in QUANTITIES.items()],
            value="pruned",
            label="Show",
            elem_id="gv-inside-what",
            min_width=180,
        )
        side = gr.Radio(
            [("Rows", "rows"), ("Columns", "columns"), ("Heads", "heads")],
            value="rows",
            label="Neurons by",
            elem_id="gv-inside-side",
            min_width=240,
        )
        look = gr.Button("Look inside", variant="primary", elem_id="gv-inside-look", min_width=130)
        out = gr.Button("Zoom out", elem_id="gv-inside-out", min_width=110)
        stop = gr.Button("Stop", variant="stop", elem_id="gv-inside-stop", min_width=90)
    progress = html("", elem_id="gv-inside-progress")
    picture = html(
        panels.empty_state(
            "Not looked inside yet",
            "Press Look inside to see the matrix selected in the Atlas, block by block, down to single weights. "
            "A mask over all weights is made first, which takes some seconds.",
        ),
        js_on_load=of_element("inside"),
        elem_id="gv-inside",
    )
    units = gr.Plot(visible=False, show_label=False, elem_id="gv-units", min_width=320)
    weight = build_weight()
    with gr.Accordion("Least and most important weights of this matrix", open=True):
        extremes = with_files(
            gr.Dataframe(interactive=False, elem_id="gv-extremes", label="Click a row to explain the weight"),
            "extreme-weights",
        )
    return MatrixTab(what, side, look, out, stop, progress, picture, units, extremes, gr.State(None), weight)
