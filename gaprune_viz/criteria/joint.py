"""Both sides weighed alike: each side's Fisher information over its mean, then added.

The loss of one side may be much steeper than the other's, and a plain sum then serves that side alone.
"""

from __future__ import annotations

from torch import Tensor

from gaprune_viz.criteria.criterion import PAPER, Criterion, ResolvedScore, WeightStatistics


def both(w: WeightStatistics, s: ResolvedScore) -> Tensor:
    """J = F_domain / mean F_domain + F_general / mean F_general, in the shape of the weights."""
    return w.fisher_domain / s.mass_domain + w.fisher_general / s.mass_general


def _terms(w: WeightStatistics, s: ResolvedScore) -> dict[str, Tensor]:
    size, joint = w.theta.abs(), both(w, s)
    powered = joint.sqrt() if s.power == 0.5 else joint.pow(s.power)
    return {"fisher_joint": s.kappa * powered * size, "magnitude": s.gamma * size.sqrt()}


def _joint(w: WeightStatistics, s: ResolvedScore) -> Tensor:
    terms = _terms(w, s)
    return terms["fisher_joint"] + terms["magnitude"]


CRITERIA: tuple[Criterion, ...] = (
    Criterion(
        "obd_equal",
        "Joint OBD, equal sides",
        r"\left(F_d/\bar F_d+F_g/\bar F_g\right)\theta^2",
        ("theta", "fisher_domain", "fisher_general"),
        "LeCun, Denker and Solla, Optimal brain damage, NeurIPS 1989, on both sides, each over its mean",
        lambda w, s: both(w, s) * w.theta.square(),
        removes="the weights with the least Fisher information times θ², both sides weighed alike",
        equal_sides=True,
    ),
    Criterion(
        "joint",
        "Joint importance",
        r"\kappa\,\left(F_d/\bar F_d+F_g/\bar F_g\right)^p|\theta|+\gamma\sqrt{|\theta|}",
        ("theta", "fisher_domain", "fisher_general"),
        f"{PAPER}, with both sides added, each over its mean, where the paper subtracts",
        _joint,
        removes="the weights that neither side nor their size speaks for",
        uses=("gamma", "fisher_scale", "fisher_power"),
        terms=_terms,
        scaled="joint_theta",
        equal_sides=True,
    ),
)
