"""Why was this weight pruned? The card for one weight of the selected matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from gaprune_viz.app.widgets.elements import html
from gaprune_viz.figures.kit import panels
from gaprune_viz.figures.kit.formatting import number


@dataclass(frozen=True)
class WeightCard:
    """The components that handlers read and write."""

    box: gr.Accordion
    row: gr.Number
    column: gr.Number
    explain: gr.Button
    progress: gr.HTML
    card: gr.HTML


def build_weight() -> WeightCard:
    """Lay the card out."""
    with gr.Accordion("Why was this weight pruned?", open=False, elem_id="gv-weight") as box:
        with gr.Row(equal_height=True):
            row = gr.Number(0, label="Row (output)", minimum=0, precision=0, elem_id="gv-weight-row", min_width=110)
            column = gr.Number(
                0, label="Column (input)", minimum=0, precision=0, elem_id="gv-weight-column", min_width=110
            )
            explain = gr.Button("Explain", elem_id="gv-explain", min_width=110)
        progress = html("", elem_id="gv-weight-progress")
        card = html(
            panels.empty_state(
                "No weight chosen yet",
                "Give a row and a column of the selected matrix, counted from 0, and press Explain.",
            ),
            elem_id="gv-weight-card",
        )
    return WeightCard(box, row, column, explain, progress, card)


def weight_html(answer: dict[str, Any]) -> str:
    """The card of one weight, from `ExactScope.explain`; with a sentence about its neuron, where that wakes."""
    values = [panels.Card(name.replace("_", " "), number(value), "value") for name, value in answer["values"].items()]
    terms = [panels.Card(panels.term_label(name), number(value), "term") for name, value in answer["terms"].items()]
    threshold = answer["threshold"]
    place = [
        panels.Card("Score", number(answer["score"]), "higher means keep"),
        panels.Card("Threshold", "none" if threshold is None else number(threshold), "of its group"),
        panels.Card("Rank", f"{answer['rank']:,}", f"of {answer['group_size']:,}; 1 goes first"),
    ]
    return (
        panels.sentence_card(" ".join([answer["reason"], *([answer["neuron"]] if "neuron" in answer else [])]))
        + panels.stat_cards(place)
        + panels.section_title("Its values", answer["weight"])
        + panels.stat_cards(values)
        + panels.section_title("Its terms", "they add up to the score, before softplus where there is one")
        + panels.stat_cards(terms)
    )
