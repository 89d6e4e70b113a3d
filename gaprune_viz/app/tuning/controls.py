"""Between the controls of the tuning bar and the settings: which control is which field, read and written by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from typing import Any

import gradio as gr

from gaprune_viz.config import MaskSpec, RefitSpec, ScoreSpec, Settings, Spec, StructureSpec, digits
from gaprune_viz.config.fields import field_info, field_name
from gaprune_viz.config.presets import PRESETS
from gaprune_viz.criteria.registry import criteria, settled
from gaprune_viz.errors import GapruneError

FIELDS: dict[str, type[Spec]] = {
    "sparsity": MaskSpec,
    "criterion": ScoreSpec,
    "alignment": ScoreSpec,
    "alpha": ScoreSpec,
    "beta": ScoreSpec,
    "gamma": ScoreSpec,
    "fisher_scale": ScoreSpec,
    "fisher_power": ScoreSpec,
    "fisher_estimate": ScoreSpec,
    "allocation": MaskSpec,
    "pattern": MaskSpec,
    "floor": MaskSpec,
    "ceiling": MaskSpec,
    "row_ceiling": MaskSpec,
    "whole_neurons": MaskSpec,
    "refit": RefitSpec,
    "refit_domain_share": RefitSpec,
    "refit_ridge": RefitSpec,
    "structure": StructureSpec,
    "structure_multiple": StructureSpec,
    "structure_evidence": StructureSpec,
    "structure_steps": StructureSpec,
}
"""The settings that have a control, by the names of their flags, each with the spec that holds it."""
HELD: dict[type[Spec], str] = {ScoreSpec: "score", MaskSpec: "mask", RefitSpec: "refit", StructureSpec: "structure"}
"""Where settings keep each spec."""
KNOBS = ("alignment", "alpha", "beta", "gamma", "fisher_scale", "fisher_power", "fisher_estimate")
"""Those that not every criterion reads."""
TYPED = ("structure_multiple", "structure_steps")
"""Whole numbers that are picked from a list, or typed."""
CUSTOM = "custom"


def settings_from(held: Mapping[str, Any]) -> Settings:
    """The settings that the controls hold.

    Args:
        held: the value of every control, by its field.

    Raises:
        GapruneError: a value is out of bounds; browsers may send anything.
    """
    read: dict[type[Spec], dict[str, Any]] = {spec: {} for spec in HELD}
    for name, spec in FIELDS.items():
        read[spec][field_of(name)] = _number(name, held[name])
    return Settings.parse({HELD[spec]: spec.parse(values) for spec, values in read.items()})


def held_by(settings: Settings) -> dict[str, Any]:
    """What the controls show for some settings, by field."""
    return {name: shown(name, getattr(getattr(settings, HELD[spec]), field_of(name))) for name, spec in FIELDS.items()}


def field_of(name: str) -> str:
    """The field of its spec that a control is of: flags of a refit and of a structure begin with that word."""
    return field_name(name, HELD[FIELDS[name]])


def info_of(name: str) -> dict[str, Any]:
    """Label, help, bounds, step and default of a control."""
    return field_info(FIELDS[name], field_of(name))


def preset_of(settings: Settings) -> str:
    """The preset that equals the settings, or `custom`."""
    wanted = settled(settings)
    return next((p.name for p in PRESETS.values() if settled(p.settings) == wanted), CUSTOM)


def settings_line(settings: Settings) -> str:
    """What the settings are, in one line of HTML: the preset's sentence, or what differs from the nearest preset."""
    name = preset_of(settings)
    if name != CUSTOM:
        text = f"<b>{escape(PRESETS[name].label)}.</b> {escape(PRESETS[name].sentence)}"
    else:
        base, changes = nearest_preset(settings)
        text = f"<b>Your own settings.</b> As {escape(PRESETS[base].label)}, but {escape(listed(changes))}."
    return f'<p class="gv-settings-line">{text}{escape(beta_note(settings))}</p>'


def beta_note(settings: Settings) -> str:
    """What the sign of β does, in one sentence; empty where β has no part in the score."""
    score = settings.score
    known = criteria().get(score.criterion)
    if known is None or "beta" not in known.knobs or score.beta == 0:
        return ""
    if score.beta > 0:
        return f" β {score.beta:g} subtracts what general text needs: weights that both sides need go sooner."
    return f" β {score.beta:g} adds what general text needs: weights that either side needs stay."


def listed(changes: Mapping[str, Any]) -> str:
    """Settings and their values in words."""
    words = {True: "on", False: "off"}
    return ", ".join(
        f"{info_of(name)['label']} {words[value] if isinstance(value, bool) else value}"
        for name, value in changes.items()
    )


def nearest_preset(settings: Settings, among: Sequence[str] = tuple(PRESETS)) -> tuple[str, dict[str, Any]]:
    """The preset from which the least differs, and what does: values by field."""
    mine = held_by(settings)
    found = {
        name: {field: value for field, value in mine.items() if value != usual[field]}
        for name, usual in _presets_held().items()
        if name in among
    }
    name = min(found, key=lambda key: len(found[key]))
    return name, found[name]


@cache
def _presets_held() -> dict[str, dict[str, Any]]:
    return {name: held_by(preset.settings) for name, preset in PRESETS.items()}


def knob_updates(criterion_name: str) -> dict[str, Any]:
    """Grey out the knobs that a criterion does not read, by field; nothing for what is no criterion."""
    known = criteria().get(criterion_name)
    return {} if known is None else {name: gr.update(interactive=name in known.knobs) for name in KNOBS}


def shown(name: str, value: Any) -> Any:
    """What the control of a field shows for a value."""
    if name == "fisher_power":
        return str(float(value))
    if name in TYPED:
        return str(value)
    if name == "fisher_scale" and value != "auto":
        return digits(value)
    return getattr(value, "value", value)


def _number(name: str, value: Any) -> Any:
    if (name == "fisher_scale" and value != "auto") or name == "fisher_power":
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            raise GapruneError(
                f"{str(value)[:40]!r} is not a number.", "Fisher scale is a number or `auto`."
            ) from error
    return value
