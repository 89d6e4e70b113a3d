"""Criteria that look at no data: the size of a weight, and chance."""

from __future__ import annotations

import torch
from torch import Tensor

from gaprune_viz.criteria.counter_random import uniform
from gaprune_viz.criteria.criterion import Criterion, ResolvedScore, WeightStatistics


def _random(w: WeightStatistics, s: ResolvedScore) -> Tensor:
    index = w.flat_index
    if index is None:
        if w.theta.dim() != 2:
            raise ValueError("random needs the flat index of the weights of a sample")
        index = torch.arange(w.theta.numel(), device=w.theta.device).view(w.theta.shape)
    return uniform(s.seed, w.matrix_index, index)


CRITERIA: tuple[Criterion, ...] = (
    Criterion(
        "magnitude",
        "Magnitude",
        r"|\theta|",
        ("theta",),
        "Han et al., Learning both weights and connections, NeurIPS 2015",
        lambda w, s: w.theta.abs(),
        removes="the weights with the smallest |θ|",
    ),
    Criterion(
        "random",
        "Random",
        r"u\sim\mathcal{U}[0,1)",
        ("theta",),
        "The floor that any criterion must beat",
        _random,
        removes="the weights that chance picks",
        uses=("seed",),
    ),
)
