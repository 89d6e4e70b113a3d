"""Scoring weights with a criterion: what it needs, its numbers, its terms."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from gaprune_viz.calibration.description import NO_LABELS
from gaprune_viz.config import Alignment, FisherEstimate, ScoreSpec
from gaprune_viz.criteria.criterion import Criterion, ResolvedScore, WeightStatistics
from gaprune_viz.criteria.registry import criterion
from gaprune_viz.errors import GapruneError


def alignment_of(chosen: Criterion, spec: ScoreSpec) -> Alignment:
    """The alignment a criterion is to be given: its own where it has one, else the setting."""
    return chosen.fixed_alignment or spec.alignment


def estimate_of(chosen: Criterion, spec: ScoreSpec) -> FisherEstimate:
    """The estimate that a criterion reads; one that reads no Fisher information is served by any run."""
    return spec.fisher_estimate if "fisher_estimate" in chosen.knobs else FisherEstimate.RAW


def score_weights(chosen: Criterion, weights: WeightStatistics, numbers: ResolvedScore) -> Tensor:
    """Scores of some weights, higher means keep; the shape of the statistics.

    Raises:
        GapruneError: a statistic that the criterion needs is None, or a mass that it divides by is not known or 0.
    """
    _require(chosen, weights, numbers)
    return chosen.score(weights, numbers)


def terms_of(chosen: Criterion, weights: WeightStatistics, numbers: ResolvedScore) -> dict[str, Tensor]:
    """The additive terms of the scores; their sum is `chosen.terms_of`. One term, the score, where there are no others.

    Raises:
        GapruneError: a statistic that the criterion needs is None, or a mass that it divides by is not known or 0.
    """
    _require(chosen, weights, numbers)
    if chosen.terms is None:
        return {chosen.name: chosen.score(weights, numbers)}
    return chosen.terms(weights, numbers)


def _require(chosen: Criterion, weights: WeightStatistics, numbers: ResolvedScore) -> None:
    missing = [need for need in chosen.needs if getattr(weights, need) is None]
    if missing:
        # Where the sources say something and their agreement alone is not known, they have no gradients.
        unsaid = "grad_domain" in missing or (missing == ["source_agreement"] and weights.source_least is not None)
        raise GapruneError(
            f"Criterion {chosen.name!r} needs {' and '.join(missing)}, which is not in this run.",
            f"Choose another criterion, or analyse triplets: {NO_LABELS}, and so no gradients."
            if unsaid
            else "Run the analysis again, or choose another criterion.",
        )
    if chosen.equal_sides and not (numbers.mass_domain > 0 and numbers.mass_general > 0):
        raise GapruneError(
            f"Criterion {chosen.name!r} divides each side's Fisher information by its mean, which this analysis does "
            "not hold or which is 0.",
            "Run the analysis again, or choose another criterion.",
        )


def lacking(gradients: Mapping[str, bool]) -> tuple[str, ...]:
    """The statistics that no criterion can have where a side has no gradients.

    Alignment is not among them: with no gradient to compare it is 0, and a score that it takes part in stays what it is
    without.
    """
    agreement = () if all(gradients.values()) else ("source_agreement",)
    return agreement if gradients.get("domain", True) else ("grad_domain", *agreement)


def resolve(spec: ScoreSpec, kappa: float, scales: Mapping[str, float] | None = None) -> ResolvedScore:
    """The numbers of a spec. `kappa` is what "auto" stands for, and is ignored where the spec holds a number.

    Args:
        scales: of the run, with `mass_domain` and `mass_general`: nan where it lacks them, as in runs of earlier
            versions. None: masses of 1.
    """
    found = {"mass_domain": 1.0, "mass_general": 1.0} if scales is None else scales
    return ResolvedScore(
        alpha=spec.alpha,
        beta=spec.beta,
        gamma=spec.gamma,
        kappa=kappa if spec.fisher_scale == "auto" else float(spec.fisher_scale),
        power=float(spec.fisher_power),
        seed=spec.seed,
        mass_domain=found.get("mass_domain", math.nan),
        mass_general=found.get("mass_general", math.nan),
    )


def numbers_of(spec: ScoreSpec, scales: Mapping[str, float]) -> ResolvedScore:
    """What a spec's criterion computes with in a run; kappa is 1 for a criterion that has none.

    Raises:
        GapruneError: as `kappa_of`, where the criterion has one.
    """
    scaled = "fisher_scale" in criterion(spec.criterion).uses
    return resolve(spec, kappa_of(spec, scales) if scaled else 1.0, scales)


def kappa_of(spec: ScoreSpec, scales: Mapping[str, float]) -> float:
    """The number behind kappa.

    Args:
        scales: the medians and masses of a run (`Statistics.scales`).

    Raises:
        GapruneError: it is "auto" and has no value in this run.
    """
    if spec.fisher_scale != "auto":
        return float(spec.fisher_scale)
    name = f"{criterion(spec.criterion).scaled}_{float(spec.fisher_power)}"
    if spec.fisher_estimate is not FisherEstimate.RAW:
        name = f"{name}_{spec.fisher_estimate.value}"
    if name not in scales:
        raise GapruneError(
            f"This analysis is of an earlier version, which kept no median for κ auto of {spec.criterion} here.",
            "Run it again, set κ to a number, or choose Fisher estimate raw and criterion dai.",
        )
    return auto_kappa(scales["sqrt_theta"], scales[name])


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
