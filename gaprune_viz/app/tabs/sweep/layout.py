"""Sweep: two settings over a grid, the domain beside general data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.session.view import Shown
from gaprune_viz.app.tabs.sweep.plan import QUICK, about_html, column_choices
from gaprune_viz.app.widgets.elements import html, with_files
from gaprune_viz.app.widgets.scripts import of_element
from gaprune_viz.config import SIDES, SWEEP_KINDS
from gaprune_viz.criteria.registry import criteria

FIRST = "criteria"
QUICK_ROWS = ("magnitude", "dai")


@dataclass(frozen=True)
class SweepTab:
    """The components that handlers read and write."""

    kind: gr.Radio
    rows: gr.CheckboxGroup
    values: gr.Textbox
    columns: gr.Dropdown
    about: gr.HTML
    run: gr.Button
    stop: gr.Button
    progress: gr.HTML
    words: gr.HTML
    maps: dict[str, gr.HTML]
    curves: dict[str, gr.Plot]
    first: gr.Dropdown
    second: gr.Dropdown
    difference: gr.HTML
    csv: gr.DownloadButton
    table: gr.Dataframe
    swept: gr.State

    @property
    def finished(self) -> list[Any]:
        """What a finished sweep changes."""
        drawn = [*self.maps.values(), *self.curves.values(), self.words, self.first, self.second, self.difference]
        return [*drawn, self.csv, self.table, self.swept]


def build(frame: Frame, shown: Shown) -> SweepTab:
    """Lay the tab out; the figures appear when a sweep has run."""
    axes = SWEEP_KINDS[FIRST]
    with gr.Row():
        kind = gr.Radio(
            [(k.label, name) for name, k in SWEEP_KINDS.items()],
            value=FIRST,
            label="Sweep over",
            elem_id="gv-sweep-kind",
            min_width=260,
        )
        columns = gr.Dropdown(
            column_choices(FIRST),
            value=QUICK,
            label=axes.column_label,
            allow_custom_value=True,
            elem_id="gv-sweep-columns",
            min_width=200,
        )
        values = gr.Textbox("", label="", elem_id="gv-sweep-values", visible=False, min_width=200)
    rows = gr.CheckboxGroup(
        [(c.label, c.name) for c in criteria().values()],
        value=list(QUICK_ROWS),
        label=axes.row_label,
        elem_id="gv-sweep-rows",
    )
    about = html(about_html(FIRST), elem_id="gv-sweep-about")
    with gr.Row(elem_classes=["gv-actions"]):
        run = gr.Button("Run the sweep", variant="primary", elem_id="gv-sweep-run", min_width=170)
        stop = gr.Button("Stop", variant="stop", elem_id="gv-sweep-stop", min_width=90)
    progress = html("", elem_id="gv-sweep-progress")
    maps, curves = {}, {}
    with gr.Row(elem_classes=["gv-sweep-maps"]):
        for side in SIDES:
            maps[side] = html(
                "",
                js_on_load=of_element("heatmap", "sweep"),
                elem_id=f"gv-sweep-map-{side}",
                label=f"Sweep map, {side}",
                min_width=320,
            )
    with gr.Row():
        for side in SIDES:
            curves[side] = gr.Plot(visible=False, show_label=False, elem_id=f"gv-sweep-{side}", min_width=320)
    words = html("", elem_id="gv-sweep-words")
    with gr.Row(elem_classes=["gv-ask"]):
        first = gr.Dropdown([], label="Compare the cell", visible=False, elem_id="gv-sweep-first", min_width=220)
        second = gr.Dropdown([], label="with", visible=False, elem_id="gv-sweep-second", min_width=220)
        csv = gr.DownloadButton("All cells as CSV", visible=False, elem_id="gv-sweep-csv", min_width=150)
    difference = html("", elem_id="gv-sweep-difference")
    table = with_files(
        gr.Dataframe(
            visible=False, interactive=False, label="Click a row to load its settings", elem_id="gv-sweep-table"
        ),
        "sweep",
    )
    return SweepTab(
        *(kind, rows, values, columns, about, run, stop, progress, words, maps, curves, first, second, difference),
        csv=csv,
        table=table,
        swept=gr.State({}),
    )
