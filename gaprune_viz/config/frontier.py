"""What is set side by side where quality is weighed against time and size."""

from __future__ import annotations

from pydantic import Field, field_validator

from gaprune_viz.config.base import Spec
from gaprune_viz.config.pruning import ScoreSpec, Settings
from gaprune_viz.config.refit import RefitSpec

# Shares that go: of neurons, of layers, and of single weights.
NEURON_SHARES = (0.25, 0.5)
LAYER_SHARE = 1 / 3
WEIGHT_SHARES = (0.5, 0.7)
FRONTIER_ROWS = (
    "dense",
    "dense-int8",
    "neurons-25",
    "neurons-25-int8",
    "neurons-50",
    "neurons-50-int8",
    "layers",
    "weights-50",
    "weights-70",
    "static",
)


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
    rows: tuple[str, ...] = Field(
        default=FRONTIER_ROWS,
        description="What is measured; the dense model always is.",
        json_schema_extra={"label": "Rows"},
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

    @field_validator("rows")
    @classmethod
    def _rows_are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if name not in FRONTIER_ROWS]
        if unknown:
            raise ValueError(f"{unknown[0]} is none of {', '.join(FRONTIER_ROWS)}")
        return tuple(name for name in FRONTIER_ROWS if name in value or name == "dense")
