"""A pruned export whose kept weights are fitted anew when it is opened: its folder stays as it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from pathlib import Path

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.config import RefitSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.comparison import PrunedPair
from gaprune_viz.evaluation.embedding_cache import weights_hash
from gaprune_viz.models.targets import inventory
from gaprune_viz.pruning.export import read_masks
from gaprune_viz.pruning.refit.from_analysis import Provenance, refit_analysed, refit_document


def refitted_pair(pair: PrunedPair, folder: Path, spec: RefitSpec) -> Generator[Progress, None, PrunedPair]:
    """The pair with a refit of the export's mask in place of its weights; the pair itself where the refit is off.

    Args:
        pair: as `load_pair` gives it for the folder; its pruned model is changed.

    Raises:
        GapruneError: the export lacks structures, does not say what it was made of, its data have changed, or as
            `refit`.
    """
    if not spec.refit:
        return pair
    if "structure" in pair.document:
        raise GapruneError(
            f"{folder} lacks whole structures, and no mask says what a refit should keep.",
            "Refit where they are cut: `gaprune-viz prune --structure ... --refit`.",
        )
    masks = read_masks(folder)
    targets = [target for target in inventory(pair.dense).targets if target.name in masks]
    found = yield from refit_analysed(Provenance.of_export(pair.document), pair.dense, targets, masks, spec)
    own = {target.name: target for target in inventory(pair.pruned).targets}
    for name, weight in found.weights.items():
        own[name].weight.copy_(weight)
    model = dataclasses.replace(pair.pruned, weight_hash=weights_hash(found.weights))
    document = {**pair.document, "refit": refit_document(spec, found)}
    return PrunedPair(pair.dense, model, document)
