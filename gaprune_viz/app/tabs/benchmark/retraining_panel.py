"""The retraining panel: how long, how fast, with which control; a live curve and a small table."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from gaprune_viz.app.widgets.elements import html, with_files
from gaprune_viz.app.widgets.events import Values
from gaprune_viz.config import RetrainSpec
from gaprune_viz.config.fields import field_info

FIELDS = ("steps", "learning_rate", "batch_size")


@dataclass(frozen=True)
class RetrainPanel:
    """The components that handlers read and write. `controls` are by field; `kept` is the id of the retrained model
    that the page has."""

    controls: dict[str, gr.Number]
    control: gr.Checkbox
    run: gr.Button
    stop: gr.Button
    progress: gr.HTML
    loss: gr.Plot
    quality: gr.Plot
    table: gr.Dataframe
    kept: gr.State


def build_retraining() -> RetrainPanel:
    """Lay the panel out; curves and table appear when retraining begins."""
    gr.Markdown(
        "### Retrain\n\nThe pruned model learns from the triplets of its domain; pruned weights stay zero, and "
        "what was cut out stays out. Retrieval is measured on the task of the Retrieval tab and on general knowledge. "
        "The dense model is left alone."
    )
    with gr.Row(elem_classes=["gv-tuning-row"]):
        controls = {name: _control(name) for name in FIELDS}
        control = gr.Checkbox(
            True,
            label="Control: retrain the dense model too",
            info="For the same steps, on the same data. What both gain is not pruning's merit. Takes as long again.",
            elem_id="gv-train-control",
            min_width=260,
        )
    with gr.Row(elem_classes=["gv-actions"]):
        run = gr.Button("Retrain", variant="primary", elem_id="gv-train-run", min_width=170)
        stop = gr.Button("Stop", variant="stop", elem_id="gv-train-stop", min_width=90)
    progress = html("", elem_id="gv-train-progress")
    with gr.Row():
        loss = gr.Plot(visible=False, show_label=False, elem_id="gv-train-loss", min_width=320)
        quality = gr.Plot(visible=False, show_label=False, elem_id="gv-train-quality", min_width=320)
    table = with_files(
        gr.Dataframe(visible=False, interactive=False, label="After retraining", elem_id="gv-train-table"),
        "retraining",
    )
    return RetrainPanel(controls, control, run, stop, progress, loss, quality, table, gr.State(""))


def _control(name: str) -> gr.Number:
    info = field_info(RetrainSpec, name)
    whole = isinstance(info["default"], int)
    return gr.Number(
        info["default"],
        label=info["label"],
        info=info["help"],
        minimum=info["minimum"] if whole else None,
        maximum=info["maximum"],
        precision=0 if whole else None,
        step=1 if whole else 1e-5,
        elem_id=f"gv-train-{name.replace('_', '-')}",
        min_width=150,
    )


def spec_from(panel: RetrainPanel, values: Values) -> RetrainSpec:
    """The spec that the panel says.

    Raises:
        GapruneError: a value is missing or out of bounds.
    """
    held = {name: values[control] for name, control in panel.controls.items()}
    return RetrainSpec.parse({name: value for name, value in held.items() if value is not None})
