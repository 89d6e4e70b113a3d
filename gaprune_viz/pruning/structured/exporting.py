"""Cut structures out of an analysed model and export what is left: a plain small folder."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gaprune_viz.analysis.exact import exact_scope, load_dense
from gaprune_viz.calibration.progress import Progress
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import SIDES, Allocation, Evidence, Settings, Structure
from gaprune_viz.criteria.registry import criterion, settled
from gaprune_viz.errors import GapruneError
from gaprune_viz.masking.from_statistics import ExactScope
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import inventory
from gaprune_viz.pruning.refit.from_analysis import memory_of
from gaprune_viz.pruning.saving import RESULT_FILE, save_model, weight_bytes, write_words
from gaprune_viz.pruning.structured.card import structured_card
from gaprune_viz.pruning.structured.choosing import split_texts
from gaprune_viz.pruning.structured.cutting import Cut, kept_units, plan_cut
from gaprune_viz.pruning.structured.finishing import Tried, finished, refuse_unfinishable, smaller
from gaprune_viz.pruning.structured.units import unit_sums
from gaprune_viz.storage.workspace import whole_folder
from gaprune_viz.versions import versions


def cutting(
    analysis: Path, settings: Settings, out: Path, *, model: EmbeddingModel | None = None
) -> Generator[Progress, None, dict[str, Any]]:
    """Take structures out of a copy of the analysed model, finish it as the settings ask, and export it.

    Args:
        analysis: folder of a finished analysis.
        settings: with a structure.
        out: folder of the smaller model; an earlier export there is replaced.
        model: the dense model, where it is loaded already; it stays as it is.

    Yields:
        Progress.

    Returns:
        what is in `gaprune.json`.

    Raises:
        GapruneError: whatever a person can put right; what cannot be cut is refused before any work.
    """
    statistics = Statistics.open(analysis)
    _refuse(settings, statistics)
    settings = settled(settings)
    yield Progress("Loading the model", 0, 1, 0.0)
    dense = model or load_dense(statistics)
    scope, _ = exact_scope(statistics, dense)
    targets = inventory(dense).targets
    cut = plan_cut(dense, targets, settings.structure, settings.mask.sparsity)
    refuse_unfinishable(dense, cut, settings)
    kept = kept_units(cut, scores_of(cut, scope, settings))
    queries = 0
    if settings.refit.refit or settings.structure.steps:
        hashes = {side: statistics.document["data"][side]["content_hash"] for side in SIDES}
        texts = split_texts(statistics.run, hashes, dense)
        room = memory_of(statistics.run, dense)
        tried, queries = (yield from finished(dense, targets, cut, kept, settings, texts, room)), texts.queries
    else:
        tried = Tried(smaller(dense, cut, kept), "as cut")
    with whole_folder(out, marker=RESULT_FILE) as folder:
        save_model(folder, tried.best)
        document = _document(statistics, settings, dense, cut, tried, queries, weight_bytes(folder))
        write_words(folder, document, structured_card(document))
    return document


def scores_of(cut: Cut, scope: ExactScope, settings: Settings) -> list[Tensor]:
    """The score of every unit, float64 [units] for each group; higher means keep.

    Raises:
        GapruneError: the analysis lacks what they are made of.
    """
    if settings.structure.evidence is Evidence.SAMPLES:
        return _from_samples(cut, scope.statistics)
    found = []
    for group in cut.groups:
        names = dict.fromkeys(slab.target.name for slab in group.slabs)
        there = [name for name in names if name in scope.index]
        # Of layers, those of their weights decide that were analysed.
        if len(there) < (1 if cut.structure is Structure.LAYERS else len(names)):
            lacking = next(name for name in names if name not in scope.index)
            raise GapruneError(
                f"{lacking} was not analysed (scope {scope.statistics.run.calibration.scope.value}), and the score of "
                f"{cut.noun} is made of it.",
                "Run the analysis again with --scope linear.",
            )
        total = torch.zeros(group.units, dtype=torch.float64)
        for name in there:
            total += unit_sums(group, {name: scope.scores(name, settings.score)})
        found.append(total)
    return found


def _from_samples(cut: Cut, statistics: Statistics) -> list[Tensor]:
    """Both sides' squared changes of the loss, each over its mean over all units."""
    sides = []
    for side in SIDES:
        values = [statistics.tensor(group.down, f"cut_{side}").double() for group in cut.groups]
        mean = torch.cat(values).mean().clamp_min(torch.finfo(torch.float64).tiny)
        sides.append([value / mean for value in values])
    return [torch.stack(parts).sum(0) for parts in zip(*sides, strict=True)]


def _refuse(settings: Settings, statistics: Statistics) -> None:
    """Refuse what can be told without the model."""
    spec = settings.structure
    if spec.evidence is Evidence.SAMPLES and spec.structure is not Structure.NEURONS:
        raise GapruneError(
            f"Changes of the loss by sample are measured of neurons, not of {spec.structure.value}.",
            "Leave out --structure-evidence.",
        )
    if spec.steps and not statistics.gradients["domain"]:
        raise GapruneError(
            "The domain's data are plain texts, and a model is retrained on triplets.", "Leave out --structure-steps."
        )
    if spec.evidence is Evidence.SAMPLES and not statistics.has_cuts:
        raise GapruneError(
            "This analysis lacks what the loss changes by where a neuron is taken out: it was made before that was "
            "measured, or without MLPs, or is kept compact.",
            "Run the analysis again, or rank by the criterion.",
        )
    if settings.mask.allocation not in (Allocation.AUTO, Allocation.LAYER):
        raise GapruneError(
            f"Structures are ranked within their layer, not under allocation {settings.mask.allocation.value}: a plain "
            "configuration holds one width for all layers.",
            "Leave out --allocation.",
        )


def _document(
    statistics: Statistics,
    settings: Settings,
    dense: EmbeddingModel,
    cut: Cut,
    tried: Tried,
    queries: int,
    size: int,
) -> dict[str, Any]:
    before, after = (sum(p.numel() for p in model.backbone.parameters()) for model in (dense, tried.best))
    structure = {
        "structure": cut.noun,
        "where": "" if cut.structure is Structure.LAYERS else " in every layer",
        "before": cut.before,
        "after": cut.after,
        "ranked_by": _ranked(settings, cut),
        "tried": tried.rows,
        "kept": tried.kept,
        "held_out": queries,
    }
    return {
        "format": 1,
        "run": statistics.run.model_dump(mode="json"),
        "settings": settings.model_dump(mode="json"),
        "dense": statistics.document["model"],
        "analysis": statistics.document["key"],
        "data": statistics.document["data"],
        "structure": structure,
        "model_weights": after,
        "dense_weights": before,
        "bytes": size,
        "sentence": f"{cut.after} of {cut.before} {cut.noun}{structure['where']} stay; {1 - after / before:.1%} of all "
        f"parameters are gone. Kept: {tried.kept}.",
        "versions": versions(),
    }


def _ranked(settings: Settings, cut: Cut) -> str:
    if settings.structure.evidence is Evidence.SAMPLES:
        return "the squared change of the loss where one goes, mean over calibration samples"
    return f"the sum of {criterion(settings.score.criterion).label} over all weights of one of the {cut.noun}"
