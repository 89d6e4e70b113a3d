"""Scoring weights with a criterion: what it needs, its numbers, its terms."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from gaprune_viz.config import Alignment, ScoreSpec
from gaprune_viz.criteria.criterion import Criterion, ResolvedScore, WeightStatistics
from gaprune_viz.errors import GapruneError


def alignment_of(chosen: Criterion, spec: ScoreSpec) -> Alignment:
    """The alignment a criterion is to be given: its own where it has one, else the setting."""
    return chosen.fixed_alignment or spec.alignment


def score_weights(chosen: Criterion, weights: WeightStatistics, numbers: ResolvedScore) -> Tensor:
    """Scores of some weights, higher means keep; the shape of the statistics.

    Raises:
        GapruneError: a statistic that the criterion needs is None.
    """
    _require(chosen, weights)
    return chosen.score(weights, numbers)


def terms_of(chosen: Criterion, weights: WeightStatistics, numbers: ResolvedScore) -> dict[str, Tensor]:
    """The additive terms of the scores; their sum is `chosen.terms_of`. One term, the score, where there are no others.

    Raises:
        GapruneError: a statistic that the criterion needs is None.
    """
    _require(chosen, weights)
    if chosen.terms is None:
        return {chosen.name: chosen.score(weights, numbers)}
    return chosen.terms(weights, numbers)


def _require(chosen: Criterion, weights: WeightStatistics) -> None:
    missing = [need for need in chosen.needs if getattr(weights, need) is None]
    if missing:
        raise GapruneError(
            f"Criterion {chosen.name!r} needs {' and '.join(missing)}, which is not in this run.",
            "Choose another criterion, or analyse triplets: plain texts have no labels, and so no gradients."
            if "grad_domain" in missing
            else "Run the analysis again, or choose another criterion.",
        )


def lacking(gradients: Mapping[str, bool]) -> tuple[str, ...]:
    """The statistics that no criterion can have where a side has no gradients.

    Alignment is not among them: with no gradient to compare it is 0, and a score that it takes part in stays what it is
    without.
    """
    return () if gradients.get("domain", True) else ("grad_domain",)


def resolve(spec: ScoreSpec, kappa: float) -> ResolvedScore:
    """The numbers of a spec. `kappa` is what "auto" stands for, and is ignored where the spec holds a number."""
    return ResolvedScore(
        alpha=spec.alpha,
        beta=spec.beta,
        gamma=spec.gamma,
        kappa=kappa if spec.fisher_scale == "auto" else float(spec.fisher_scale),
        power=float(spec.fisher_power),
        seed=spec.seed,
    )


def auto_kappa(median_sqrt_theta: float, median_fisher_theta: float) -> float:
    """The scale that makes the Fisher term of DAI as large as the magnitude term: the ratio of their medians.

    Args:
        median_sqrt_theta: median of sqrt|theta| over the scope.
        median_fisher_theta: median of fisher_domain**power * |theta| over the scope.

    Raises:
        GapruneError: the Fisher median is 0 or not finite, so no scale exists.
    """
    ratio = median_sqrt_theta / median_fisher_theta if median_fisher_theta > 0 else math.inf
    if not math.isfinite(ratio):
        raise GapruneError(
            f"κ auto has no value: the median of Fisher information times |θ| is {median_fisher_theta:g} here.",
            "Set κ to a number, use Fisher power 0.5, or calibrate with more samples.",
        )
    return ratio
