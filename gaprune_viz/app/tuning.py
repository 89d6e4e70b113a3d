"""The tuning bar: one control for each field of the settings, read from and written to by one list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import Any

import gradio as gr

from gaprune_viz.app.elements import html
from gaprune_viz.config import MaskSpec, ScoreSpec, Settings, Spec
from gaprune_viz.core.scoring import criteria
from gaprune_viz.errors import GapruneError
from gaprune_viz.fields import field_info
from gaprune_viz.presets import PRESETS, Preset

FIELDS: tuple[tuple[type[Spec], str], ...] = (
    (MaskSpec, "sparsity"),
    (ScoreSpec, "criterion"),
    (ScoreSpec, "alignment"),
    (ScoreSpec, "alpha"),
    (ScoreSpec, "beta"),
    (ScoreSpec, "gamma"),
    (ScoreSpec, "fisher_scale"),
    (ScoreSpec, "fisher_power"),
    (MaskSpec, "allocation"),
    (MaskSpec, "pattern"),
    (MaskSpec, "floor"),
    (MaskSpec, "ceiling"),
)
KAPPA_CHOICES = ("1", "auto", "10", "100", "1000", "10000", "100000")
CUSTOM = "custom"
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
    """The controls, in the order of FIELDS, and the two that set them all."""

    controls: tuple[Any, ...]
    preset: gr.Dropdown
    pin: gr.Button
    reset: gr.Button

    @property
    def sliders(self) -> list[gr.Slider]:
        return [c for c in self.controls if isinstance(c, gr.Slider)]


def build_tuning(saved: Sequence[Preset] = ()) -> TuningBar:
    """Lay the bar out: what is moved most is in sight, the rest one click away.

    Args:
        saved: presets of a person's own, listed after those that are built in.
    """
    made: dict[str, Any] = {}
    with gr.Group(elem_classes=["gv-tuning"], elem_id="gv-tuning"):
        with gr.Row(elem_classes=["gv-tuning-row"]):
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
            made["criterion"] = _choice(ScoreSpec, "criterion", every, min_width=150, scale=2)
            made["sparsity"] = _slider(MaskSpec, "sparsity", scale=3)
            made["alpha"] = _slider(ScoreSpec, "alpha", scale=3)
            html(_STEPS, elem_classes=["gv-steps"], min_width=84)
        with gr.Row(elem_classes=["gv-tuning-row"]):
            made["alignment"] = _choice(ScoreSpec, "alignment", min_width=150, scale=2)
            made["allocation"] = _choice(MaskSpec, "allocation", min_width=110, scale=2)
            for name in ("beta", "gamma"):
                made[name] = _slider(ScoreSpec, name, scale=3)
            made["fisher_scale"] = _choice(
                ScoreSpec, "fisher_scale", list(KAPPA_CHOICES), custom=True, min_width=110, scale=2
            )
            with gr.Column(min_width=84, scale=0, elem_classes=["gv-tools"]):
                pin = gr.Button("Pin", size="sm", min_width=84, elem_id="gv-pin")
                reset = gr.Button("Reset", size="sm", min_width=84, elem_id="gv-reset")
        with gr.Accordion("More: power p, pattern, floor, ceiling, and what everything means", open=False):
            with gr.Row(elem_classes=["gv-tuning-row"]):
                made["fisher_power"] = _choice(ScoreSpec, "fisher_power", [("1", "1.0"), ("0.5", "0.5")])
                made["pattern"] = _choice(MaskSpec, "pattern", field_info(MaskSpec, "pattern")["choices"], custom=True)
                for name in ("floor", "ceiling"):
                    made[name] = _slider(MaskSpec, name)
            html(_help_html())
    return TuningBar(tuple(made[name] for _, name in FIELDS), chosen, pin, reset)


def settings_from(values: Sequence[Any]) -> Settings:
    """The settings that the controls hold.

    Raises:
        GapruneError: a value is out of bounds; browsers may send anything.
    """
    read: dict[type[Spec], dict[str, Any]] = {ScoreSpec: {}, MaskSpec: {}}
    for (spec, name), value in zip(FIELDS, values, strict=True):
        read[spec][name] = _number(name, value)
    return Settings(score=ScoreSpec.parse(read[ScoreSpec]), mask=MaskSpec.parse(read[MaskSpec]))


def values_of(settings: Settings) -> list[Any]:
    """What the controls show for some settings."""
    holders = {ScoreSpec: settings.score, MaskSpec: settings.mask}
    return [_shown(name, getattr(holders[spec], name)) for spec, name in FIELDS]


def preset_of(settings: Settings) -> str:
    """The preset that equals the settings, or `custom`."""
    return next((p.name for p in PRESETS.values() if p.settings == settings), CUSTOM)


def settings_line(settings: Settings) -> str:
    """What the settings are, in one line of HTML: the preset's sentence, or what differs from the nearest preset."""
    name = preset_of(settings)
    if name != CUSTOM:
        text = f"<b>{escape(PRESETS[name].label)}.</b> {escape(PRESETS[name].sentence)}"
    else:
        base, changes = nearest_preset(settings)
        listed = ", ".join(f"{field_info(spec, field)['label']} {value}" for spec, field, value in changes)
        text = f"<b>Your own settings.</b> As {escape(PRESETS[base].label)}, but {escape(listed)}."
    return f'<p class="gv-settings-line">{text}</p>'


def nearest_preset(
    settings: Settings, among: Sequence[str] = tuple(PRESETS)
) -> tuple[str, list[tuple[type[Spec], str, Any]]]:
    """The preset from which the least differs, and what does: spec, field, value."""
    mine = values_of(settings)
    found = {
        name: [(*field, value) for field, value, usual in zip(FIELDS, mine, values, strict=True) if value != usual]
        for name, values in _preset_values().items()
        if name in among
    }
    name = min(found, key=lambda key: len(found[key]))
    return name, found[name]


@cache
def _preset_values() -> dict[str, list[Any]]:
    return {name: values_of(preset.settings) for name, preset in PRESETS.items()}


def interactive_updates(criterion_name: str) -> list[Any]:
    """Grey out the knobs that a criterion does not read; everything else stays."""
    uses = criteria()[criterion_name].uses
    knobs = ("alignment", "alpha", "beta", "gamma", "fisher_scale", "fisher_power")
    return [
        gr.update(interactive=name in uses) if spec is ScoreSpec and name in knobs else gr.skip()
        for spec, name in FIELDS
    ]


def _help_html() -> str:
    """What every control does, from the specs; and what the presets are."""
    rows = [(field_info(spec, name)["label"], field_info(spec, name)["help"]) for spec, name in FIELDS]
    rows += [(f"Preset {p.label}", p.sentence) for p in PRESETS.values()]
    return "<dl class='gv-help'>" + "".join(f"<dt>{escape(a)}</dt><dd>{escape(b)}</dd>" for a, b in rows) + "</dl>"


def _number(name: str, value: Any) -> Any:
    if (name == "fisher_scale" and value != "auto") or name == "fisher_power":
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            raise GapruneError(
                f"{str(value)[:40]!r} is not a number.", "Fisher scale is a number or `auto`."
            ) from error
    return value


def _shown(name: str, value: Any) -> Any:
    if name == "fisher_power":
        return str(float(value))
    if name == "fisher_scale" and value != "auto":
        return f"{float(value):g}"
    return getattr(value, "value", value)


def _slider(spec: type[Spec], name: str, scale: int = 2) -> gr.Slider:
    info = field_info(spec, name)
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


def _choice(
    spec: type[Spec], name: str, choices: Any = None, *, custom: bool = False, min_width: int = 140, scale: int = 1
) -> gr.Dropdown:
    info = field_info(spec, name)
    return gr.Dropdown(
        choices or info["choices"],
        value=_shown(name, info["default"]),
        label=info["label"],
        allow_custom_value=custom,
        elem_id=f"gv-{name.replace('_', '-')}",
        min_width=min_width,
        scale=scale,
    )
