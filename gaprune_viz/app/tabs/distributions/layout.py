"""Distributions: layer by value densities of Fisher information, score and alignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.session.view import Shown
from gaprune_viz.app.tabs.distributions import view
from gaprune_viz.app.widgets.elements import html
from gaprune_viz.app.widgets.events import Changes


@dataclass(frozen=True)
class DistributionsTab:
    """The components that handlers read and write; `densities` by their elements."""

    densities: dict[str, gr.Plot]
    only: gr.Radio
    kinds: gr.Plot
    kinds_table: gr.HTML
    scatter: gr.Plot

    @property
    def drawn(self) -> list[Any]:
        return [*self.densities.values(), self.scatter, self.kinds, self.kinds_table]

    def open(self, shown: Shown) -> Changes:
        """Every figure, of the weights that are picked."""
        only = shown.values.get(self.only, view.SCOPE)
        figures = view.densities(shown.now)
        return {
            **{plot: figures[name] for name, plot in self.densities.items()},
            self.scatter: view.scatter_figure(shown, only),
            self.kinds: view.kinds_figure(shown, only),
            self.kinds_table: view.kinds_html(shown, only),
        }


def build(frame: Frame, shown: Shown) -> DistributionsTab:
    """Lay the tab out with a finished analysis in it."""
    gr.Markdown(
        "Each row is a layer; the stronger the colour, the more weights. Fisher information is exact, over every "
        "weight; score and alignment come from the sketch and follow the sliders."
    )
    plots: dict[str, gr.Plot] = {}
    figures = view.densities(shown.now)
    for pair in (("gv-score-density", "gv-alignment-density"), ("gv-fisher-domain", "gv-fisher-general")):
        with gr.Row():
            for name in pair:
                plots[name] = gr.Plot(figures[name], show_label=False, elem_id=name, min_width=320)
    only = gr.Radio(
        [("The whole scope", view.SCOPE), ("The selected matrix", view.MATRIX)],
        value=view.SCOPE,
        label="Weights below are of",
        elem_id="gv-only",
    )
    with gr.Row(elem_id="gv-kinds"):
        kinds = gr.Plot(
            view.kinds_figure(shown, view.SCOPE), show_label=False, elem_id="gv-kinds-figure", min_width=320
        )
        table = html(view.kinds_html(shown, view.SCOPE), elem_id="gv-kinds-table", min_width=280)
    scatter = gr.Plot(view.scatter_figure(shown, view.SCOPE), show_label=False, elem_id="gv-scatter", min_width=320)
    return DistributionsTab(plots, only, kinds, table, scatter)
