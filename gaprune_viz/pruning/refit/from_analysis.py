"""A refit on the samples of an analysis, and what is told of it."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from torch import Tensor

from gaprune_viz.analysis.samples import choose_data
from gaprune_viz.calibration.progress import Progress
from gaprune_viz.calibration.run_plan import GIB
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import SIDES, RefitSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.refit.refit import Refit, refit


def refit_analysed(
    statistics: Statistics,
    model: EmbeddingModel,
    targets: Sequence[Target],
    masks: Mapping[str, Tensor],
    spec: RefitSpec,
) -> Generator[Progress, None, Refit]:
    """Refit an analysed model under a mask, on the triplets that it was analysed with and within their memory.

    Raises:
        GapruneError: the data have changed since the analysis; or as `refit`.
    """
    run = statistics.run
    triplets = {}
    for side in SIDES:
        data = choose_data(run, side, model)
        if data.source.content_hash != statistics.document["data"][side]["content_hash"]:
            raise GapruneError(
                f"The {side} data ({data.source.name}) have changed since the analysis was made.",
                "Run the analysis again, or prune without a refit.",
            )
        triplets[side] = data.samples
    memory = None
    if run.calibration.memory is not None:
        own = sum(p.numel() * p.element_size() for p in model.backbone.parameters())
        memory = max(0, int(run.calibration.memory * GIB) - own)
    return (yield from refit(model, targets, masks, triplets, spec, memory=memory))


def refit_document(spec: RefitSpec, found: Refit) -> dict[str, Any]:
    """What `gaprune.json` says of a refit."""
    return {
        "spec": spec.model_dump(mode="json"),
        "tokens": found.tokens,
        "block_errors": list(found.errors),
        "largest_ridge": max(layer.ridge for layer in found.layers),
        "notes": list(found.notes),
    }
