"""Put a mask, or a mask and refitted weights, on a live model and take them off without a trace; count what is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from torch import Tensor

from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target


@contextmanager
def masked(
    model: EmbeddingModel,
    targets: Sequence[Target],
    masks: Mapping[str, Tensor],
    weights: Mapping[str, Tensor] | None = None,
) -> Iterator[None]:
    """Zero the pruned weights for as long as the block runs; afterwards every bit is as before.

    The model's lock is held throughout, so that nobody sees another person's mask.

    Args:
        targets: where the masks belong; a target without a mask stays dense.
        masks: bool [out, in] by target name, True = kept.
        weights: of a refit, [out, in] by target name, 0 where the mask is; None leaves what is kept as it is.
    """
    with model.lock:
        saved: list[tuple[Tensor, Tensor | slice, Tensor]] = []
        try:
            for target in targets:
                weight = target.weight
                if weights and target.name in weights:
                    saved.append((weight, slice(None), weight.clone()))
                    weight.copy_(weights[target.name])
                elif target.name in masks:
                    pruned = ~masks[target.name].to(weight.device)
                    saved.append((weight, pruned, weight[pruned]))
                    weight.masked_fill_(pruned, 0)
            yield
        finally:
            for weight, where, values in saved:
                weight[where] = values


def census(model: EmbeddingModel, masks: Mapping[str, Tensor]) -> dict[str, float | int]:
    """What a mask removes.

    Returns:
        `scope_weights`, `zeros`, `scope_sparsity`; `model_weights` and `model_sparsity` over all parameters of the
        backbone; `flops_left`: share of the scope's multiply-adds per token that a kernel able to skip zeros would do.
        A plain matrix product skips none: masks alone make a model neither smaller nor faster.
    """
    scope = sum(mask.numel() for mask in masks.values())
    zeros = sum(mask.numel() - int(mask.count_nonzero()) for mask in masks.values())
    everything = sum(p.numel() for p in model.backbone.parameters())
    return {
        "scope_weights": scope,
        "zeros": zeros,
        "scope_sparsity": zeros / scope if scope else 0.0,
        "model_weights": everything,
        "model_sparsity": zeros / everything,
        "flops_left": 1 - zeros / scope if scope else 1.0,
    }
