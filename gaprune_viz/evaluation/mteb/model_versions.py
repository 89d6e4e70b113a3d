"""The versions of one model that a benchmark compares: dense, under a mask, retrained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gaprune_viz.pruning.applying import masked

if TYPE_CHECKING:
    from torch import Tensor

    from gaprune_viz.models.encoder import EmbeddingModel
    from gaprune_viz.models.targets import Target

HASH_LENGTH = 12


@dataclass(frozen=True)
class Variant:
    """One version of a model.

    Attributes:
        name: what its column is called: `dense`, `pruned`, `refitted`, `retrained`.
        model: the model whose weights are, or become, this version.
        revision: identifies the weights. No two versions share one, so that no cache takes one for the other.
        applied: makes a context in which the model has the weights of this version and nobody changes them. Entered
            for each encoding alone, so that a long benchmark does not keep others from the model.
    """

    name: str
    model: EmbeddingModel
    revision: str
    applied: Callable[[], AbstractContextManager[object]]


def whole(name: str, model: EmbeddingModel, key: str = "") -> Variant:
    """A model with weights of its own.

    Args:
        key: identifies weights that are no longer those that were loaded: of a model that was retrained.
    """
    revision = "-".join(filter(None, (model.weight_hash[:HASH_LENGTH], key[:HASH_LENGTH])))
    return Variant(name, model, revision, lambda: model.lock)


def under_mask(
    name: str,
    model: EmbeddingModel,
    targets: Sequence[Target],
    masks: Mapping[str, Tensor],
    key: str,
    weights: Mapping[str, Tensor] | None = None,
) -> Variant:
    """A model under a mask that is put on for each encoding and taken off after it.

    Args:
        masks: bool [out, in] by target name, True = kept.
        key: identifies the mask and the weights, for example `Settings.key()`.
        weights: of a refit under the mask, by target name.
    """
    revision = f"{model.weight_hash[:HASH_LENGTH]}-{key[:HASH_LENGTH]}"
    return Variant(name, model, revision, lambda: masked(model, targets, masks, weights))
