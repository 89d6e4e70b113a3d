"""Looking up criteria, taking plug-ins, and scoring weights with them.

A plug-in is a package with an entry point in the group `gaprune_viz.criteria` that loads to a `Criterion`.
"""

from __future__ import annotations

import difflib
import functools
import math
from importlib.metadata import entry_points

from torch import Tensor

from gaprune_viz.config import Alignment, ScoreSpec
from gaprune_viz.core.criteria import BUILT_IN, KNOBS, STATISTICS, Criterion, ResolvedScore, WeightStatistics
from gaprune_viz.errors import GapruneError

__all__ = [
    "CRITERIA",
    "ENTRY_POINT_GROUP",
    "KNOBS",
    "STATISTICS",
    "Criterion",
    "ResolvedScore",
    "WeightStatistics",
    "alignment_of",
    "auto_kappa",
    "criteria",
    "criterion",
    "register",
    "resolve",
    "score_weights",
    "terms_of",
]

ENTRY_POINT_GROUP = "gaprune_viz.criteria"

CRITERIA: dict[str, Criterion] = {built_in.name: built_in for built_in in BUILT_IN}
"""The built-in and registered criteria. `criteria()` has the plug-ins as well."""


def register(new: Criterion) -> Criterion:
    """Add a criterion for the life of this process, from a notebook or a test. Returns it.

    Raises:
        GapruneError: it is no `Criterion`, or its name is taken by another.
    """
    _check(new, "What was registered", criteria())
    CRITERIA[new.name] = new
    return new


def criteria() -> dict[str, Criterion]:
    """Every criterion by name: built in, registered, plugged in.

    Raises:
        GapruneError: an installed plug-in is broken.
    """
    return {**CRITERIA, **_plug_ins()}


def criterion(name: str) -> Criterion:
    """A criterion by name.

    Raises:
        GapruneError: no such criterion; the nearest names are in the hint.
    """
    if name in CRITERIA:
        return CRITERIA[name]
    known = criteria()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Criteria are: {', '.join(known)}."
    raise GapruneError(f"There is no criterion {name!r}.", hint)


@functools.cache
def _plug_ins() -> dict[str, Criterion]:
    found: dict[str, Criterion] = {}
    for point in entry_points(group=ENTRY_POINT_GROUP):
        origin = f"The plug-in {point.name!r} ({point.value})"
        try:
            loaded = point.load()
        except (ImportError, AttributeError) as error:
            raise GapruneError(f"{origin} cannot be loaded: {error}.", "Repair or uninstall its package.") from error
        _check(loaded, origin, {**CRITERIA, **found})
        found[loaded.name] = loaded
    return found


def _check(candidate: object, origin: str, taken: dict[str, Criterion]) -> None:
    if not isinstance(candidate, Criterion):
        raise GapruneError(
            f"{origin} is of type {type(candidate).__name__}, not Criterion.",
            "It must be an object of gaprune_viz.core.scoring.Criterion.",
        )
    if taken.get(candidate.name, candidate) is not candidate:
        raise GapruneError(
            f"{origin} is called {candidate.name!r}, and so is another criterion.", "Give it a name of its own."
        )


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
            "Run the analysis again, or choose another criterion.",
        )


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
