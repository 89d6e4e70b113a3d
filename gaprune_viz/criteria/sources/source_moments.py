"""What several sources say of a weight, in four numbers: whatever their number, a sketch and a criterion read these.

A run of two sides has two sources, its domain data and its general data. Every source counts once here, whatever its
weight in the mixture of its side, and its Fisher information is over its own mean: a source whose loss is steeper would
else decide alone, and the minimum would be that of the flattest one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

OVER_SOURCES = ("source_agreement", "source_least", "source_mean", "source_spread")
"""The fields of `WeightStatistics` that `over_sources` gives."""


def over_sources(fishers: Sequence[Tensor], grads: Sequence[Tensor], masses: Sequence[float]) -> dict[str, Tensor]:
    """The statistics of some weights over all sources.

    One source after another is read, and two running sums are held beside it: the sources may be mapped from a disk.

    Args:
        fishers: Fisher information F_s of each source; float32 of one shape.
        grads: mean gradient g_s of each source, the same shape; empty where a source has none, as of plain texts.
        masses: mean of each F_s over the scope.

    Returns:
        float32 of that shape each. `source_agreement`: |sum_s sign(g_s)| / S, 1 where all gradients point one way, 0
        where half of them point the other. `source_least`, `source_mean`, `source_spread`: minimum, mean and standard
        deviation over the sources of F_s / mean F_s. What cannot be known is left out: agreement without gradients,
        the others where a mass is 0 or not known.
    """
    found: dict[str, Tensor] = {}
    if grads:
        signs = torch.zeros_like(grads[0], dtype=torch.float32)
        for grad in grads:
            signs += grad.sign()
        found["source_agreement"] = signs.abs_() / len(grads)
    if fishers and all(mass > 0 for mass in masses):
        least = mean = fishers[0].float() / masses[0]
        squares = torch.zeros_like(mean)
        for count, (fisher, mass) in enumerate(zip(fishers[1:], masses[1:], strict=True), 2):
            here = fisher.float() / mass
            least = torch.minimum(least, here)
            # Welford's recurrence: a difference of two large sums would lose the digits of a small spread.
            off = here - mean
            mean = mean + off / count
            squares += off * (here - mean)
        found |= {
            "source_least": least,
            "source_mean": mean,
            "source_spread": squares.clamp_min_(0).div_(len(fishers)).sqrt_(),
        }
    return found
