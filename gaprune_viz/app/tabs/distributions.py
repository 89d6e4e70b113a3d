"""Distributions: layer by value densities of Fisher information, score and alignment."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from gaprune_viz.app import views
from gaprune_viz.app.elements import html


@dataclass(frozen=True)
class KindsPanel:
    """The components that handlers read and write."""

    only: gr.Radio
    figure: gr.Plot
    table: gr.HTML


IDS = ("gv-fisher-domain", "gv-fisher-general", "gv-score-density", "gv-alignment-density")
SCATTER = "gv-scatter"


def build_distributions(now: views.Live, view: views.View) -> tuple[list[gr.Plot], KindsPanel]:
    """Lay the tab out; the plots are in the order of `views.distribution_figures`, then the scatter."""
    gr.Markdown(
        "Each row is a layer; the stronger the colour, the more weights. Fisher information is exact, over every "
        "weight; score and alignment come from the sketch and follow the sliders."
    )
    plots: list[gr.Plot] = []
    figures = views.distribution_figures(now)
    for pair in ((2, 3), (0, 1)):
        with gr.Row():
            for index in pair:
                plots.append(gr.Plot(figures[index], show_label=False, elem_id=IDS[index], min_width=320))
    only = gr.Radio(
        [("The whole scope", "scope"), ("The selected matrix", "matrix")],
        value="scope",
        label="Weights below are of",
        elem_id="gv-only",
    )
    with gr.Row(elem_id="gv-kinds"):
        figure = gr.Plot(
            views.kinds_figure_of(now, view, "scope"), show_label=False, elem_id="gv-kinds-figure", min_width=320
        )
        table = html(views.kinds_html(now, view, "scope"), elem_id="gv-kinds-table", min_width=280)
    scatter = gr.Plot(views.scatter_figure(now, view, "scope"), show_label=False, elem_id=SCATTER, min_width=320)
    return [plots[2], plots[3], plots[0], plots[1], scatter], KindsPanel(only, figure, table)
