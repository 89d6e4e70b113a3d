"""What can be refused of a cut before a model is loaded: settings, and what an analysis lacks."""

from __future__ import annotations

from collections.abc import Sequence

from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import Allocation, Evidence, Settings, Structure
from gaprune_viz.errors import GapruneError
from gaprune_viz.pruning.structured.counting import NOUNS


def refuse_settings(settings: Settings, statistics: Statistics) -> None:
    """Refuse what can be told without the model.

    Raises:
        GapruneError: the settings contradict each other, or the analysis lacks what they ask for.
    """
    spec = settings.structure
    if spec.evidence is Evidence.SAMPLES and spec.structure is not Structure.NEURONS:
        raise GapruneError(
            f"Changes of the loss by sample are measured of neurons, not of {spec.structure.value}.",
            "Leave out --structure-evidence.",
        )
    if settings.refit.refit and spec.structure is Structure.LAYERS:
        raise GapruneError(
            "A refit cannot follow a cut of whole layers: there is no layer left that could make good for them.",
            "Leave out --refit; retrain instead: --structure-steps 100.",
        )
    if spec.steps and not statistics.gradients["domain"]:
        raise GapruneError(
            "The domain's data are plain texts, and a model is retrained on triplets.", "Leave out --structure-steps."
        )
    if spec.evidence is Evidence.SAMPLES and not statistics.has_cuts:
        raise GapruneError(
            "This analysis lacks what the loss changes by where a neuron is taken out: it was made before that was "
            "measured, or without MLPs, or is kept compact.",
            "Run the analysis again, or rank by the criterion.",
        )
    if settings.mask.allocation not in (Allocation.AUTO, Allocation.LAYER):
        raise GapruneError(
            f"Structures are ranked within their layer, not under allocation {settings.mask.allocation.value}: a plain "
            "configuration holds one width for all layers.",
            "Leave out --allocation.",
        )


def refuse_unanalysed(settings: Settings, names: Sequence[str], statistics: Statistics) -> None:
    """Refuse a cut whose scores are made of matrices that were not analysed.

    Args:
        names: of the matrices that a unit's score is made of. Of layers, those of their weights decide that were.

    Raises:
        GapruneError: naming the first one that is lacking.
    """
    spec, known = settings.structure, set(statistics.names)
    there = [name for name in names if name in known]
    if spec.evidence is Evidence.SAMPLES or len(there) >= (1 if spec.structure is Structure.LAYERS else len(names)):
        return
    lacking = next(name for name in names if name not in known)
    raise GapruneError(
        f"{lacking} was not analysed (scope {statistics.run.calibration.scope.value}), and the score of "
        f"{NOUNS[spec.structure]} is made of it.",
        "Run the analysis again with --scope linear.",
    )
