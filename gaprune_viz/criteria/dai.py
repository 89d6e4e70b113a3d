"""Domain-alignment importance: the paper's formula, and what the authors' published code computes."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from gaprune_viz.config import Alignment
from gaprune_viz.criteria.criterion import PAPER, Criterion, ResolvedScore, WeightStatistics

_DAI_NEEDS = ("theta", "fisher_domain", "fisher_general", "alignment")


def _dai_terms(w: WeightStatistics, s: ResolvedScore) -> dict[str, Tensor]:
    size = w.theta.abs()
    scaled = s.kappa * size
    base = {
        "fisher_domain": scaled * _power(w.fisher_domain, s.power),
        "fisher_general": -s.beta * scaled * _power(w.fisher_general, s.power),
        "magnitude": s.gamma * size.sqrt(),
    }
    return {**base, "alignment": s.alpha * w.alignment * sum(base.values())}


def _dai(w: WeightStatistics, s: ResolvedScore) -> Tensor:
    size = w.theta.abs()
    fisher = _power(w.fisher_domain, s.power) - s.beta * _power(w.fisher_general, s.power)
    return (s.kappa * fisher * size + s.gamma * size.sqrt()) * (1 + s.alpha * w.alignment)


def _released_factor(w: WeightStatistics, s: ResolvedScore) -> Tensor:
    return (1 + s.alpha * w.alignment).clamp(1 - abs(s.alpha), 1 + abs(s.alpha))


def _dai_released_terms(w: WeightStatistics, s: ResolvedScore) -> dict[str, Tensor]:
    size = w.theta.abs()
    domain, general = w.fisher_domain * size, -s.beta * w.fisher_general * size
    return {
        "fisher_domain": domain,
        "fisher_general": general,
        "magnitude": s.gamma * (size + 1e-8).sqrt(),
        "alignment": (_released_factor(w, s) - 1) * (domain + general),
    }


def _dai_released(w: WeightStatistics, s: ResolvedScore) -> Tensor:
    size = w.theta.abs()
    fisher = (w.fisher_domain - s.beta * w.fisher_general) * size * _released_factor(w, s)
    return F.softplus(fisher + s.gamma * (size + 1e-8).sqrt())


def _power(fisher: Tensor, power: float) -> Tensor:
    if power == 1:
        return fisher
    return fisher.sqrt() if power == 0.5 else fisher.pow(power)


CRITERIA: tuple[Criterion, ...] = (
    Criterion(
        "dai",
        "DAI",
        r"\left(\kappa\,(F_d^{\,p}-\beta F_g^{\,p})\,|\theta|+\gamma\sqrt{|\theta|}\right)(1+\alpha s)",
        _DAI_NEEDS,
        f"{PAPER}, with a scale kappa and a power p (both 1 in the paper)",
        _dai,
        uses=("alpha", "beta", "gamma", "fisher_scale", "fisher_power", "alignment"),
        terms=_dai_terms,
    ),
    Criterion(
        "dai_released",
        "DAI, published code",
        r"\mathrm{softplus}\left((F_d-\beta F_g)\,|\theta|\,\mathrm{clamp}(1+\alpha s,\,1-|\alpha|,\,1+|\alpha|)"
        r"+\gamma\sqrt{|\theta|+10^{-8}}\right)",
        _DAI_NEEDS,
        f"{PAPER}, the authors' released code: alignment scales the Fisher term only and is the unit product",
        _dai_released,
        uses=("alpha", "beta", "gamma"),
        terms=_dai_released_terms,
        terms_of="the score before softplus",
        fixed_alignment=Alignment.UNIT_PRODUCT,
    ),
)
