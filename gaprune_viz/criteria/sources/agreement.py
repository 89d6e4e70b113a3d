"""Agreement: what the gradients of all sources pull the same way stays."""

from __future__ import annotations

from torch import Tensor

from gaprune_viz.config import MOST_SOURCES
from gaprune_viz.criteria.criterion import Criterion, ResolvedScore, WeightStatistics


def _agreement(w: WeightStatistics, s: ResolvedScore) -> Tensor:
    """A + (|theta| / (1 + |theta|)) / M: the second part is below 1 / M, the least step of A, and breaks ties only."""
    size = w.theta.abs()
    return w.source_agreement + size / (1 + size) / MOST_SOURCES


CRITERIA: tuple[Criterion, ...] = (
    Criterion(
        "gga",
        "Gradient agreement",
        r"\frac1S\left|\sum_s\mathrm{sign}\,\bar g_s\right|,\ \text{then}\ |\theta|",
        ("theta", "source_agreement"),
        "Ballas and Diou, Gradient-guided annealing for domain generalization, CVPR 2025, arXiv 2502.20162, which "
        "seeks weights at which the gradients of all domains agree; weight by weight as the AND-mask of Parascandolo "
        "et al., Learning explanations that are hard to vary, ICLR 2021",
        _agreement,
        removes="the weights whose gradients the sources disagree on, the smallest |θ| first",
    ),
)
