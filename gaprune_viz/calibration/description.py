"""What an analysis says of itself: every part that somebody reads is there, and of its kind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gaprune_viz.config import MOST_SOURCES, SIDES
from gaprune_viz.models.roles import ROLES

NO_LABELS = "plain texts have no labels"
ALIGNMENT_OFF = f"{NO_LABELS}, so there are no gradients, and alignment is off."
_SIDE = {"name": str, "samples": int}
_SHAPE: dict[str, Any] = {
    "key": str,
    "model": {"label": str, "weight_hash": str, "parameters": int},
    "data": {"domain": _SIDE, "general": _SIDE},
    "medians": {"sqrt_theta": float, "fisher_theta_1.0": float, "fisher_theta_0.5": float},
    "matrices": list,
    "notes": list,
    "versions": dict,
    "seconds": float,
}
_MATRIX = {"name": str, "layer": int, "role": str, "scope": str, "rows": int, "columns": int}
_SOURCE = {"name": str, "side": str, "weight": float, "samples": int, "mass": float}
# Numbers by name that earlier versions did not write, with those that always are among them.
_LATER = {"scales": {"mass_domain", "mass_general"}}
# Far above any model; beyond it, numbers no longer fit where they are computed with.
_LARGEST = 2**53


def check_described(document: Any) -> None:
    """Check a description.

    Raises:
        ValueError: naming the part that is missing or of another kind.
    """
    _check(document, _SHAPE, "")
    for side, found in document["data"].items():
        if gradients_of(document).get(side, True):
            _check(found, {"mean_loss": float}, f"data.{side}.")
        if "queries" in found:
            _check(found, {"queries": int}, f"data.{side}.")
        if independent(found) < 1:
            raise ValueError(f"data.{side} has no samples")
    if (effective := document.get("effective_samples")) is not None:
        _check(effective, {"domain": float, "general": float}, "effective_samples.")
    if (compact := document.get("compact")) is not None:
        _check(compact, {"largest_difference": float}, "compact.")
    if "sources" in document:
        _check_sources(document["sources"])
    names = set()
    for number, row in enumerate(document["matrices"]):
        _check(row, _MATRIX, f"matrices.{number}.")
        if row["role"] not in ROLES or row["rows"] < 1 or row["columns"] < 1:
            raise ValueError(f"matrices.{number} is no weight matrix")
        names.add(row["name"])
    if not names or len(names) < len(document["matrices"]):
        raise ValueError("matrices is empty, or names one twice")
    for name, of_version in _LATER.items():
        found = document.get(name, {})
        if not isinstance(found, dict) or not all(_is(value, float) for value in found.values()):
            raise ValueError(f"{name} is of another kind")
        if found and not of_version <= found.keys():
            raise ValueError(f"{name} lacks {', '.join(sorted(of_version - found.keys()))}")
    _check_prompts(document["model"])
    if not all(isinstance(note, str) for note in document["notes"]):
        raise ValueError("notes holds something that is no text")


def _check_prompts(model: Mapping[str, Any]) -> None:
    """Check what is said of prompts, where anything is.

    Raises:
        ValueError: a prompt, or who said it, is no text.
    """
    prompts = [model.get(name, "") for name in ("query_prompt", "passage_prompt")]
    sources = model.get("prompts_from", {})
    if not isinstance(sources, dict) or not all(isinstance(text, str) for text in (*prompts, *sources.values())):
        raise ValueError("model.prompts_from, or a prompt, is of another kind")


def _check_sources(sources: Any) -> None:
    """Check what is said of several sources.

    Raises:
        ValueError: naming what is missing or of another kind.
    """
    if not isinstance(sources, list) or not len(SIDES) < len(sources) <= MOST_SOURCES:
        raise ValueError("sources is no list of several")
    for number, source in enumerate(sources):
        _check(source, _SOURCE, f"sources.{number}.")
        if source.get("mean_loss") is not None:
            _check(source, {"mean_loss": float}, f"sources.{number}.")
        if source["side"] not in SIDES or not source["weight"] > 0 or independent(source) < 1:
            raise ValueError(f"sources.{number} is no source")
    if {source["side"] for source in sources} != set(SIDES) or len({s["name"] for s in sources}) < len(sources):
        raise ValueError("sources lacks a side, or names one twice")


def independent(side: Mapping[str, Any]) -> float:
    """How many independent samples a side has: those of one query count as one. Earlier versions did not count them."""
    return float(side.get("queries", side["samples"]))


def resting_on(document: Mapping[str, Any], side: str) -> float:
    """On how many independent samples the Fisher information of a side rests.

    Of several sources it is Kish's number, 1 / sum(w_s^2 / n_s): a source that weighs next to nothing adds next to
    nothing. One that carries nothing is left out.
    """
    sources = [one for one in document.get("sources", ()) if one["side"] == side and one.get("mass") != 0]
    if not sources:
        return independent(document["data"][side])
    return 1 / sum(one["weight"] ** 2 / independent(one) for one in sources)


def gradients_of(document: Mapping[str, Any]) -> dict[str, bool]:
    """Of each side whether it has mean gradients; plain texts have none, and analyses of before knew no plain texts.

    Raises:
        ValueError: the part is of another kind.
    """
    found = document.get("gradients", {"domain": True, "general": True})
    _check(found, {"domain": bool, "general": bool}, "gradients.")
    return found


def _check(found: Any, shape: Mapping[str, Any], place: str) -> None:
    for name, kind in shape.items():
        value = found.get(name) if isinstance(found, dict) else None
        if isinstance(kind, Mapping):
            _check(value, kind, f"{place}{name}.")
        elif not _is(value, kind):
            raise ValueError(f"{place}{name} is missing or of another kind")


def _is(value: Any, kind: type) -> bool:
    """Whether a value of JSON is of a kind; a number has to be finite, and not negative."""
    if kind in (int, float):
        whole = isinstance(value, int) and not isinstance(value, bool)
        return (whole or (kind is float and isinstance(value, float) and math.isfinite(value))) and (
            0 <= value <= _LARGEST
        )
    return isinstance(value, kind)
