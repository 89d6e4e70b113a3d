"""Study: run one, or open a finished one and walk through it, one question at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.session.view import Shown
from gaprune_viz.app.tabs.study.finished_studies import study_choices
from gaprune_viz.app.tabs.study.run_panel import RunningPanel, build_running
from gaprune_viz.app.tabs.study.walk import FIRST, STOPS
from gaprune_viz.app.widgets.elements import html, with_files
from gaprune_viz.figures.kit import panels


@dataclass(frozen=True)
class StudyTab:
    """The components that handlers read and write."""

    pick: gr.Dropdown
    upload: gr.File
    step: gr.Radio
    back: gr.Button
    ahead: gr.Button
    text: gr.HTML
    left: gr.Plot
    right: gr.Plot
    table: gr.Dataframe
    running: RunningPanel

    @property
    def opened(self) -> list[Any]:
        """What another study, or another stop of the walk, changes."""
        return [self.step, self.back, self.ahead, self.text, self.left, self.right, self.table]


def build(frame: Frame, shown: Shown) -> StudyTab:
    """Lay the tab out; a chosen study fills it."""
    gr.Markdown(
        "A study repeats the paper's table: many criteria, several sparsities, one-shot and retrained, domain beside "
        "general. Click a row of the table to load its settings."
    )
    running = build_running()
    with gr.Row():
        pick = gr.Dropdown(study_choices(), value=None, label="Study", elem_id="gv-study-pick", scale=2, min_width=240)
        upload = gr.File(
            label="Or open a study.json", file_types=[".json"], elem_id="gv-study-upload", height=110, scale=1
        )
    step = gr.Radio(list(STOPS), value=FIRST, label="Walk through", elem_id="gv-study-step", visible=False)
    with gr.Row(elem_classes=["gv-study-walk"]):
        back = gr.Button("Back", size="sm", min_width=90, elem_id="gv-study-back", visible=False)
        ahead = gr.Button("Next", size="sm", variant="primary", min_width=90, elem_id="gv-study-next", visible=False)
    text = html(
        panels.empty_state("No study opened", "Choose one above, or open a study.json that you made."),
        elem_id="gv-study-text",
    )
    with gr.Row():
        left = gr.Plot(visible=False, show_label=False, elem_id="gv-study-left", min_width=320)
        right = gr.Plot(visible=False, show_label=False, elem_id="gv-study-right", min_width=320)
    table = with_files(
        gr.Dataframe(
            visible=False,
            interactive=False,
            label="Every row; click one to load its settings",
            elem_id="gv-study-table",
            show_search="filter",
        ),
        "study",
    )
    return StudyTab(pick, upload, step, back, ahead, text, left, right, table, running)
