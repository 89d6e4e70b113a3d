"""How the sources of the analysis on screen agree: each with the domain, and every pair of them by layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.analysis.sources.alignment import SourceAlignment
from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.long_work import asked, heavy_job, heavy_listener, stopping
from gaprune_viz.app.frame.tab import Wiring
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import Shown, View
from gaprune_viz.app.tabs.domains.analysis_sections import Section
from gaprune_viz.app.widgets.elements import html
from gaprune_viz.app.widgets.events import Changes, Steps, Values
from gaprune_viz.config import Settings
from gaprune_viz.figures.weights.sources import alignment_figure, source_bars


@dataclass(frozen=True)
class Agreement:
    """The components."""

    run: gr.Button
    stop: gr.Button
    progress: gr.HTML
    bars: gr.Plot
    layers: gr.Plot

    @property
    def drawn(self) -> list[Any]:
        """What an analysis fills."""
        return [self.bars, self.layers]


def build() -> Agreement:
    """Lay the part out."""
    gr.Markdown(
        "### Do the sources of this analysis agree?\n\nCosines of their mean gradients: 1 where two sources pull every "
        "weight the same way, 0 where they have nothing to do with each other. A run may have "
        "several sources on a side: `chemistry + mine=path.jsonl` in the box *Domain*."
    )
    with gr.Row():
        run = gr.Button("Compare the sources", elem_id="gv-agreement", scale=0, min_width=200)
        stop = gr.Button("Stop", elem_id="gv-agreement-stop", scale=0, min_width=90)
    progress = html("", elem_id="gv-agreement-progress")
    bars = gr.Plot(visible=False, show_label=False, elem_id="gv-agreement-bars")
    layers = gr.Plot(visible=False, show_label=False, elem_id="gv-agreement-layers")
    return Agreement(run, stop, progress, bars, layers)


def draw(parts: Agreement, shown: Shown) -> Changes:
    """What is known of the analysis on screen."""
    found = STORE.agreement(shown.now.analysis)
    if found is None:
        return dict.fromkeys(parts.drawn, gr.update(visible=False))
    return _figures(parts, found)


def wire(parts: Agreement, page: Wiring) -> None:
    """Connect the buttons."""
    compared = heavy_listener(page.frame, compare(parts, page.frame), parts.progress, (), parts.drawn)
    parts.run.click(**compared).then(**page.refresh)
    parts.stop.click(**stopping())


def compare(parts: Agreement, frame: Frame) -> Callable[..., Steps]:
    """Compare the sources; what was compared before comes at once."""

    def handler(values: Values, request: gr.Request) -> Steps:
        def work(shown: View, analysis: Analysis, settings: Settings, report: Any, stopped: Any) -> Any:
            known = STORE.agreement(analysis)
            return analysis, known or asked("agreement", analysis, settings, report, stopped)

        def show(result: tuple[Analysis, SourceAlignment]) -> Changes:
            STORE.keep_agreement(*result)
            return _figures(parts, result[1])

        # Compact statistics hold what masks need, and no gradients by source.
        yield from heavy_job(frame, parts.progress, work, show, values, request, exact=True)

    return handler


def _figures(parts: Agreement, found: SourceAlignment) -> Changes:
    given = [source.weight for source in found.sources]
    bars = source_bars(found.names, found.sides, found.to_domain, given, found.weights)
    layers = alignment_figure(found.names, found.layers, found.by_layer)
    return {
        parts.bars: gr.update(value=bars, visible=True),
        parts.layers: gr.update(value=layers, visible=True),
    }


AGREEMENT = Section(build, draw, lambda parts: parts.drawn, wire)
