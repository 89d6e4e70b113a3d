"""From an opened analysis to exact answers: its dense model, its scores over all weights, what decides a mask."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gaprune_viz.analysis.stored_weights import stored_weights
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import Settings
from gaprune_viz.criteria.registry import criteria, settled
from gaprune_viz.errors import GapruneError
from gaprune_viz.masking.from_statistics import ExactScope
from gaprune_viz.masking.neuron_masks import losses_of
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import Target, inventory
from gaprune_viz.sketch.tuning import STARVED


def load_dense(statistics: Statistics) -> EmbeddingModel:
    """The dense model of an analysis.

    Raises:
        GapruneError: it is gone, or its weights are no longer those that were analysed.
    """
    model = load_model(statistics.run.model)
    refuse_other_weights(statistics, model)
    return model


def refuse_other_weights(statistics: Statistics, model: EmbeddingModel) -> None:
    """Refuse a model whose weights are not those that were analysed.

    Raises:
        GapruneError: they have changed.
    """
    if model.weight_hash != statistics.document["model"]["weight_hash"]:
        raise GapruneError(
            f"The weights of {model.label} have changed since the analysis was made.", "Run the analysis again."
        )


def exact_scope(statistics: Statistics, model: EmbeddingModel) -> tuple[ExactScope, tuple[Target, ...]]:
    """Scores over all weights of an analysis, and the targets in the model that its masks go on."""
    wanted = {m.name for m in statistics.matrices}
    targets = tuple(t for t in inventory(model).targets if t.name in wanted)
    if len(targets) != len(wanted):
        raise GapruneError("The model does not have the weights that were analysed.", "Run the analysis again.")
    _refuse_sketch(statistics)
    by_name = {t.name: t for t in targets}

    def theta_of(name: str) -> Any:
        return by_name[name].weight.float().cpu().contiguous()

    return ExactScope(statistics, theta_of), targets


def _refuse_sketch(statistics: Statistics) -> None:
    """Refuse an analysis without its tensors.

    Raises:
        GapruneError: it holds a sketch only.
    """
    if not statistics.has_tensors:
        raise GapruneError("This analysis holds a sketch only.", "Run it to get the exact mask.")


def scope_of(statistics: Statistics) -> ExactScope:
    """Scores over all weights of an analysis, for whoever needs no model: it is loaded only where its files do not do.

    Raises:
        GapruneError: as `exact_scope` and `load_dense`.
    """
    _refuse_sketch(statistics)
    stored = stored_weights(statistics)
    if stored is not None:
        return ExactScope(statistics, stored)
    return exact_scope(statistics, load_dense(statistics))[0]


def diagnose(analysis: Path, settings: Settings) -> dict[str, Any]:
    """What decides the exact mask of some settings, counted over every weight.

    Returns:
        plain values: sparsity, zeros, term shares, overlap and Jaccard index with every criterion at the same mask
        settings, rank correlation with magnitude, pruned fraction per matrix and layer, starved matrices and how many
        rows are (over 95 % pruned), how many MLP neurons wake, conflict of
        the two gradients, the plain sentence.

    Raises:
        GapruneError: whatever a person can put right.
    """
    statistics, settings = Statistics.open(analysis), settled(settings)
    scope = scope_of(statistics)
    result = scope.masks(settings)
    found = scope.diagnostics(settings, result, tuple(criteria()))
    correlation = scope.rank_correlation(settings.score)
    layers: dict[int, list[float]] = {}
    for info in statistics.matrices:
        pruned, size = layers.setdefault(info.layer, [0.0, 0.0])
        layers[info.layer] = [pruned + found.pruned_fraction[info.name] * info.size, size + info.size]
    return {
        "settings": settings.model_dump(mode="json"),
        **asdict(found),
        # Without gradients there is none.
        "disagreement": found.disagreement if math.isfinite(found.disagreement) else None,
        "rank_correlation_with_magnitude": correlation if math.isfinite(correlation) else None,
        "pruned_fraction_by_layer": {str(layer): pruned / size for layer, (pruned, size) in layers.items()},
        "starved_rows": sum(losses_of(result.masks, statistics.matrices).rows.values()),
        "starved": [name for name, fraction in found.pruned_fraction.items() if fraction > STARVED],
    }
