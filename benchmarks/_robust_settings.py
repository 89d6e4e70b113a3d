"""The settings that are held against each other, and the steps of the ablation."""

from __future__ import annotations

from typing import Any

from gaprune_viz.config import Allocation, Fisher, FisherEstimate, MaskSpec, ScoreSpec, Settings
from gaprune_viz.config.presets import PRESETS

BALANCED = PRESETS["balanced"].settings.score
OBD = ScoreSpec(criterion="obd_joint")
EQUAL = ScoreSpec(criterion="obd_equal")
JOINT = ScoreSpec(criterion="joint", fisher_scale="auto", fisher_power=0.5, gamma=1.0)
PLAIN, WHOLE, CEILING = MaskSpec(), MaskSpec(whole_neurons=True), MaskSpec(row_ceiling=0.9)


def _smooth(score: ScoreSpec, kind: FisherEstimate = FisherEstimate.RANK_ONE) -> ScoreSpec:
    return score.with_(fisher_estimate=kind)


CANDIDATES: dict[str, Settings] = {
    "magnitude": Settings(score=ScoreSpec(criterion="magnitude")),
    "magnitude, whole neurons": Settings(score=ScoreSpec(criterion="magnitude"), mask=WHOLE),
    "wanda": Settings(score=ScoreSpec(criterion="wanda")),
    "wanda, one global threshold": Settings(
        score=ScoreSpec(criterion="wanda"), mask=MaskSpec(allocation=Allocation.GLOBAL)
    ),
    "wanda, whole neurons": Settings(score=ScoreSpec(criterion="wanda"), mask=WHOLE),
    "obd_domain, whole neurons": Settings(score=ScoreSpec(criterion="obd_domain"), mask=WHOLE),
    "taylor_domain, whole neurons": Settings(score=ScoreSpec(criterion="taylor_domain"), mask=WHOLE),
    "DAI of the paper, whole neurons": Settings(mask=WHOLE),
    "DAI as released, whole neurons": Settings(score=ScoreSpec(criterion="dai_released"), mask=WHOLE),
    "obd_joint": Settings(score=OBD),
    "obd_joint, whole neurons": Settings(score=OBD, mask=WHOLE),
    "obd_joint, row ceiling 0.9": Settings(score=OBD, mask=CEILING),
    "obd_equal, rank-one, whole neurons": Settings(score=_smooth(EQUAL), mask=WHOLE),
    "balanced": Settings(score=BALANCED),
    "balanced, whole neurons": Settings(score=BALANCED, mask=WHOLE),
    "balanced, beta -0.3": Settings(score=BALANCED.with_(beta=-0.3)),
    "balanced, beta -0.3, whole neurons": Settings(score=BALANCED.with_(beta=-0.3), mask=WHOLE),
    "balanced, beta -0.3, rank-one, whole neurons": Settings(score=_smooth(BALANCED.with_(beta=-0.3)), mask=WHOLE),
    "joint": Settings(score=JOINT),
    "joint, whole neurons": Settings(score=JOINT, mask=WHOLE),
    "joint, row ceiling 0.9": Settings(score=JOINT, mask=CEILING),
    "joint, shrunk, whole neurons": Settings(score=_smooth(JOINT, FisherEstimate.SHRUNK), mask=WHOLE),
    "joint, rank-one, whole neurons": Settings(score=_smooth(JOINT), mask=WHOLE),
    "joint, rank-one, gamma 2, whole neurons": Settings(score=_smooth(JOINT.with_(gamma=2.0)), mask=WHOLE),
    "joint, rank-one, gamma 0.5, whole neurons": Settings(score=_smooth(JOINT.with_(gamma=0.5)), mask=WHOLE),
    "balanced, temperature 0.2": Settings(score=BALANCED),
    "joint, shrunk, whole neurons, the model's own Fisher": Settings(
        score=_smooth(JOINT, FisherEstimate.SHRUNK), mask=WHOLE
    ),
    "joint, shrunk, whole neurons, Fisher of embeddings": Settings(
        score=_smooth(JOINT, FisherEstimate.SHRUNK), mask=WHOLE
    ),
}

CALIBRATED: dict[str, dict[str, Any]] = {
    "balanced, temperature 0.2": {"temperature": 0.2},
    "joint, shrunk, whole neurons, the model's own Fisher": {"fisher": Fisher.MODEL},
    "joint, shrunk, whole neurons, Fisher of embeddings": {"fisher": Fisher.EMBEDDING},
}
"""Entries with a calibration of their own, and what differs in it."""

ABLATION = (
    "balanced",
    "balanced, beta -0.3",
    "balanced, beta -0.3, whole neurons",
    "joint, whole neurons",
    "joint, shrunk, whole neurons",
    "joint, rank-one, whole neurons",
)
"""Each step changes one thing of the step before."""
