"""The sidebar: which model, which data, run and cancel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from gaprune_viz.app.widgets.elements import html
from gaprune_viz.app.widgets.events import Values
from gaprune_viz.config import STARTER_DOMAINS, STARTER_LABELS, CalibrationSpec, ModelSpec, RunSpec, Spec
from gaprune_viz.config.fields import field_info

FIELDS: dict[str, type[Spec]] = {
    "model": ModelSpec,
    "domain": CalibrationSpec,
    "general": CalibrationSpec,
    "scope": CalibrationSpec,
    "samples": CalibrationSpec,
    "sampling": CalibrationSpec,
    "seed": CalibrationSpec,
    "temperature": CalibrationSpec,
    "fisher": CalibrationSpec,
    "projections": CalibrationSpec,
    "domain_columns": CalibrationSpec,
    "general_columns": CalibrationSpec,
    "pooling": ModelSpec,
    "query_prompt": ModelSpec,
    "passage_prompt": ModelSpec,
    "max_length": ModelSpec,
}
STARTER_CHOICES = [(STARTER_LABELS[name], name) for name in STARTER_DOMAINS]


@dataclass(frozen=True)
class Sidebar:
    """The controls by field, and the buttons."""

    controls: dict[str, Any]
    run: gr.Button
    cancel: gr.Button
    estimate: gr.Button
    progress: gr.HTML
    current: gr.HTML

    @property
    def all(self) -> list[Any]:
        """Every control."""
        return list(self.controls.values())

    def source(self, side: str) -> tuple[Any, Any]:
        """The controls that name a side's data and its columns."""
        return self.controls[side], self.controls[f"{side}_columns"]

    def run_of(self, values: Values) -> RunSpec:
        """The run that the page describes.

        Raises:
            GapruneError: a value is out of bounds.
        """
        return run_from({name: values[control] for name, control in self.controls.items()})


def build_sidebar(current: str) -> Sidebar:
    """Lay the sidebar out.

    Args:
        current: HTML that says which analysis is shown.
    """
    made: dict[str, Any] = {}
    with gr.Sidebar(width=330, elem_id="gv-sidebar"):
        shown = html(current, elem_id="gv-current")
        made["model"] = gr.Textbox(**_common(ModelSpec, "model"), max_length=512)
        for name in ("domain", "general"):
            made[name] = gr.Dropdown(STARTER_CHOICES, allow_custom_value=True, **_common(CalibrationSpec, name))
        made["scope"] = gr.Radio(field_info(CalibrationSpec, "scope")["choices"], **_common(CalibrationSpec, "scope"))
        samples = field_info(CalibrationSpec, "samples")
        made["samples"] = gr.Slider(
            samples["minimum"], samples["ui_maximum"], step=samples["step"], **_common(CalibrationSpec, "samples")
        )
        with gr.Accordion("More about the run", open=False):
            made["sampling"] = gr.Dropdown(
                field_info(CalibrationSpec, "sampling")["choices"], **_common(CalibrationSpec, "sampling")
            )
            made["fisher"] = gr.Dropdown(
                field_info(CalibrationSpec, "fisher")["choices"], **_common(CalibrationSpec, "fisher")
            )
            numbers = ("projections", "seed", "temperature", "max_length")
            for spec, name in ((FIELDS[name], name) for name in numbers):
                made[name] = gr.Number(**_common(spec, name), precision=None if name == "temperature" else 0)
            made["pooling"] = gr.Dropdown(field_info(ModelSpec, "pooling")["choices"], **_common(ModelSpec, "pooling"))
            for name in ("query_prompt", "passage_prompt"):
                made[name] = gr.Textbox(**_common(ModelSpec, name), max_length=2_000)
            for name in ("domain_columns", "general_columns"):
                made[name] = gr.Textbox(**_common(CalibrationSpec, name), max_length=512)
        with gr.Column(elem_classes=["gv-run-actions"]):
            progress = html("", elem_id="gv-progress")
            with gr.Row():
                run = gr.Button("Run", variant="primary", elem_id="gv-run", min_width=110)
                cancel = gr.Button("Cancel", variant="stop", elem_id="gv-cancel", min_width=110, interactive=False)
            estimate = gr.Button("What will it take?", size="sm", elem_id="gv-estimate")
    return Sidebar({name: made[name] for name in FIELDS}, run, cancel, estimate, progress, shown)


def run_from(held: Mapping[str, Any]) -> RunSpec:
    """The run that the controls describe.

    Args:
        held: the value of every control, by its field.

    Raises:
        GapruneError: a value is out of bounds.
    """
    read: dict[type[Spec], dict[str, Any]] = {ModelSpec: {}, CalibrationSpec: {}}
    for name, spec in FIELDS.items():
        value = held[name]
        # An empty field means the default; `None` where the default is nothing.
        if value is None or value == "":
            continue
        read[spec][name] = value
    return RunSpec(model=ModelSpec.parse(read[ModelSpec]), calibration=CalibrationSpec.parse(read[CalibrationSpec]))


def _common(spec: type[Spec], name: str) -> dict[str, Any]:
    info = field_info(spec, name)
    default = info["default"]
    return {
        "value": getattr(default, "value", default),
        "label": info["label"],
        "info": info["help"].replace("`", ""),
        "elem_id": f"gv-{name.replace('_', '-')}",
    }
