"""What is cut whole, so that the model becomes smaller and faster: neurons, attention heads, layers."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from gaprune_viz.config.base import Spec


class Structure(StrEnum):
    """What goes. `weights` are single ones: they are set to zero, and the model keeps its size."""

    WEIGHTS = "weights"
    NEURONS = "neurons"
    HEADS = "heads"
    LAYERS = "layers"


class Evidence(StrEnum):
    """By what a structure is ranked."""

    CRITERION = "criterion"
    SAMPLES = "samples"


class StructureSpec(Spec):
    """Structures that are taken out of a model instead of single weights."""

    structure: Structure = Field(
        default=Structure.WEIGHTS,
        description="What goes: single `weights`, which become zeros; or whole MLP `neurons`, attention `heads` with "
        "the keys and values that they share, or `layers`, which makes the model smaller and faster. Of structures, "
        "sparsity is the share that goes, the same in every layer.",
        json_schema_extra={"label": "Structure"},
    )
    multiple: int = Field(
        default=32,
        ge=1,
        le=1024,
        description="Neurons that stay in a layer are rounded to a multiple of this: what vector units of processors "
        "and tensor cores of cards divide evenly.",
        json_schema_extra={"label": "Width, multiple of", "unit": "neurons", "ui_maximum": 128},
    )
    evidence: Evidence = Field(
        default=Evidence.CRITERION,
        description="By what structures are ranked: `criterion`, the sum of the scores of their weights; or `samples`, "
        "the mean over calibration samples of the squared change of the loss, to first order, where a neuron is taken "
        "out: neurons only.",
        json_schema_extra={"label": "Ranked by"},
    )
    steps: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="Steps of retraining after the cut, on the domain's triplets. With --refit or these, what comes "
        "out best on held-out calibration queries is kept.",
        json_schema_extra={"label": "Retraining after the cut", "unit": "steps", "ui_maximum": 500},
    )

    @property
    def whole(self) -> bool:
        """Whether structures go, not single weights."""
        return self.structure is not Structure.WEIGHTS
