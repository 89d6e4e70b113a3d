"""Per-sample InfoNCE with a sample's own hard negatives."""

from __future__ import annotations

import torch
from torch import Tensor


def info_nce(queries: Tensor, positives: Tensor, negatives: Tensor, owner: Tensor, temperature: float) -> Tensor:
    """Loss of each sample against its own negatives only (no in-batch negatives), so that samples stay independent.

    `l_i = -log( exp(cos(q_i, p_i) / tau) / (exp(cos(q_i, p_i) / tau) + sum_n exp(cos(q_i, n) / tau)) )`
    (GAPrune, arXiv 2509.10844, section on calibration).

    Args:
        queries: unit rows, float32 [n, d].
        positives: unit rows, float32 [n, d].
        negatives: unit rows, float32 [m, d], m >= n.
        owner: int64 [m], the sample each negative belongs to.
        temperature: tau.

    Returns:
        float32 [n].
    """
    return losses_of(logits_of(queries, positives, negatives, owner, temperature))


def logits_of(queries: Tensor, positives: Tensor, negatives: Tensor, owner: Tensor, temperature: float) -> Tensor:
    """What the softmax of `info_nce` is over: cosines over the temperature, float32 [n, 1 + most negatives].

    The positive comes first. Where a sample has fewer negatives than the richest one, -inf stands for the rest.
    """
    positive = (queries * positives).sum(-1) / temperature
    negative = (queries[owner] * negatives).sum(-1) / temperature
    counts = torch.bincount(owner, minlength=len(queries))
    column = torch.arange(len(owner), device=owner.device) - torch.cumsum(counts, 0).sub(counts)[owner]
    logits = positive.new_full((len(queries), int(counts.max())), float("-inf"))
    logits = logits.index_put((owner, column), negative)
    return torch.cat([positive[:, None], logits], dim=1)


def losses_of(logits: Tensor) -> Tensor:
    """Loss of each sample whose positive is in the first column, [n]."""
    return torch.logsumexp(logits, dim=1) - logits[:, 0]
