"""What a cut of whole structures is expected to take, below the row of figures, and the button that measures it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.structures import expected_times
from gaprune_viz.app.session.view import Live
from gaprune_viz.app.widgets.elements import html
from gaprune_viz.app.widgets.events import Changes
from gaprune_viz.figures.kit import panels
from gaprune_viz.figures.weights.structures import times_html


@dataclass(frozen=True)
class TimingBar:
    """The components below the row of figures; in sight where whole structures go."""

    box: gr.Column
    told: gr.HTML
    measure: gr.Button
    stop: gr.Button
    progress: gr.HTML

    def follow(self, now: Live) -> Changes:
        """What is expected under the settings now."""
        if now.cut is None:
            return {self.box: gr.update(visible=False)}
        times, curve = expected_times(now), STORE.curve(now.analysis, now.cut.units.structure)
        if times is None or curve is None:
            noun = now.cut.noun
            said = panels.notice(
                f"How much time a cut of {noun} saves is measured, not counted from operations: some widths of this "
                "model, short and long texts, about half a minute for a small model. It is kept for the next time."
            )
            return {self.box: gr.update(visible=True), self.told: said, self.measure: "Measure this machine"}
        widths = ", ".join(map(str, curve.after))
        told = f"Between what was measured on this machine with {widths} {now.cut.noun}; threads: {curve.threads}."
        said = times_html({"dense": times[0], "cut": times[1]}, told)
        return {self.box: gr.update(visible=True), self.told: said, self.measure: "Measure again"}

    @property
    def writes(self) -> list[Any]:
        return [self.box, self.told, self.measure]


def build_timing() -> TimingBar:
    """Lay the bar out, out of sight."""
    with gr.Column(visible=False, elem_id="gv-timing") as box:
        told = html("", elem_id="gv-timing-told")
        with gr.Row(elem_classes=["gv-actions"]):
            measure = gr.Button("Measure this machine", size="sm", elem_id="gv-timing-measure", min_width=170, scale=0)
            stop = gr.Button("Stop", size="sm", variant="stop", elem_id="gv-timing-stop", min_width=90, scale=0)
        progress = html("", elem_id="gv-timing-progress")
    return TimingBar(box, told, measure, stop, progress)
