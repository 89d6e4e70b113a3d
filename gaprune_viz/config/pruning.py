"""What the tuning bar holds: how weights are scored, and how many go."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from gaprune_viz.config.base import Spec
from gaprune_viz.config.refit import RefitSpec
from gaprune_viz.config.structure import StructureSpec

FISHER_POWERS = (1.0, 0.5)


class Alignment(StrEnum):
    SIGN = "sign"
    CORRELATION = "correlation"
    ROW = "row"
    MATRIX = "matrix"
    UNIT_PRODUCT = "unit_product"


class FisherEstimate(StrEnum):
    RAW = "raw"
    RANK_ONE = "rank_one"
    SHRUNK = "shrunk"


class Allocation(StrEnum):
    """Where the sparsity is met. `auto` is settled by the criterion; without one it is `global`."""

    AUTO = "auto"
    GLOBAL = "global"
    LAYER = "layer"
    MATRIX = "matrix"
    ROW = "row"


class ScoreSpec(Spec):
    """How a weight's importance is computed: higher means keep."""

    criterion: str = Field(
        default="dai",
        pattern=r"^[a-z][a-z0-9_]{0,63}$",
        description="Saliency criterion: what makes a weight worth keeping.",
        json_schema_extra={"label": "Criterion"},
    )
    alignment: Alignment = Field(
        default=Alignment.SIGN,
        description="How agreement of the domain and general gradients is measured.",
        json_schema_extra={"label": "Alignment"},
    )
    alpha: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Alignment weight: how much agreeing gradients raise, and conflicting ones lower, a score.",
        json_schema_extra={"label": "Alignment weight α", "step": 0.01},
    )
    beta: float = Field(
        default=1.0,
        ge=-1,
        le=2,
        description="How much of the general Fisher information is subtracted from the domain's; below 0 it is added. "
        "In criterion `dsp`, how much its spread over the sources counts against a weight.",
        json_schema_extra={"label": "General Fisher β", "step": 0.01},
    )
    gamma: float = Field(
        default=0.5,
        ge=0,
        le=4,
        description="Weight of the magnitude term √|θ|.",
        json_schema_extra={"label": "Magnitude γ", "step": 0.01},
    )
    fisher_scale: float | Literal["auto"] = Field(
        default=1.0,
        description="κ, the scale of the Fisher term. `auto` makes it as large as √|θ| in the median; the paper's "
        "formula has 1.",
        json_schema_extra={"label": "Fisher scale κ"},
    )
    fisher_power: float = Field(
        default=1.0,
        description="Exponent of the Fisher information: 1 as in the paper, 0.5 tames its heavy tail.",
        json_schema_extra={"label": "Fisher power p", "choices": list(FISHER_POWERS)},
    )
    fisher_estimate: FisherEstimate = Field(
        default=FisherEstimate.RAW,
        description="How Fisher information is estimated: `raw` as measured, `rank_one` by the means of its rows and "
        "columns, `shrunk` between the two by the number of samples.",
        json_schema_extra={"label": "Fisher estimate", "later": True},
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="Seed of the `random` criterion.",
        json_schema_extra={"label": "Seed of random"},
    )

    @field_validator("fisher_scale")
    @classmethod
    def _scale_is_usable(cls, value: float | str) -> float | str:
        if value != "auto" and not 0 <= float(value) <= 1e12:
            raise ValueError("must be `auto` or between 0 and 1e12")
        return value

    @field_validator("fisher_power")
    @classmethod
    def _power_is_known(cls, value: float) -> float:
        if value not in FISHER_POWERS:
            raise ValueError("must be 1 or 0.5")
        return value


class MaskSpec(Spec):
    """How many weights go, and where the counting is done."""

    sparsity: float = Field(
        default=0.5,
        ge=0,
        le=0.95,
        description="Fraction of the scope's weights set to zero.",
        json_schema_extra={"label": "Sparsity", "step": 0.01},
    )
    allocation: Allocation = Field(
        default=Allocation.AUTO,
        description="Where the fraction is met: over everything, in every layer, in every matrix, or in every row. "
        "`auto` is the group that the criterion's authors compare in.",
        json_schema_extra={"label": "Allocation"},
    )
    pattern: str = Field(
        default="unstructured",
        pattern=r"^(unstructured|[1-9]\d{0,2}:[1-9]\d{0,2})$",
        description="`unstructured`, or N:M such as 2:4, which keeps N of each M consecutive inputs and sets the "
        "sparsity itself.",
        json_schema_extra={"label": "Pattern", "choices": ["unstructured", "2:4", "4:8", "1:4"]},
    )
    floor: float = Field(
        default=0.0,
        ge=0,
        le=0.95,
        description="Least fraction pruned in any matrix.",
        json_schema_extra={"label": "Floor per matrix", "step": 0.01},
    )
    ceiling: float = Field(
        default=1.0,
        ge=0.05,
        le=1,
        description="Largest fraction pruned in any matrix.",
        json_schema_extra={"label": "Ceiling per matrix", "step": 0.01},
    )
    row_ceiling: float = Field(
        default=1.0,
        ge=0.05,
        le=1,
        description="Largest fraction pruned in any output row: a neuron keeps some of its inputs.",
        json_schema_extra={"label": "Ceiling per row", "step": 0.01, "later": True},
    )
    whole_neurons: bool = Field(
        default=False,
        description="An MLP neuron that loses nearly all its inputs is cut whole, output too: it would answer every "
        "text alike. Under row allocation and N:M every row keeps its share, and nothing changes.",
        json_schema_extra={"label": "Whole neurons", "later": True},
    )

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.pattern != "unstructured":
            kept, group = self.n_m
            if kept >= group:
                raise ValueError(f"pattern {self.pattern} prunes nothing: N must be less than M")
            if (group - kept) / group > self.row_ceiling:
                raise ValueError(f"pattern {self.pattern} prunes more of every row than row-ceiling allows")
            return self
        if self.whole_neurons and self.allocation is Allocation.MATRIX:
            raise ValueError("whole neurons span two matrices, which allocation matrix counts apart")
        if self.floor > self.ceiling:
            raise ValueError("floor is above ceiling")
        if not self.floor <= self.sparsity <= self.ceiling:
            raise ValueError("sparsity must lie between floor and ceiling")
        if self.sparsity > self.row_ceiling:
            raise ValueError("sparsity is above row-ceiling, so that no row has room for it")
        return self

    @property
    def n_m(self) -> tuple[int, int]:
        """(N, M) of an N:M pattern: keep N of each M. (0, 0) when unstructured."""
        if self.pattern == "unstructured":
            return (0, 0)
        kept, group = self.pattern.split(":")
        return int(kept), int(group)


class Settings(Spec):
    """What the tuning bar holds: which weights go, and what becomes of those that stay."""

    score: ScoreSpec = ScoreSpec()
    mask: MaskSpec = MaskSpec()
    refit: RefitSpec = Field(
        default=RefitSpec(),
        description="What becomes of the weights that stay: as they were, or fitted anew.",
        json_schema_extra={"label": "Refit", "later": True},
    )
    structure: StructureSpec = Field(
        default=StructureSpec(),
        description="What goes: single weights, or structures, without which the model is smaller and faster.",
        json_schema_extra={"label": "Structure", "later": True},
    )

    @model_validator(mode="after")
    def _structures_go_whole(self) -> Self:
        bounds = (self.mask.floor, self.mask.ceiling, self.mask.row_ceiling)
        if self.structure.whole and self.mask.pattern != "unstructured":
            raise ValueError(f"structures go whole, without the pattern {self.mask.pattern}")
        if self.structure.whole and bounds != (0.0, 1.0, 1.0):
            raise ValueError("structures go whole, without a floor or ceiling of matrices or rows")
        return self

    @property
    def mask_only(self) -> Self:
        """The same mask or cut, with the kept weights as they were."""
        return self.with_(refit=RefitSpec(), structure=self.structure.with_(steps=0))

    @property
    def finished(self) -> bool:
        """Whether what stays is changed after the mask or the cut: refitted, or of a cut also retrained."""
        return self.refit.refit or (self.structure.whole and self.structure.steps > 0)

    def at(self, sparsity: float) -> Self:
        """The same way to choose weights, unstructured, at a sparsity: what experiments compare.

        Scores, allocation, what holds for rows and neurons, and the refit stay; a pattern, and bounds of matrices, do
        not, and no structure goes whole.
        """
        kept = {name: getattr(self.mask, name) for name in ("allocation", "row_ceiling", "whole_neurons")}
        return self.with_(mask=MaskSpec.parse({"sparsity": sparsity, **kept}), structure=StructureSpec())
