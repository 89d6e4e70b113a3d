"""The saliency criteria: one pure function and one `Criterion` entry each; a higher score means keep.

Every function is element by element and broadcasts, so the same one scores a whole matrix [out, in] and a sample of
its weights [n]. To add a criterion, write its function and append it to `BUILT_IN`; nothing else changes.
`gaprune_viz.core.scoring` looks criteria up and takes plug-ins.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gaprune_viz.config import Alignment
from gaprune_viz.core.counter_random import uniform
from gaprune_viz.errors import GapruneError

KNOBS = ("alpha", "beta", "gamma", "fisher_scale", "fisher_power", "alignment", "seed")
"""Fields of `ScoreSpec` that a criterion may depend on."""

# Typed as if it were there: a criterion is called only when what it needs is, and so reads it without a check.
_ABSENT: Any = None


@dataclass(frozen=True)
class WeightStatistics:
    """What is known of some weights: a whole matrix [out, in], or a sample [n] of weights. All float32.

    A field that is not known is None.

    Attributes:
        theta: the weights. A sample may hold |theta|: no criterion reads the sign.
        fisher_domain: mean squared per-sample gradient on domain data.
        fisher_general: the same on general data.
        alignment: s in [-1, 1].
        grad_domain: mean gradient on domain data.
        act_domain: root mean square of the input feature on domain data: [in] beside a matrix, [n] beside a sample.
        flat_index: int64 position (row * in + column) of each weight; may be None for a whole matrix.
        matrix_index: position of the matrix in the scope: one number, or int64 [n] beside a sample of many matrices.
    """

    theta: Tensor = _ABSENT
    fisher_domain: Tensor = _ABSENT
    fisher_general: Tensor = _ABSENT
    alignment: Tensor = _ABSENT
    grad_domain: Tensor = _ABSENT
    act_domain: Tensor = _ABSENT
    flat_index: Tensor | None = None
    matrix_index: int | Tensor = 0

    def at(self, row: int, column: int) -> WeightStatistics:
        """The statistics of one weight of a whole matrix, each of shape [1].

        Raises:
            ValueError: these are not the statistics of a whole matrix.
        """
        if self.theta is None or self.theta.dim() != 2:
            raise ValueError("one weight can be picked from a whole matrix [out, in] only")
        shape = self.theta.shape
        known = {name: values for name in STATISTICS if (values := getattr(self, name)) is not None}
        picked = {name: values.broadcast_to(shape)[row, column].reshape(1) for name, values in known.items()}
        return WeightStatistics(
            **picked,
            flat_index=torch.tensor([row * shape[1] + column]),
            matrix_index=self.matrix_index,
        )


STATISTICS = tuple(field.name for field in fields(WeightStatistics) if field.name not in ("flat_index", "matrix_index"))
"""Fields of `WeightStatistics` that a criterion may need."""


@dataclass(frozen=True)
class ResolvedScore:
    """The numbers a criterion computes with: a `ScoreSpec` in which kappa is a number."""

    alpha: float = 0.2
    beta: float = 1.0
    gamma: float = 0.5
    kappa: float = 1.0
    power: float = 1.0
    seed: int = 0


Score = Callable[[WeightStatistics, ResolvedScore], Tensor]
Terms = Callable[[WeightStatistics, ResolvedScore], dict[str, Tensor]]


@dataclass(frozen=True)
class Criterion:
    """A saliency criterion.

    Attributes:
        name: what flags, URLs and files call it: lower case letters, digits and underscores.
        label: what the page calls it.
        formula: LaTeX.
        needs: fields of `WeightStatistics` that must be there.
        source: where the criterion comes from.
        score: the pure function; element by element; higher means keep.
        removes: which weights have the lowest scores, as a noun phrase for a sentence.
        uses: the knobs (of `KNOBS`) that change its scores.
        terms: additive terms, where the score is a sum; None: one term, the score itself.
        terms_of: what the terms add up to, as a noun phrase.
        fixed_alignment: the alignment it is defined with, whatever the settings say; None: the settings decide.

    Raises:
        GapruneError: a name, need or knob that does not exist.
    """

    name: str
    label: str
    formula: str
    needs: tuple[str, ...]
    source: str
    score: Score
    removes: str = ""
    uses: tuple[str, ...] = ()
    terms: Terms | None = None
    terms_of: str = "the score"
    fixed_alignment: Alignment | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", self.name):
            raise GapruneError(
                f"A criterion cannot be named {self.name!r}.",
                "Use lower case letters, digits and underscores, at most 64, starting with a letter.",
            )
        for given, known, what in ((self.needs, STATISTICS, "needs"), (self.uses, KNOBS, "uses")):
            wrong = [name for name in given if name not in known]
            if wrong:
                raise GapruneError(
                    f"Criterion {self.name!r} {what} {', '.join(wrong)}, which does not exist.",
                    f"It can be: {', '.join(known)}.",
                )
        if not self.removes:
            object.__setattr__(self, "removes", f"the weights that {self.label} scores lowest")


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


def _random(w: WeightStatistics, s: ResolvedScore) -> Tensor:
    index = w.flat_index
    if index is None:
        if w.theta.dim() != 2:
            raise ValueError("random needs the flat index of the weights of a sample")
        index = torch.arange(w.theta.numel(), device=w.theta.device).view(w.theta.shape)
    return uniform(s.seed, w.matrix_index, index)


def _power(fisher: Tensor, power: float) -> Tensor:
    if power == 1:
        return fisher
    return fisher.sqrt() if power == 0.5 else fisher.pow(power)


_PAPER = "Tang and Yang, GAPrune, arXiv 2509.10844"
_DAI_NEEDS = ("theta", "fisher_domain", "fisher_general", "alignment")

BUILT_IN: tuple[Criterion, ...] = (
    Criterion(
        "dai",
        "DAI",
        r"\left(\kappa\,(F_d^{\,p}-\beta F_g^{\,p})\,|\theta|+\gamma\sqrt{|\theta|}\right)(1+\alpha s)",
        _DAI_NEEDS,
        f"{_PAPER}, with a scale kappa and a power p (both 1 in the paper)",
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
        f"{_PAPER}, the authors' released code: alignment scales the Fisher term only and is the unit product",
        _dai_released,
        uses=("alpha", "beta", "gamma"),
        terms=_dai_released_terms,
        terms_of="the score before softplus",
        fixed_alignment=Alignment.UNIT_PRODUCT,
    ),
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
    Criterion(
        "fisher_domain",
        "Domain Fisher",
        r"F_d",
        ("fisher_domain",),
        f"{_PAPER}, baseline",
        lambda w, s: w.fisher_domain,
        removes="the weights with the least Fisher information on domain data",
    ),
    Criterion(
        "fisher_general",
        "General Fisher",
        r"F_g",
        ("fisher_general",),
        f"{_PAPER}, baseline",
        lambda w, s: w.fisher_general,
        removes="the weights with the least Fisher information on general data",
    ),
    Criterion(
        "taylor_domain",
        "Domain Taylor",
        r"|\theta\,\bar g_d|",
        ("theta", "grad_domain"),
        "Molchanov et al., Importance estimation for neural network pruning, CVPR 2019",
        lambda w, s: (w.theta * w.grad_domain).abs(),
        removes="the weights whose removal changes the domain loss least to first order",
    ),
    Criterion(
        "obd_domain",
        "Domain OBD",
        r"F_d\,\theta^2",
        ("theta", "fisher_domain"),
        "LeCun, Denker and Solla, Optimal brain damage, NeurIPS 1989, with Fisher information for the Hessian",
        lambda w, s: w.fisher_domain * w.theta.square(),
        removes="the weights with the least Fisher information times θ² on domain data",
    ),
    Criterion(
        "obd_joint",
        "Joint OBD",
        r"(F_d+F_g)\,\theta^2",
        ("theta", "fisher_domain", "fisher_general"),
        "LeCun, Denker and Solla, Optimal brain damage, NeurIPS 1989, on domain and general data together",
        lambda w, s: (w.fisher_domain + w.fisher_general) * w.theta.square(),
        removes="the weights with the least Fisher information times θ² on domain and general data together",
    ),
    Criterion(
        "wanda",
        "Wanda",
        r"|\theta_{ij}|\;\mathrm{rms}(x_j)",
        ("theta", "act_domain"),
        "Sun et al., A simple and effective pruning approach for large language models, ICLR 2024 "
        "(which compares within each output row: allocation row)",
        lambda w, s: w.theta.abs() * w.act_domain,
        removes="the weights with the smallest |θ| times input activation on domain data",
    ),
)
