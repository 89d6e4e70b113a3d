"""What determines an experiment beyond pruning: how a pruned model is retrained."""

from __future__ import annotations

from pydantic import Field

from gaprune_viz.config.base import Spec


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
