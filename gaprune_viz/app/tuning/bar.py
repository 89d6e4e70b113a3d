"""The tuning bar as it is laid out: what is moved most is in sight, the rest one click away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from gaprune_viz.app.tuning.autoplay import play_html
from gaprune_viz.app.tuning.controls import CUSTOM, FIELDS, held_by, info_of, settings_from, shown
from gaprune_viz.app.widgets.elements import html
from gaprune_viz.app.widgets.events import Changes, Values
from gaprune_viz.config import Settings
from gaprune_viz.config.autoplay import PLAY_HELP
from gaprune_viz.config.presets import PRESETS, Preset
from gaprune_viz.criteria.registry import criteria

KAPPA_CHOICES = ("1", "auto", "10", "100", "1000", "10000", "100000")
MULTIPLES = ("1", "8", "16", "32", "64", "128")
STEPS = ("0", "30", "100", "300")
# Undo and redo live in the browser (assets/js/page/address.js).
_STEPS = (
    '<div class="gv-step-pair" role="group" aria-label="Steps">'
    '<button type="button" class="gv-step" id="gv-undo" data-gv="undo" aria-disabled="true" aria-label="Undo" '
    'title="Undo (Ctrl+Z)"><span aria-hidden="true">↶</span></button>'
    '<button type="button" class="gv-step" id="gv-redo" data-gv="redo" aria-disabled="true" aria-label="Redo" '
    'title="Redo (Ctrl+Shift+Z)"><span aria-hidden="true">↷</span></button></div>'
)


@dataclass(frozen=True)
class TuningBar:
    """The controls by field, and the two that set them all."""

    controls: dict[str, Any]
    preset: gr.Dropdown
    pin: gr.Button
    reset: gr.Button

    @property
    def all(self) -> list[Any]:
        """Every control."""
        return list(self.controls.values())

    @property
    def sliders(self) -> list[gr.Slider]:
        return [c for c in self.all if isinstance(c, gr.Slider)]

    def settings(self, values: Values) -> Settings:
        """The settings that the page holds.

        Raises:
            GapruneError: a value is out of bounds.
        """
        return settings_from({name: values[control] for name, control in self.controls.items()})

    def set(self, settings: Settings) -> Changes:
        """Every control at these settings."""
        return self.changes(held_by(settings))

    def changes(self, by_field: Mapping[str, Any]) -> Changes:
        """Some controls, by their fields."""
        return {self.controls[name]: value for name, value in by_field.items()}


def build_tuning(saved: Sequence[Preset] = ()) -> TuningBar:
    """Lay the bar out: what is moved most is in sight, the rest one click away.

    Args:
        saved: presets of a person's own, listed after those that are built in.
    """
    made: dict[str, Any] = {}
    with gr.Group(elem_classes=["gv-tuning"], elem_id="gv-tuning"):
        with gr.Row(elem_classes=["gv-tuning-row"]):
            # First, so that it is in sight on a phone too.
            html(play_html(), elem_classes=["gv-steps", "gv-plays"], min_width=84)
            presets = [(p.label, p.name) for p in (*PRESETS.values(), *saved)]
            chosen = gr.Dropdown(
                [*presets, ("Custom", CUSTOM)],
                value="paper",
                label="Preset",
                elem_id="gv-preset",
                min_width=150,
                scale=2,
            )
            every = [(c.label, c.name) for c in criteria().values()]
            made["criterion"] = _choice("criterion", every, min_width=150, scale=2)
            made["sparsity"] = _slider("sparsity", scale=3)
            made["alpha"] = _slider("alpha", scale=3)
            html(_STEPS, elem_classes=["gv-steps"], min_width=84)
        with gr.Row(elem_classes=["gv-tuning-row"]):
            made["alignment"] = _choice("alignment", min_width=150, scale=2)
            made["allocation"] = _choice("allocation", min_width=110, scale=2)
            for name in ("beta", "gamma"):
                made[name] = _slider(name, scale=3)
            made["fisher_scale"] = _choice("fisher_scale", list(KAPPA_CHOICES), custom=True, min_width=110, scale=2)
            made["structure"] = _choice("structure", min_width=110, scale=2)
            made["refit"] = _checkbox("refit", min_width=90)
            with gr.Column(min_width=84, scale=0, elem_classes=["gv-tools"]):
                pin = gr.Button("Pin", size="sm", min_width=84, elem_id="gv-pin")
                reset = gr.Button("Reset", size="sm", min_width=84, elem_id="gv-reset")
        with gr.Accordion(
            "More: power p, Fisher estimate, pattern, floor, ceilings, whole neurons, refit, structures, and what "
            "everything means",
            open=False,
        ):
            with gr.Row(elem_classes=["gv-tuning-row"]):
                made["fisher_power"] = _choice("fisher_power", [("1", "1.0"), ("0.5", "0.5")])
                made["fisher_estimate"] = _choice("fisher_estimate")
                made["pattern"] = _choice("pattern", custom=True, min_width=170)
                made["whole_neurons"] = _checkbox("whole_neurons")
            with gr.Row(elem_classes=["gv-tuning-row"]):
                for name in ("floor", "ceiling", "row_ceiling", "refit_domain_share", "refit_ridge"):
                    made[name] = _slider(name)
            with gr.Row(elem_classes=["gv-tuning-row"]):
                made["structure_multiple"] = _choice("structure_multiple", list(MULTIPLES), custom=True)
                made["structure_evidence"] = _choice("structure_evidence")
                made["structure_steps"] = _choice("structure_steps", list(STEPS), custom=True)
            html(_help_html())
    return TuningBar({name: made[name] for name in FIELDS}, chosen, pin, reset)


def _help_html() -> str:
    """What every control does, from the specs; and what the presets are."""
    rows = [(info_of(name)["label"], info_of(name)["help"]) for name in FIELDS]
    rows.append(("Play", PLAY_HELP))
    rows += [(f"Preset {p.label}", p.sentence) for p in PRESETS.values()]
    return "<dl class='gv-help'>" + "".join(f"<dt>{escape(a)}</dt><dd>{escape(b)}</dd>" for a, b in rows) + "</dl>"


def _slider(name: str, scale: int = 2) -> gr.Slider:
    info = info_of(name)
    return gr.Slider(
        info["minimum"],
        info["maximum"],
        value=info["default"],
        step=info["step"],
        label=info["label"],
        elem_id=f"gv-{name.replace('_', '-')}",
        min_width=150,
        scale=scale,
        buttons=[],
    )


def _checkbox(name: str, min_width: int = 150) -> gr.Checkbox:
    info = info_of(name)
    return gr.Checkbox(
        info["default"], label=info["label"], elem_id=f"gv-{name.replace('_', '-')}", min_width=min_width, scale=1
    )


def _choice(
    name: str, choices: Any = None, *, custom: bool = False, min_width: int = 140, scale: int = 1
) -> gr.Dropdown:
    info = info_of(name)
    return gr.Dropdown(
        choices or info["choices"],
        value=shown(name, info["default"]),
        label=info["label"],
        allow_custom_value=custom,
        elem_id=f"gv-{name.replace('_', '-')}",
        min_width=min_width,
        scale=scale,
    )
