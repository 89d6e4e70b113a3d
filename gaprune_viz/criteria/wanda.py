"""Weights by what goes through them: magnitude times input activation."""

from __future__ import annotations

from gaprune_viz.config import Allocation
from gaprune_viz.criteria.criterion import Criterion

CRITERIA: tuple[Criterion, ...] = (
    Criterion(
        "wanda",
        "Wanda",
        r"|\theta_{ij}|\;\mathrm{rms}(x_j)",
        ("theta", "act_domain"),
        "Sun et al., A simple and effective pruning approach for large language models, ICLR 2024 "
        "(which compares within each output row)",
        lambda w, s: w.theta.abs() * w.act_domain,
        removes="the weights with the smallest |θ| times input activation on domain data",
        group=Allocation.ROW,
    ),
)
