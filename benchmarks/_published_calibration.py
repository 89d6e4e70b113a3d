"""The published calibration, written again from its description, to be timed beside ours; nothing else uses it.

For each domain a Fisher pass, which squares the gradient of the mean loss of a micro-batch of 4, and then a gradient
pass over the same texts; every text is padded to 512 tokens. Sums stay in float32 and are added up in place, and the
model computes in float32 like everything else here, so that what is compared is the procedure and not a number format.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gaprune_viz.calibration.batching import Sample
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target
from tests.conformance.published import MICRO_BATCH, batch_gradients

PADDED = 512


def published(
    model: EmbeddingModel, targets: Sequence[Target], triplets: Sequence[Sample], pad_to: int = PADDED
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Fisher information and mean gradient of one domain in the published way: float32 [out, in] by target name."""
    fisher = {t.name: torch.zeros(t.shape) for t in targets}
    mean = {t.name: torch.zeros(t.shape) for t in targets}
    for _, gradients in batch_gradients(model, targets, triplets, pad_to=pad_to):
        for name, gradient in gradients.items():
            fisher[name].addcmul_(gradient, gradient)
    batches = 0
    for _, gradients in batch_gradients(model, targets, triplets, pad_to=pad_to):
        batches += 1
        for name, gradient in gradients.items():
            mean[name].add_(gradient)
    for name in fisher:
        fisher[name].div_(len(triplets))
        mean[name].div_(batches)
    return fisher, mean


def share_of(triplets: Sequence[Sample], batches: int) -> Sequence[Sample]:
    """The first micro-batches. Padding makes all of them take the same time, whatever their texts."""
    return triplets[: batches * MICRO_BATCH]
