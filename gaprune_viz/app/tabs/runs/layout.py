"""Runs: the analyses kept on this machine, each with a name, a note and its size; open or delete one."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from gaprune_viz.analysis.catalogue import LONGEST_NAME, LONGEST_NOTE
from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.session.view import Shown
from gaprune_viz.app.widgets.elements import html, with_files

# Of the columns of `runs_table`, in pixels.
WIDTHS: list[str | int] = ["150px", "140px", "110px", "100px", "80px", "90px", "90px", "150px", "220px", "220px"]


@dataclass(frozen=True)
class RunsTab:
    """The components that handlers read and write."""

    pick: gr.Dropdown
    open: gr.Button
    delete: gr.Button
    name: gr.Textbox
    note: gr.Textbox
    save: gr.Button
    said: gr.HTML
    table: gr.Dataframe


def build(frame: Frame, shown: Shown) -> RunsTab:
    """Lay the tab out; the list is read when the tab is opened."""
    gr.Markdown(
        "Every run is kept, and found again by its content: the same model, data and settings are never calibrated "
        "twice. The oldest go when the workspace is over its limit. Click a row to pick an analysis; Open shows it."
    )
    with gr.Row(elem_classes=["gv-ask"]):
        pick = gr.Dropdown([], label="Analysis", elem_id="gv-run-pick", scale=4, min_width=280)
        opened = gr.Button("Open", variant="primary", elem_id="gv-run-open", scale=1, min_width=100)
        delete = gr.Button("Delete", variant="stop", elem_id="gv-run-delete", scale=1, min_width=100)
    with gr.Row(elem_classes=["gv-ask"]):
        name = gr.Textbox(label="Name", max_length=LONGEST_NAME, elem_id="gv-run-name", scale=2, min_width=180)
        note = gr.Textbox(label="Note", max_length=LONGEST_NOTE, elem_id="gv-run-note", scale=3, min_width=220)
        save = gr.Button("Save", elem_id="gv-run-save", scale=1, min_width=100)
    said = html("", elem_id="gv-run-said")
    table = with_files(
        gr.Dataframe(interactive=False, elem_id="gv-run-table", show_search="filter", wrap=True, column_widths=WIDTHS),
        "runs",
    )
    return RunsTab(pick, opened, delete, name, note, save, said, table)
