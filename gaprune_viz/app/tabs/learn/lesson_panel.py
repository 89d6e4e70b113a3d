"""A lesson on masks that wake neurons: its components, and what it says before anything is measured."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import gradio as gr

from gaprune_viz.app.widgets.elements import html

PICTURES = (
    ("off", "Off.", "Its inputs hold it below zero. It says nothing, so the loss does not react to them."),
    ("awake", "Awake.", "No Fisher information speaks for the inputs, so they go. The bias is left and answers alone."),
    ("cut", "Cut whole.", "Its outputs go as well. It says nothing, as before."),
)
INTRODUCTION = (
    "An MLP neuron adds up its inputs and a bias, and answers where the sum is high enough. Some neurons are off for "
    "nearly every text, because their inputs pull the sum down. An off neuron has no gradient. Fisher information then "
    "says that its inputs do not matter, and a mask takes them away first. But the inputs were what kept it off: with "
    "the bias alone it can wake up, and then it adds one and the same answer to every text: all texts look more alike.",
    "The three buttons show it on the analysis of this page: Joint OBD (Fisher information times θ²) at 50 %, with one "
    "threshold for all weights. The first time takes a minute or more, because the exact mask is made and every sample "
    "query of the domain is searched.",
)


@dataclass(frozen=True)
class Lesson:
    """The components that handlers read and write.

    Attributes:
        before: the settings that the tuning bar had, as plain values; empty while the lesson has changed nothing.
    """

    alone: gr.Button
    whole: gr.Button
    back: gr.Button
    stop: gr.Button
    progress: gr.HTML
    story: gr.HTML
    before: gr.State


def build_lesson() -> Lesson:
    """Lay the lesson out."""
    with gr.Column(elem_id="gv-lesson", elem_classes=["gv-panel"]):
        html(_introduction_html(), elem_id="gv-lesson-text")
        with gr.Row(elem_classes=["gv-actions"]):
            alone = gr.Button(
                "1. Prune by Fisher information alone", variant="primary", elem_id="gv-lesson-alone", min_width=250
            )
            whole = gr.Button("2. Cut those neurons whole", elem_id="gv-lesson-whole", min_width=200, interactive=False)
            back = gr.Button(
                "3. What the tuning bar had before", elem_id="gv-lesson-back", min_width=230, interactive=False
            )
            stop = gr.Button("Stop", variant="stop", elem_id="gv-lesson-stop", min_width=90)
        progress = html("", elem_id="gv-lesson-progress")
        story = html("", elem_id="gv-lesson-story")
    return Lesson(alone, whole, back, stop, progress, story, gr.State({}))


def _introduction_html() -> str:
    said = "".join(f"<p>{escape(text)}</p>" for text in INTRODUCTION)
    figures = "".join(
        f"<figure>{_neuron_svg(state, f'{title} {text}')}<figcaption><b>{title}</b> {text}</figcaption></figure>"
        for state, title, text in PICTURES
    )
    return f'<h3>A lesson: masks that wake neurons</h3>{said}<div class="gv-neurons">{figures}</div>'


def _neuron_svg(state: str, label: str) -> str:
    """A neuron with its inputs on the left, its bias below and its outputs on the right.

    Args:
        state: `off`, `awake` or `cut`: the look of its parts, from the style sheet.
    """
    rows = (18, 44, 70, 96)
    inputs = "".join(f'<path d="M22 {y} L92 57"/><circle cx="16" cy="{y}" r="5"/>' for y in rows)
    outputs = "".join(f'<path d="M128 57 L198 {y}"/><circle cx="204" cy="{y}" r="5"/>' for y in rows)
    return (
        f'<svg viewBox="-8 0 236 138" role="img" aria-label="{escape(label, quote=True)}" '
        f'class="gv-neuron gv-n-{state}">'
        f'<g class="gv-n-in">{inputs}</g><g class="gv-n-out">{outputs}</g>'
        '<g class="gv-n-bias"><path d="M110 112 L110 80"/><path d="M104 88 L110 79 L116 88"/></g>'
        '<circle class="gv-n-body" cx="110" cy="57" r="19"/>'
        '<g class="gv-n-words"><text x="16" y="132">inputs</text><text x="110" y="132">bias</text>'
        '<text x="204" y="132">outputs</text></g></svg>'
    )
