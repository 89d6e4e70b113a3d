"""What a transfer map compares: calibrated on one source, measured on every one."""

from __future__ import annotations

from pydantic import Field, field_validator

from gaprune_viz.config.analysis import CalibrationSpec, ModelSpec, Sampling, Scope
from gaprune_viz.config.base import Spec, given_once, seeds_in_bounds, sparsities_in_bounds
from gaprune_viz.config.refit import RefitSpec

MOST_SOURCES = 8
"""Every way to pair calibrations with tasks is looked at: 8! are 40,320."""
FOLDER_PREFIX = "transfer-"
"""A folder of this name in the workspace is offered in the tab Domains."""


class TransferSpec(Spec):
    """Calibrate on each source, measure on every one: does pruning for a domain differ from pruning in general?"""

    model: ModelSpec = ModelSpec()
    calibration: CalibrationSpec = CalibrationSpec(samples=64, sampling=Sampling.RANDOM, scope=Scope.LINEAR)
    refit: RefitSpec = Field(
        default=RefitSpec(),
        description="Where it is on, everything is also measured with its kept weights fitted anew, on the texts that "
        "its mask was made with.",
        json_schema_extra={"label": "Refit"},
    )
    sources: tuple[str, ...] = Field(
        default=("chemistry", "finance", "general"),
        max_length=MOST_SOURCES,
        description="Calibrated on in turn, and all measured: starter names, ontology:chebi, ontology:mondo:300 (with "
        "about 300 passages to search), BEIR folders, or TRIPLETS@TASK; separated by commas.",
        json_schema_extra={"label": "Sources"},
    )
    criteria: tuple[str, ...] = Field(
        default=("balanced", "obd_domain", "wanda"),
        min_length=1,
        max_length=20,
        description="Criteria and presets that choose the weights, separated by commas.",
        json_schema_extra={"label": "Criteria"},
    )
    sparsities: tuple[float, ...] = Field(
        default=(0.5, 0.7),
        min_length=1,
        max_length=10,
        description="Fractions of the scope to prune, separated by commas.",
        json_schema_extra={"label": "Sparsities"},
    )
    control: bool = Field(
        default=True,
        description="Also measure the control: the same calibration texts, shuffled between the sources. It must find "
        "no advantage. It is of masks without a refit, and of the first seed.",
        json_schema_extra={"label": "Shuffled control"},
    )
    seeds: tuple[int, ...] = Field(
        default=(),
        max_length=10,
        description="Also draw the calibration texts with these seeds: scores are then means over all seeds.",
        json_schema_extra={"label": "More seeds"},
    )

    _once = field_validator("sources", "criteria", "sparsities", "seeds")(given_once)
    _pruned = field_validator("sparsities")(sparsities_in_bounds)
    _drawn = field_validator("seeds")(seeds_in_bounds)

    @field_validator("sources")
    @classmethod
    def _sources_have_names(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if len(values) < 2:
            raise ValueError("a transfer map needs at least two sources")
        if not all(value.strip() and len(value) <= 1_024 for value in values):
            raise ValueError("must be names of at most 1,024 characters")
        return values
