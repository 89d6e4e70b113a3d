"""What determines an experiment beyond pruning: how a pruned model is retrained, what a study compares."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, field_validator

from gaprune_viz.config.analysis import CalibrationSpec, ModelSpec, Sampling, Scope
from gaprune_viz.config.base import Spec, given_once, seeds_in_bounds, sparsities_in_bounds
from gaprune_viz.config.refit import RefitSpec

STUDY_ROWS = (
    "random",
    "magnitude",
    "fisher_general",
    "fisher_domain",
    "taylor_domain",
    "wanda",
    "obd_domain",
    "obd_joint",
    "dai_released",
    "paper",
    "balanced",
)


class RetrainSpec(Spec):
    """Masked fine-tuning after pruning."""

    steps: int = Field(
        default=100,
        ge=1,
        le=100_000,
        description="Optimizer steps. The paper retrains for 100.",
        json_schema_extra={"label": "Steps", "ui_maximum": 500},
    )
    batch_size: int = Field(
        default=32,
        ge=2,
        le=4_096,
        description="Triplets per step. Each query is told apart from all passages of its batch.",
        json_schema_extra={"label": "Batch size", "unit": "triplets", "ui_maximum": 64},
    )
    learning_rate: float = Field(
        default=1e-4,
        gt=0,
        le=1,
        description="Peak learning rate of AdamW.",
        json_schema_extra={"label": "Learning rate"},
    )
    weight_decay: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Decoupled weight decay of AdamW, on weight matrices only.",
        json_schema_extra={"label": "Weight decay"},
    )
    warmup: int = Field(
        default=10,
        ge=0,
        le=100_000,
        description="Steps in which the learning rate rises from 0; after them it falls linearly to 0.",
        json_schema_extra={"label": "Warm-up", "unit": "steps", "ui_maximum": 100},
    )
    temperature: float = Field(
        default=0.05,
        gt=0,
        le=10,
        description="Temperature of the contrastive loss.",
        json_schema_extra={"label": "Temperature"},
    )
    max_length: int | None = Field(
        default=None,
        ge=8,
        le=32_768,
        description="While retraining, texts are cut after this many tokens. Empty: as in the analysis.",
        json_schema_extra={"label": "Longest text", "unit": "tokens"},
    )
    clip: float = Field(
        default=1.0,
        gt=0,
        le=1e6,
        description="Largest norm of the gradient; longer ones are scaled down.",
        json_schema_extra={"label": "Gradient clipping"},
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="Seed of the order of the triplets.",
        json_schema_extra={"label": "Seed"},
    )


class StudySpec(Spec):
    """The paper's table on data and a model of one's own: criteria by sparsity, one-shot and retrained."""

    model: ModelSpec = ModelSpec()
    calibration: CalibrationSpec = CalibrationSpec(samples=600, sampling=Sampling.RANDOM, scope=Scope.LINEAR)
    retrain: RetrainSpec = RetrainSpec()
    refit: RefitSpec = Field(
        default=RefitSpec(),
        description="Where it is on, every row is also measured with its kept weights fitted anew, and retrained from "
        "there.",
        json_schema_extra={"label": "Refit", "later": True},
    )
    task: str = Field(
        default="chemistry",
        min_length=1,
        max_length=1_024,
        description="What the domain is measured on: a starter name, ontology:chebi, or a BEIR folder; "
        "FOLDER#identical-ids=keep lets a query find the passage of its own id.",
        json_schema_extra={"label": "Domain task"},
    )
    general_task: str = Field(
        default="general",
        min_length=1,
        max_length=1_024,
        description="What is measured beside it, of the same kinds.",
        json_schema_extra={"label": "General task"},
    )
    rows: tuple[str, ...] = Field(
        default=STUDY_ROWS,
        min_length=1,
        max_length=40,
        description="Criteria and presets to compare, separated by commas.",
        json_schema_extra={"label": "Rows"},
    )
    sparsities: tuple[float, ...] = Field(
        default=(0.3, 0.5, 0.6, 0.65),
        min_length=1,
        max_length=20,
        description="Fractions of the scope to prune, separated by commas. The paper's are 0.3 and 0.5.",
        json_schema_extra={"label": "Sparsities"},
    )
    retrained: bool = Field(
        default=True,
        description="Also retrain every pruned model, and the dense one as the control.",
        json_schema_extra={"label": "Retrain"},
    )
    ablation: bool = Field(
        default=True,
        description="Also move alpha, beta and gamma one at a time, from the paper's setting and from balanced.",
        json_schema_extra={"label": "Ablation"},
    )
    sample_sizes: tuple[int, ...] = Field(
        default=(64, 256),
        max_length=10,
        description="Also calibrate with so many samples a side, separated by commas; nothing leaves this part out.",
        json_schema_extra={"label": "Sample sizes"},
    )

    seeds: tuple[int, ...] = Field(
        default=(),
        max_length=10,
        description="Also calibrate with these seeds, one-shot, for the rows of the headline (magnitude, sparsegpt, "
        "paper, balanced and robust, as far as they are among the rows): comparisons are then over all seeds.",
        json_schema_extra={"label": "More seeds", "later": True},
    )

    _once = field_validator("rows", "sparsities", "sample_sizes", "seeds")(given_once)
    _pruned = field_validator("sparsities")(sparsities_in_bounds)
    _drawn = field_validator("seeds")(seeds_in_bounds)

    @field_validator("sample_sizes")
    @classmethod
    def _sample_sizes_are_in_bounds(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if not all(2 <= value <= 100_000 for value in values):
            raise ValueError("must be between 2 and 100,000")
        return values


class Objective(StrEnum):
    WEIGHTED = "weighted"
    WORST = "worst"


class RecommendSpec(Spec):
    """A search for settings of the DAI family."""

    task: str = Field(
        default="chemistry",
        min_length=1,
        max_length=1_024,
        description="What the domain is measured on: a starter name, ontology:chebi, or a BEIR folder; "
        "FOLDER#identical-ids=keep lets a query find the passage of its own id. Settings are "
        "chosen on one part of its topics and reported on the other.",
        json_schema_extra={"label": "Domain task"},
    )
    general_task: str = Field(
        default="general",
        min_length=1,
        max_length=1_024,
        description="What is measured beside it, of the same kinds.",
        json_schema_extra={"label": "General task"},
    )
    sparsity: float = Field(
        default=0.5,
        gt=0,
        le=0.95,
        description="Fraction of the scope's weights set to zero.",
        json_schema_extra={"label": "Sparsity", "step": 0.01},
    )
    trials: int = Field(
        default=24,
        ge=2,
        le=500,
        description="Settings that are tried on the validation part.",
        json_schema_extra={"label": "Trials", "ui_maximum": 60},
    )
    general_weight: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="How much the general side counts when settings are chosen; the domain counts the rest.",
        json_schema_extra={"label": "Weight of the general side", "step": 0.05},
    )
    objective: Objective = Field(
        default=Objective.WEIGHTED,
        description="What is made as large as possible: both sides' percent of dense, `weighted`, or the smaller one, "
        "the `worst`.",
        json_schema_extra={"label": "Objective", "later": True},
    )
    refit: RefitSpec = Field(
        default=RefitSpec(),
        description="Where it is on, everything that is tried or compared has its kept weights fitted anew.",
        json_schema_extra={"label": "Refit", "later": True},
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="Seed of the order of the grid.",
        json_schema_extra={"label": "Seed"},
    )
