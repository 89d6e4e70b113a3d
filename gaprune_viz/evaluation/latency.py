"""How fast and how large a pruned model is on this machine, beside its dense origin; and what would change that."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from gaprune_viz.config import ModelSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.comparison import load_pair
from gaprune_viz.evaluation.timing.workloads import in_turn, milliseconds, starter_texts
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import inventory
from gaprune_viz.pruning.model_folder import weight_bytes
from gaprune_viz.pruning.structured.silent_neurons import removable, shrink

TEXTS = 32
ROUNDS = 5
NO_GAIN = (
    "An unstructured mask makes a model neither smaller nor faster: zeros are stored and multiplied like all other "
    "numbers."
)


def measure_speed(
    folder: Path,
    texts: Sequence[str],
    *,
    rounds: int = ROUNDS,
    shrunk: Path | None = None,
    tick: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Latency and file size of a pruned export beside the dense model, in turn, in one process.

    Args:
        folder: of the export.
        texts: what is encoded in each round.
        shrunk: where to keep the model without its silent neurons; None to measure it and throw it away.
        tick: called with (encodings done, of how many) before each; what it raises ends the measurement.

    Returns:
        plain values: `dense`, `pruned` and, where whole neurons can go, `shrunk`, each with `seconds` (median of the
        rounds) and `bytes` of its weights; `largest_difference` of the shrunk model's embeddings; `sentences`; of a
        model without some of its structures also `milliseconds` a text by model and workload.

    Raises:
        GapruneError: the folder is no export, or its dense origin is gone.
    """
    pair = load_pair(folder)
    models = {"dense": pair.dense, "pruned": pair.pruned}
    sizes = {name: weight_bytes(Path(model.source)) for name, model in models.items()}
    neurons, reason = _spare(pair.pruned)
    difference = None
    if neurons:
        with tempfile.TemporaryDirectory() as temporary:
            place = shrunk or Path(temporary) / "shrunk"
            models["shrunk"] = write_shrunk(pair.pruned, place)
            sizes["shrunk"] = weight_bytes(place)
            difference = float(abs(models["shrunk"].encode(texts) - pair.pruned.encode(texts)).max())
    structure = pair.document.get("structure")
    loads = None
    if structure:
        loads = milliseconds({name: model.st for name, model in models.items()}, starter_texts(), rounds, tick)
    times = in_turn({name: (lambda model=model: model.encode(texts)) for name, model in models.items()}, rounds, tick)
    found: dict[str, Any] = {name: {"seconds": times[name], "bytes": sizes[name]} for name in models}
    pattern = str(pair.document["settings"]["mask"]["pattern"])
    return {
        **found,
        **({"milliseconds": loads} if loads else {}),
        "texts": len(texts),
        "neurons_per_layer": neurons,
        "largest_difference": difference,
        "sentences": _of_structure(found, structure) if structure else _sentences(found, neurons, reason, pattern),
    }


def _of_structure(found: dict[str, Any], structure: dict[str, Any]) -> list[str]:
    faster = found["dense"]["seconds"] / found["pruned"]["seconds"]
    smaller = 1 - found["pruned"]["bytes"] / found["dense"]["bytes"]
    return [
        f"{structure['after']} of {structure['before']} {structure['structure']} stayed: {faster:.2f} times as fast as "
        f"the dense model here, files {smaller:.1%} smaller."
    ]


def _spare(model: EmbeddingModel) -> tuple[int, str]:
    """Neurons that each layer can lose, and why none can be told where that is so."""
    try:
        return removable(inventory(model).targets), ""
    except GapruneError as error:
        return 0, error.message


def write_shrunk(model: EmbeddingModel, place: Path) -> EmbeddingModel:
    """Write a model without its silent neurons and load it again, as anyone would."""
    spec = ModelSpec(
        model=model.source,
        device=str(model.device),
        dtype=model.spec.dtype,
        query_prompt=model.query_prompt,
        passage_prompt=model.passage_prompt,
        max_length=model.max_length,
    )
    smaller = load_model(spec)
    shrink(smaller, inventory(smaller).targets)
    smaller.st.save_pretrained(str(place), create_model_card=False, safe_serialization=True)
    return load_model(spec.with_(model=str(place)))


def _sentences(found: dict[str, Any], neurons: int, reason: str, pattern: str) -> list[str]:
    lines = [NO_GAIN if pattern == "unstructured" else f"The mask keeps {pattern}."]
    if pattern == "2:4":
        able = torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0)
        lines.append(
            "This GPU has instructions for 2:4 in half precision (torch.sparse.to_sparse_semi_structured); "
            "what they gain was not measured here."
            if able
            else "Only NVIDIA GPUs from Ampere on gain from 2:4, in half precision; there is none here."
        )
    elif pattern == "unstructured":
        lines.append("A 2:4 pattern is faster on NVIDIA GPUs from Ampere on; whole neurons are faster everywhere.")
    if neurons:
        faster = found["pruned"]["seconds"] / found["shrunk"]["seconds"]
        smaller = 1 - found["shrunk"]["bytes"] / found["pruned"]["bytes"]
        lines.append(
            f"{neurons} neurons of every layer are silent and can be taken out: {faster:.2f} times as fast here, files "
            f"{smaller:.1%} smaller, the same embeddings."
        )
    else:
        lines.append(reason or "No layer-wide set of neurons is silent here, so none can be taken out whole.")
    return lines
