"""Atlas: layer by role heatmap, and the selected matrix in detail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from gaprune_viz.app import views
from gaprune_viz.app.elements import html, with_files
from gaprune_viz.figures.atlas import HEATMAP_JS
from gaprune_viz.figures.metrics import METRICS


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


def build_atlas(now: views.Live, view: views.View) -> AtlasTab:
    """Lay the tab out with a finished analysis in it."""
    with gr.Row():
        metric = gr.Dropdown(
            [(m.label, key) for key, m in METRICS.items()],
            value=view.metric,
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
        views.atlas_html(now, view), js_on_load=HEATMAP_JS, elem_id="gv-atlas", label="Layer by role heatmap"
    )
    reasons = html(views.reasons_html(now), elem_id="gv-reasons")
    detail = html(views.detail_html(now, view), elem_id="gv-detail")
    with gr.Row():
        histogram = gr.Plot(views.detail_figure(now, view), show_label=False, elem_id="gv-histogram", min_width=320)
        profile = gr.Plot(views.profile_figure(now), show_label=False, elem_id="gv-profile", min_width=320)
    with gr.Accordion("Every matrix as a table", open=False):
        table = with_files(
            gr.Dataframe(views.matrix_table(now), interactive=False, elem_id="gv-table", show_search="filter"),
            "matrices",
        )
    with gr.Accordion("Overlap and Jaccard index with every criterion as a table", open=False):
        overlaps = with_files(
            gr.Dataframe(views.overlap_table(now), interactive=False, elem_id="gv-overlap-table"), "overlap"
        )
    return AtlasTab(metric, scale, grouping, heatmap, reasons, detail, histogram, profile, table, overlaps)


def selected_from(event: gr.EventData, view: views.View) -> str | None:
    """The name of the clicked matrix; None for anything that is not one. Browsers may send anything."""
    data: Any = getattr(event, "_data", None)
    name = data.get("name") if isinstance(data, dict) else None
    analysis = views.STORE.analysis(view.analysis)
    return name if isinstance(name, str) and name in analysis.statistics.names else None
