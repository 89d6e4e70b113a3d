"""Statistics of one weight, of a matrix of random ones, and the numbers of the paper."""

from __future__ import annotations

import torch

from gaprune_viz.criteria.criterion import ResolvedScore, WeightStatistics

PAPER = ResolvedScore()


def one(**values: float) -> WeightStatistics:
    """One weight with known statistics."""
    given_values = {
        "theta": -0.25,
        "fisher_domain": 0.5,
        "fisher_general": 0.125,
        "alignment": -1.0,
        "grad_domain": 0.5,
        "act_domain": 3.0,
        "source_agreement": 0.5,
        "source_least": 0.25,
        "source_mean": 2.0,
        "source_spread": 0.5,
        **values,
    }
    return WeightStatistics(**{name: torch.tensor([value]) for name, value in given_values.items()})


def some(rows: int, columns: int, seed: int = 0) -> WeightStatistics:
    """A matrix [rows, columns] of random statistics."""
    g = torch.Generator().manual_seed(seed)
    shape = (rows, columns)
    return WeightStatistics(
        theta=torch.randn(shape, generator=g),
        fisher_domain=torch.rand(shape, generator=g),
        fisher_general=torch.rand(shape, generator=g),
        alignment=torch.rand(shape, generator=g) * 2 - 1,
        grad_domain=torch.randn(shape, generator=g),
        act_domain=torch.rand(columns, generator=g),
        source_agreement=torch.rand(shape, generator=g),
        source_least=torch.rand(shape, generator=g),
        source_mean=torch.rand(shape, generator=g),
        source_spread=torch.rand(shape, generator=g),
        matrix_index=3,
    )
