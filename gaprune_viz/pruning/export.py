"""A pruned model as a folder: sentence-transformers' own files, the mask, the specs and a model card."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gaprune_viz.analysis.exact_scores import exact_scope, load_dense
from gaprune_viz.calibration.progress import Progress, drain
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import Settings
from gaprune_viz.criteria.registry import settled
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.applying import census, masked
from gaprune_viz.pruning.mask_and_refit import pruned
from gaprune_viz.pruning.model_card import model_card
from gaprune_viz.pruning.model_folder import MASK_FILE, RESULT_FILE, save_model, write_words
from gaprune_viz.pruning.packing import pack
from gaprune_viz.pruning.refit.from_analysis import refit_document, update_document
from gaprune_viz.pruning.structured.exporting import cutting
from gaprune_viz.storage.json_files import stored_json
from gaprune_viz.storage.workspace import whole_folder
from gaprune_viz.versions import versions

__all__ = ["MASK_FILE", "RESULT_FILE", "export", "is_structured", "prune", "pruning", "read_masks"]


def export(
    folder: Path,
    model: EmbeddingModel,
    targets: Sequence[Target],
    masks: Mapping[str, Tensor],
    document: dict[str, Any],
    card: str,
    weights: Mapping[str, Tensor] | None = None,
) -> None:
    """Write a sentence-transformers folder with the mask, the specs and a model card.

    Args:
        folder: an empty folder.
        document: what goes into `gaprune.json`.
        card: the text of `README.md`.
        weights: of a refit, [out, in] by target name, 0 where the mask is; None for those of the model.
    """
    from safetensors.torch import save_file

    with masked(model, targets, masks, weights):
        save_model(folder, model)
    if "structure" not in document:
        save_file({name: mask.to(torch.bool).contiguous() for name, mask in masks.items()}, folder / MASK_FILE)
    write_words(folder, document, card)


def read_masks(folder: Path) -> dict[str, Tensor]:
    """The masks of a pruned export, bool [out, in] by name; none where whole structures were taken out.

    Raises:
        GapruneError: the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if is_structured(folder):
        return {}
    try:
        masks = load_file(folder / MASK_FILE)
    except (OSError, SafetensorError) as error:
        raise GapruneError(f"{folder / MASK_FILE} cannot be read: {error}.", "Prune the model again.") from error
    if any(mask.dtype != torch.bool or mask.ndim != 2 for mask in masks.values()):
        raise GapruneError(f"{folder / MASK_FILE} does not hold masks.", "Prune the model again.")
    return masks


def is_structured(folder: Path) -> bool:
    """Whether an export is one without some of its structures: it is smaller, and has no masks."""
    try:
        document = stored_json(folder / RESULT_FILE)
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and "structure" in document


def prune(
    analysis: Path,
    settings: Settings,
    out: Path,
    *,
    model: EmbeddingModel | None = None,
    packed: bool = False,
) -> dict[str, Any]:
    """Make the exact mask of some settings and export the pruned model, as `pruning` does, without telling how far."""
    return drain(pruning(analysis, settings, out, model=model, packed=packed))


def pruning(
    analysis: Path,
    settings: Settings,
    out: Path,
    *,
    model: EmbeddingModel | None = None,
    packed: bool = False,
) -> Generator[Progress, None, dict[str, Any]]:
    """Make the exact mask of some settings, refit what it keeps where they ask for it, and export the model; or take
    out whole structures, where the settings name some.

    Closing the generator leaves an earlier export as it was.

    Args:
        analysis: folder of a finished analysis.
        out: folder of the pruned model; an earlier export there is replaced.
        model: the dense model, where it is loaded already.
        packed: whether zeros take no room on disk (`packing`); a model without structures has none to spare.

    Yields:
        Progress of the refit, and of a criterion's update.

    Returns:
        what is in `gaprune.json`.

    Raises:
        GapruneError: whatever a person can put right.
    """
    if settings.structure.whole:
        return (yield from cutting(analysis, settings, out, model=model))
    statistics, settings = Statistics.open(analysis), settled(settings)
    model = model or load_dense(statistics)
    scope, targets = exact_scope(statistics, model)
    made = yield from pruned(statistics, model, scope, targets, settings)
    result = made.result
    diagnostics = scope.diagnostics(settings, result)
    document: dict[str, Any] = {
        "format": 1,
        "run": statistics.run.model_dump(mode="json"),
        "settings": settings.model_dump(mode="json"),
        "dense": statistics.document["model"],
        "analysis": statistics.document["key"],
        "data": statistics.document["data"],
        **census(model, result.masks),
        "kappa": diagnostics.kappa,
        "term_shares": diagnostics.term_shares,
        "overlap_with_magnitude": diagnostics.overlap["magnitude"],
        "sentence": diagnostics.sentence,
        "pruned_fraction": diagnostics.pruned_fraction,
        "waking_neurons": diagnostics.waking,
        "versions": versions(),
    }
    if statistics.off is not None:
        document["compact"] = {"largest_difference": statistics.off}
    if made.updated is not None:
        document["update"] = update_document(settings, made.updated)
    if made.refit is not None:
        document["refit"] = refit_document(settings.refit, made.refit)
    with whole_folder(out, marker=RESULT_FILE) as folder:
        export(folder, model, targets, result.masks, document, model_card(document), made.weights)
        if packed:
            document["bytes"] = pack(folder)
    return document
