"""Reads the specs' fields for the page: labels, help, bounds, steps, choices."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from gaprune_viz.config import Spec


def flag_name(field: str, prefix: str = "") -> str:
    """The flag of a field of a spec whose flags begin with a word; a field of that very name is not told twice."""
    return f"{prefix}_{field}" if prefix and prefix != field else field


def field_name(flag: str, prefix: str) -> str:
    """The field that such a flag is of."""
    return flag.removeprefix(f"{prefix}_")


def field_info(spec: type[Spec], field: str) -> dict[str, Any]:
    """Label, help, unit, step, choices, minimum, maximum and default of one field."""
    info = spec.model_fields[field]
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    bounds = {type(item).__name__: item for item in info.metadata}
    maximum = getattr(bounds.get("Le"), "le", None)
    choices = extra.get("choices")
    if choices is None and isinstance(info.annotation, type) and issubclass(info.annotation, StrEnum):
        choices = [member.value for member in info.annotation]
    return {
        "label": extra.get("label", field.replace("_", " ")),
        "help": info.description or "",
        "unit": extra.get("unit", ""),
        "step": extra.get("step"),
        "choices": choices,
        "minimum": getattr(bounds.get("Ge"), "ge", getattr(bounds.get("Gt"), "gt", None)),
        "maximum": maximum,
        "ui_maximum": extra.get("ui_maximum", maximum),
        "default": info.default,
    }
