"""What is set side by side where quality is weighed against time and size."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from gaprune_viz.config.base import Spec
from gaprune_viz.config.pruning import ScoreSpec, Settings
from gaprune_viz.config.refit import RefitSpec

# Shares that go: of neurons, of layers, and of single weights.
NEURON_SHARES = (0.25, 0.5)
LAYER_SHARE = 1 / 3
WEIGHT_SHARES = (0.5, 0.7)


class FrontierSpec(Spec):
    """A frontier: smaller models and what people would use instead, on one machine in one run."""

    task: str = Field(
        default="chemistry",
        min_length=1,
        description="The domain's task: a starter name, ontology:chebi, or a BEIR folder.",
        json_schema_extra={"label": "Task"},
    )
    general_task: str = Field(
        default="general",
        min_length=1,
        description="The general task.",
        json_schema_extra={"label": "General task"},
    )
    steps: int = Field(
        default=100,
        ge=0,
        le=100_000,
        description="Steps of retraining after structures are cut; what is best on held-out calibration queries is "
        "kept. At 0 none.",
        json_schema_extra={"label": "Retraining after a cut", "unit": "steps"},
    )
    rounds: int = Field(
        default=7,
        ge=1,
        le=1_000,
        description="Times each model encodes the texts; the median counts.",
        json_schema_extra={"label": "Rounds"},
    )
    settings: Settings = Field(
        default=Settings(score=ScoreSpec(criterion="obd_joint"), refit=RefitSpec(refit=True)),
        description="How weights are scored and refitted.",
        json_schema_extra={"label": "Settings"},
    )

    def content(self) -> dict[str, Any]:
        """What determines quality: rounds have no part in it."""
        return {name: value for name, value in super().content().items() if name != "rounds"}
