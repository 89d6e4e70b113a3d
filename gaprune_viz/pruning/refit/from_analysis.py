"""A refit on the samples of an analysis, and what is told of it."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gaprune_viz.analysis.samples import choose_data
from gaprune_viz.calibration.batching import Given
from gaprune_viz.calibration.progress import Progress
from gaprune_viz.calibration.run_plan import GIB
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import SIDES, RefitSpec, RunSpec, Settings
from gaprune_viz.criteria.registry import criterion
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.refit.block_errors import block_errors
from gaprune_viz.pruning.refit.refit import Refit, prepared, refit
from gaprune_viz.pruning.refit.sequential_pruning import Updated, quotas_of, update


@dataclass(frozen=True)
class Provenance:
    """What an analysis was made of.

    Attributes:
        run: its specs.
        hashes: of the data, by side.
    """

    run: RunSpec
    hashes: Mapping[str, str]

    @classmethod
    def of(cls, statistics: Statistics) -> Provenance:
        return cls(statistics.run, _hashes(statistics.document["data"]))

    @classmethod
    def of_export(cls, document: Mapping[str, Any]) -> Provenance:
        """From `gaprune.json`.

        Raises:
            GapruneError: it does not say.
        """
        try:
            return cls(RunSpec.parse(document["run"]), _hashes(document["data"]))
        except (KeyError, TypeError) as error:
            raise GapruneError(
                f"This export does not say what it was made of: {error} is missing.", "Prune again with --refit."
            ) from error


def _hashes(data: Mapping[str, Any]) -> dict[str, str]:
    return {side: data[side]["content_hash"] for side in SIDES}


def refit_analysed(
    origin: Provenance,
    model: EmbeddingModel,
    targets: Sequence[Target],
    masks: Mapping[str, Tensor],
    spec: RefitSpec,
) -> Generator[Progress, None, Refit]:
    """Refit an analysed model under a mask, on the triplets that it was analysed with and within their memory.

    Raises:
        GapruneError: the data have changed since the analysis, padding moves what the model gives; or as `refit`.
    """
    _refuse_padding(model, "A refit", "Prune it without a refit.")
    return (yield from refit(model, targets, masks, _triplets(origin, model), spec, memory=_memory(origin, model)))


def updated_analysed(
    origin: Provenance,
    model: EmbeddingModel,
    targets: Sequence[Target],
    masks: Mapping[str, Tensor],
    settings: Settings,
) -> Generator[Progress, None, Updated]:
    """Prune an analysed model by a criterion with an update, on the triplets that it was analysed with.

    Args:
        masks: of the criterion's scores, bool [out, in]: how many weights of a matrix or a row go.
        settings: settled.

    Raises:
        GapruneError: as `refit_analysed` and `quotas_of`.
    """
    chosen = criterion(settings.score.criterion)
    _refuse_padding(model, chosen.label, "Choose another criterion.")
    quotas = quotas_of(masks, settings.mask, chosen.label)
    texts, memory = _triplets(origin, model), _memory(origin, model)
    return (yield from update(model, targets, quotas, texts, chosen, settings.refit, memory=memory))


def _refuse_padding(model: EmbeddingModel, what: str, hint: str) -> None:
    if model.padding_dependent:
        raise GapruneError(f"{what} pads texts, and padding changes what {model.label} gives for them.", hint)


def errors_analysed(
    origin: Provenance,
    model: EmbeddingModel,
    targets: Sequence[Target],
    masks: Mapping[str, Tensor],
    weights: Mapping[str, Tensor] | None,
    spec: RefitSpec,
) -> Generator[Progress, None, dict[str, list[float]]]:
    """Each block's error under a mask, and with refitted weights, on the texts of a refit: see `block_errors`.

    Raises:
        GapruneError: as `refit_analysed`.
    """
    chosen = [target for target in targets if target.name in masks]
    batches, layout, _ = prepared(model, chosen, _triplets(origin, model), spec, memory=_memory(origin, model))
    return (yield from block_errors(model, chosen, masks, weights, layout.modules, batches))


def _triplets(origin: Provenance, model: EmbeddingModel) -> dict[str, Sequence[Given]]:
    """What the analysis read, by side."""
    triplets = {}
    for side in SIDES:
        data = choose_data(origin.run, side, model)
        if data.source.content_hash != origin.hashes[side]:
            raise GapruneError(
                f"The {side} data ({data.source.name}) have changed since the analysis was made.",
                "Run the analysis again, or prune without a refit.",
            )
        triplets[side] = data.samples
    return triplets


def _memory(origin: Provenance, model: EmbeddingModel) -> int | None:
    """Bytes that a refit may take on top of the model; None for no limit."""
    budget = origin.run.calibration.memory
    if budget is None:
        return None
    own = sum(p.numel() * p.element_size() for p in model.backbone.parameters())
    return max(0, int(budget * GIB) - own)


def memory_of(run: RunSpec, model: EmbeddingModel) -> int | None:
    """Bytes that a refit of a run's model may take on top of it; None for no limit."""
    return _memory(Provenance(run, {}), model)


def refit_document(spec: RefitSpec, found: Refit) -> dict[str, Any]:
    """What `gaprune.json` says of a refit."""
    return {
        "spec": spec.model_dump(mode="json"),
        "tokens": found.tokens,
        "block_errors": list(found.errors),
        "largest_ridge": max(layer.ridge for layer in found.layers),
        "notes": list(found.notes),
    }


def update_document(settings: Settings, found: Updated) -> dict[str, Any]:
    """What `gaprune.json` says of weights that a criterion's update made."""
    return {
        "criterion": settings.score.criterion,
        "samples": settings.refit.samples,
        "domain_share": settings.refit.domain_share,
        "tokens": found.tokens,
        "notes": list(found.notes),
    }
