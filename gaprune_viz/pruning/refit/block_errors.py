"""Where an error arises and where it is taken back: each block's output under a mask, beside the dense model's."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.applying import masked
from gaprune_viz.pruning.refit.batches import Batch
from gaprune_viz.pruning.refit.replay import features_of, states_of

STAGE = "Measuring every block"
# As many texts show the same curve as all of them.
MOST_TOKENS = 8_192


def block_errors(
    model: EmbeddingModel,
    targets: Sequence[Target],
    masks: Mapping[str, Tensor],
    weights: Mapping[str, Tensor] | None,
    blocks: Sequence[nn.Module],
    batches: Sequence[Batch],
) -> Generator[Progress, None, dict[str, list[float]]]:
    """Relative error (Frobenius, real tokens, weighted) of each block's output.

    Args:
        model: dense; it stays as it is.
        weights: of a refit under the masks.
        blocks: in the order in which they compute.
        batches: texts to look at; of many, evenly chosen ones.

    Returns:
        `mask_only` and, with weights, `refit`: one number a block.
    """
    variants: dict[str, Mapping[str, Tensor] | None] = {"mask_only": None}
    if weights is not None:
        variants["refit"] = weights
    chosen = _some(batches)
    whole = torch.zeros(len(blocks), dtype=torch.float64)
    lost = {name: torch.zeros(len(blocks), dtype=torch.float64) for name in variants}
    began = time.monotonic()
    for i, batch in enumerate(chosen):
        yield Progress(STAGE, i, len(chosen), time.monotonic() - began)
        rows = batch.rows()
        with model.lock:
            dense = [rows.weighted(rows.of(states)) for states in _outputs(model, blocks, batch)]
            whole += torch.tensor([float(state.square().sum()) for state in dense])
            for name, own in variants.items():
                with masked(model, targets, masks, own):
                    found = _outputs(model, blocks, batch)
                off = [rows.weighted(rows.of(now)) - before for now, before in zip(found, dense, strict=True)]
                lost[name] += torch.tensor([float(state.square().sum()) for state in off])
    return {name: (sums / whole.clamp_min(1e-300)).sqrt().tolist() for name, sums in lost.items()}


def _some(batches: Sequence[Batch]) -> list[Batch]:
    every = max(1, -(-sum(batch.tokens for batch in batches) // MOST_TOKENS))
    return list(batches[::every])


@torch.no_grad()
def _outputs(model: EmbeddingModel, blocks: Sequence[nn.Module], batch: Batch) -> list[Tensor]:
    """The states after each block, [texts, longest, hidden]."""
    found: list[Tensor] = []

    def heard(_: nn.Module, __: Any, out: Any) -> None:
        # A later block may write over it.
        found.append(states_of(out).detach().clone())

    hooks = [block.register_forward_hook(heard) for block in blocks]
    try:
        model.backbone(**features_of(model, batch.ids))
    finally:
        for hook in hooks:
            hook.remove()
    return found
