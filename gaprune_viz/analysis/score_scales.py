"""Sizes that scores of a run are set against: the masses of both sides, and the medians behind kappa = auto."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gaprune_viz.config import FISHER_POWERS, SIDES, FisherEstimate
from gaprune_viz.sketch.sample import Sketch


def scales_of(sketch: Sketch, totals: Mapping[str, float], weights: int) -> dict[str, float]:
    """The masses, and the medians of what kappa = auto brings to the size of sqrt|theta|.

    Args:
        sketch: of the run; the medians are those of its scattered sample. (Those of DAI with raw Fisher information
            are taken over every weight, and are kept apart.)
        totals: sum of the Fisher information over the scope, by side.
        weights: how many the scope has.

    Returns:
        `mass_domain`, `mass_general`: mean Fisher information of a weight. `fisher_theta_P_ESTIMATE` and
        `joint_theta_P`, `joint_theta_P_ESTIMATE`: weighted medians of F_d^P |theta| and J^P |theta| with
        J = F_d / mass_domain + F_g / mass_general. What has no value is left out.
    """
    masses = {side: totals[side] / weights for side in SIDES}
    scales = {f"mass_{side}": mass for side, mass in masses.items()}
    sample = sketch.scattered
    theta, weight = sample.theta.abs().double().numpy(), sample.weight.double().numpy()
    for kind in FisherEstimate:
        fisher = {side: sample.fisher(kind, side).double().numpy() for side in SIDES}
        tail = "" if kind is FisherEstimate.RAW else f"_{kind.value}"
        for power in FISHER_POWERS:
            if tail:
                scales[f"fisher_theta_{power}{tail}"] = _median(fisher["domain"] ** power * theta, weight)
            if all(mass > 0 for mass in masses.values()):
                joint = sum(fisher[side] / masses[side] for side in SIDES)
                scales[f"joint_theta_{power}{tail}"] = _median(joint**power * theta, weight)
    return scales


def _median(values: np.ndarray, weight: np.ndarray) -> float:
    order = np.argsort(values, kind="stable")
    ends = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(ends, ends[-1] / 2)]])
