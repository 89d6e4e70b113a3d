"""What is found out of a model once and kept in the workspace: what could be cut of it, and how its time falls then.

Both are small, belong to the weights, and are computed anew where the file is gone or damaged.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TypeVar

import torch

from gaprune_viz.config import ModelSpec, Spec, Structure
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.timing.latency_curve import Curve
from gaprune_viz.experiments.cells import content_key
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.pruning.structured.outline import Outline, outline_of
from gaprune_viz.storage.workspace import workspace, write_whole

S = TypeVar("S", bound=Spec)
# 1: counts and refusals of structures; times of four workloads.
FORMAT = 1
FOLDER = "structures"


def kept_outline(weights: str, spec: ModelSpec) -> Outline | None:
    """What could be cut of a model, where it was counted with its weights.

    Args:
        weights: their hash.
    """
    return _read(_place("outline", weights, spec, ""), Outline)


def outline_for(model: EmbeddingModel) -> Outline:
    """The same, counted and kept where it was not."""
    place = _place("outline", model.weight_hash, model.spec, "")
    found = _read(place, Outline)
    if found is None:
        found = outline_of(model)
        _write(place, found)
    return found


def curve_of(weights: str, spec: ModelSpec, structure: Structure) -> Curve | None:
    """How a model's time falls on this machine, where it was measured."""
    found = _read(_place("time", weights, spec, structure.value), Curve)
    return found if found is not None and found.structure is structure else None


def keep_curve(weights: str, spec: ModelSpec, curve: Curve) -> None:
    """Keep a measured curve; a workspace that is full or not ours makes this vain, nothing else."""
    _write(_place("time", weights, spec, curve.structure.value), curve)


def _place(kind: str, weights: str, spec: ModelSpec, structure: str) -> Path | None:
    """The file, by all that determines what is in it; None where there is no workspace."""
    content = {"kind": kind, "format": FORMAT, "weights": weights, "dtype": spec.dtype.value}
    if kind == "time":
        machine = {"machine": platform.node(), "torch": torch.__version__, "device": spec.device}
        content |= {"structure": structure, "max_length": spec.max_length, **machine}
    try:
        return workspace() / FOLDER / f"{kind}-{content_key(content)}.json"
    except GapruneError:
        return None


def _read(place: Path | None, kind: type[S]) -> S | None:
    try:
        return None if place is None else kind.model_validate_json(place.read_bytes())
    except (OSError, ValueError):
        return None


def _write(place: Path | None, found: Spec) -> None:
    if place is None:
        return
    try:
        place.parent.mkdir(exist_ok=True)
        write_whole(place, found.model_dump_json() + "\n")
    except (OSError, GapruneError):
        # Nothing is lost but the time to find it out again.
        return
