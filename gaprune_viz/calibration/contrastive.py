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
    positive = (queries * positives).sum(-1) / temperature
    negative = (queries[owner] * negatives).sum(-1) / temperature
    # One column per negative of the richest sample; missing ones are -inf and take no part.
    counts = torch.bincount(owner, minlength=len(queries))
    column = torch.arange(len(owner), device=owner.device) - torch.cumsum(counts, 0).sub(counts)[owner]
    logits = positive.new_full((len(queries), int(counts.max())), float("-inf"))
    logits = logits.index_put((owner, column), negative)
    everything = torch.cat([positive[:, None], logits], dim=1)
    return torch.logsumexp(everything, dim=1) - positive
