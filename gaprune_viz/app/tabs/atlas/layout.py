"""Atlas: layer by role heatmap, and the selected matrix in detail."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.tab import Asked
from gaprune_viz.app.session.view import Shown
from gaprune_viz.app.tabs.atlas import view
from gaprune_viz.app.widgets.elements import html, with_files
from gaprune_viz.app.widgets.events import Changes
from gaprune_viz.app.widgets.scripts import of_element
from gaprune_viz.figures.kit.metrics import METRICS


@dataclass(frozen=True)
class AtlasTab:
    """The components that handlers write to."""

    metric: gr.Dropdown
    scale: gr.Radio
    grouping: gr.Radio
    heatmap: gr.HTML
    reasons: gr.HTML
    detail: gr.HTML
    histogram: gr.Plot
    profile: gr.Plot
    table: gr.Dataframe
    overlaps: gr.Dataframe

    def at_once(self, shown: Shown) -> Changes:
        """The heatmap and the numbers of the selected matrix follow every move."""
        return {self.heatmap: view.atlas_html(shown), self.detail: view.detail_html(shown)}

    def open(self, shown: Shown) -> Changes:
        """Profile, tables, and what decides."""
        now = shown.now
        return {
            self.profile: view.profile_figure(now),
            self.table: view.matrix_table(now),
            self.overlaps: view.overlap_table(now),
            self.reasons: view.reasons_html(now),
        }

    def on_matrix(self, shown: Shown) -> Changes:
        """The distributions of the selected matrix."""
        return {self.histogram: view.detail_figure(shown)}

    def restore(self, asked: Asked) -> Changes:
        """Colour, scale and rows of an address."""
        looked = asked.view
        return {self.metric: looked.metric, self.scale: looked.scale, self.grouping: looked.grouping}


def build(frame: Frame, shown: Shown) -> AtlasTab:
    """Lay the tab out with a finished analysis in it."""
    now = shown.now
    with gr.Row():
        metric = gr.Dropdown(
            [(m.label, key) for key, m in METRICS.items()],
            value=shown.view.metric,
            label="Colour by",
            elem_id="gv-metric",
            scale=2,
            min_width=200,
        )
        scale = gr.Radio(
            [("Auto", "auto"), ("Linear", "linear"), ("Log", "log"), ("Rank", "rank")],
            value="auto",
            label="Scale",
            elem_id="gv-scale",
            scale=3,
            min_width=260,
        )
        grouping = gr.Radio(
            [("Roles", "role"), ("Blocks", "block")],
            value="role",
            label="Rows",
            elem_id="gv-grouping",
            scale=2,
            min_width=180,
        )
    heatmap = html(
        view.atlas_html(shown), js_on_load=of_element("heatmap"), elem_id="gv-atlas", label="Layer by role heatmap"
    )
    reasons = html(view.reasons_html(now), elem_id="gv-reasons")
    detail = html(view.detail_html(shown), elem_id="gv-detail")
    with gr.Row():
        histogram = gr.Plot(view.detail_figure(shown), show_label=False, elem_id="gv-histogram", min_width=320)
        profile = gr.Plot(view.profile_figure(now), show_label=False, elem_id="gv-profile", min_width=320)
    with gr.Accordion("Every matrix as a table", open=False):
        table = with_files(
            gr.Dataframe(view.matrix_table(now), interactive=False, elem_id="gv-table", show_search="filter"),
            "matrices",
        )
    with gr.Accordion("Overlap and Jaccard index with every criterion as a table", open=False):
        overlaps = with_files(
            gr.Dataframe(view.overlap_table(now), interactive=False, elem_id="gv-overlap-table"), "overlap"
        )
    return AtlasTab(metric, scale, grouping, heatmap, reasons, detail, histogram, profile, table, overlaps)
