"""Sensitivity over several sources: its mean less its spread, and its minimum."""

from __future__ import annotations

from torch import Tensor

from gaprune_viz.criteria.criterion import Criterion, ResolvedScore, WeightStatistics


def _terms(w: WeightStatistics, s: ResolvedScore) -> dict[str, Tensor]:
    steep = w.theta.square()
    return {"source_mean": steep * w.source_mean, "source_spread": -s.beta * steep * w.source_spread}


def _dsp(w: WeightStatistics, s: ResolvedScore) -> Tensor:
    return w.theta.square() * (w.source_mean - s.beta * w.source_spread)


CRITERIA: tuple[Criterion, ...] = (
    Criterion(
        "dsp",
        "DSP sensitivity",
        r"\theta^2\left(\mathrm{mean}_s\,F_s/\bar F_s-\beta\,\mathrm{sd}_s\,F_s/\bar F_s\right)",
        ("theta", "source_mean", "source_spread"),
        "Han et al., DSP-Reg: domain-sensitive parameter regularization, arXiv 2601.19394, which penalises weights "
        "whose gradients vary over the source domains; as a score on Fisher information times θ². With two sources and "
        "β 1 it is the smaller one's",
        _dsp,
        removes="the weights that matter little, or to some sources only",
        uses=("beta",),
        terms=_terms,
    ),
    Criterion(
        "fisher_worst",
        "Worst-source Fisher",
        r"\min_s F_s/\bar F_s",
        ("source_least",),
        "The minimum over sources, as group distributionally robust optimization looks at the worst group (Sagawa et "
        "al., ICLR 2020), of each source's Fisher information over its mean",
        lambda w, s: w.source_least,
        removes="the weights that some source has the least use for",
    ),
)
