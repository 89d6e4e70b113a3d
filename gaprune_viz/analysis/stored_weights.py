"""The weights of an analysed model, read from its files: what needs no forward pass loads no model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.files.checkpoint_kinds import ADAPTER, folder_look, kind_of
from gaprune_viz.models.sources import name_and_revision, resolve_source, weight_hash


def stored_weights(statistics: Statistics) -> Callable[[str], Tensor] | None:
    """A function that gives the weight of a name, float32 [out, in]; None where only the loaded model can tell.

    That is so for a model of the Hub, for an adapter, and where the files keep a matrix under another name or in
    another layout than the model does.

    Raises:
        GapruneError: the model is gone, or its weights are no longer those that were analysed.
    """
    spec = statistics.run.model
    source, label = resolve_source(*name_and_revision(spec))
    if not isinstance(source, Path) or kind_of(folder_look(source), label) == ADAPTER:
        return None
    if weight_hash(source, None) != statistics.document["model"]["weight_hash"]:
        raise GapruneError(
            f"The weights of {label} have changed since the analysis was made.", "Run the analysis again."
        )
    places = _places(source, statistics)
    if places is None:
        return None
    dtype = getattr(torch, spec.dtype.value)

    def weight(name: str) -> Tensor:
        from safetensors import safe_open

        path, key = places[name]
        with safe_open(str(path), framework="pt") as file:
            return file.get_tensor(key).to(dtype).float().contiguous()

    return weight


def _places(folder: Path, statistics: Statistics) -> dict[str, tuple[Path, str]] | None:
    """File and name of each analysed matrix; None unless all are there, each once and as [out, in]."""
    from safetensors import safe_open

    found: dict[str, list[tuple[Path, str]]] = {matrix.name: [] for matrix in statistics.matrices}
    shapes = {matrix.name: [matrix.rows, matrix.columns] for matrix in statistics.matrices}
    for path in sorted(folder.rglob("*.safetensors")):
        if path.name == "mask.safetensors":
            continue
        with safe_open(str(path), framework="pt") as file:
            for key in file.keys():  # noqa: SIM118
                # Whole models put the name of their backbone before: bert.encoder.layer.0...
                name = next((name for name in (key, key.partition(".")[2]) if name in found), None)
                if name is None:
                    continue
                if file.get_slice(key).get_shape() != shapes[name]:
                    return None
                found[name].append((path, key))
    if any(len(places) != 1 for places in found.values()):
        return None
    return {name: places[0] for name, places in found.items()}
