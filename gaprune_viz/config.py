"""Frozen specs: the only home of defaults, bounds, units and help texts.

They drive the command line's flags, the page's controls, URL parameters, storage keys and the exported JSON.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gaprune_viz.errors import GapruneError

DEFAULT_MODEL = "default"
STARTER_DOMAINS = ("general", "finance", "chemistry")
STARTER_LABELS = {"general": "General knowledge", "finance": "Finance", "chemistry": "Chemistry"}

COLUMN_MAPPING = r"^(query|positive|negative)=\s*[^=,\s][^=,]*(,(query|positive|negative)=\s*[^=,\s][^=,]*)*$"
FISHER_POWERS = (1.0, 0.5)
SKETCH_CAP = 262_144
SKETCH_PER_MATRIX = 1_024


class Pooling(StrEnum):
    AUTO = "auto"
    MEAN = "mean"
    CLS = "cls"
    LAST = "last"


class Dtype(StrEnum):
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


class Scope(StrEnum):
    MLP = "mlp"
    ATTENTION = "attention"
    LINEAR = "linear"


class Sampling(StrEnum):
    ALL = "all"
    RANDOM = "random"
    KMEANS = "kmeans"


class Alignment(StrEnum):
    SIGN = "sign"
    CORRELATION = "correlation"
    ROW = "row"
    MATRIX = "matrix"
    UNIT_PRODUCT = "unit_product"


class Allocation(StrEnum):
    GLOBAL = "global"
    LAYER = "layer"
    MATRIX = "matrix"
    ROW = "row"


class Spec(BaseModel):
    """A frozen, JSON-serialisable set of choices."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_enum_values=False)

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Self:
        """Build from loose values (flags, URL, page).

        Raises:
            GapruneError: naming the first field that is wrong, and its bounds.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            reason = first["msg"].removeprefix("Value error, ")
            if not first["loc"]:
                raise GapruneError(f"{reason[0].upper()}{reason[1:]}.", help_text(cls, "")) from error
            owner, field = _innermost(cls, first["loc"])
            if first["type"] == "string_pattern_mismatch":
                reason = "this form is not known"
            given = str(first["input"])[:80]
            raise GapruneError(
                f"{field.replace('_', '-')}: {reason} (got {given!r}).", help_text(owner, field)
            ) from error

    def with_(self, **changes: Any) -> Self:
        """A copy with some fields changed, validated again."""
        return self.parse({**self.model_dump(), **changes})

    def key(self) -> str:
        """A short content hash of all the fields."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class ModelSpec(Spec):
    """Which model, and how text becomes one vector."""

    model: str = Field(
        default=DEFAULT_MODEL,
        min_length=1,
        max_length=512,
        description="`default` (all-MiniLM-L6-v2), a local folder, or a Hugging Face id such as "
        "`intfloat/e5-small-v2`.",
        json_schema_extra={"label": "Model"},
    )
    revision: str | None = Field(
        default=None,
        max_length=128,
        description="Commit, tag or branch of a Hugging Face model.",
        json_schema_extra={"label": "Revision"},
    )
    pooling: Pooling = Field(
        default=Pooling.AUTO,
        description="How token states become one vector. `auto` is the model's own; otherwise mean for encoders, "
        "last token for decoders.",
        json_schema_extra={"label": "Pooling"},
    )
    query_prompt: str | None = Field(
        default=None,
        max_length=2_000,
        description="Text put before every query. Empty: the model's own, if it has one.",
        json_schema_extra={"label": "Query prompt"},
    )
    passage_prompt: str | None = Field(
        default=None,
        max_length=2_000,
        description="Text put before every passage. Empty: the model's own, if it has one.",
        json_schema_extra={"label": "Passage prompt"},
    )
    max_length: int | None = Field(
        default=None,
        ge=8,
        le=32_768,
        description="Texts are cut after this many tokens. Empty: the model's own limit, at most 512.",
        json_schema_extra={"label": "Longest text", "unit": "tokens"},
    )
    dtype: Dtype = Field(
        default=Dtype.FLOAT32,
        description="Number format of the model's weights. Statistics are float32 whatever this is.",
        json_schema_extra={"label": "Number format"},
    )
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        description="Where to compute: `auto`, `cpu`, `cuda`, `cuda:0`, `mps`.",
        json_schema_extra={"label": "Device"},
    )


class CalibrationSpec(Spec):
    """Which texts the statistics come from."""

    domain: str = Field(
        default="chemistry",
        min_length=1,
        max_length=1_024,
        description="Triplets of the domain to keep: a starter name (finance, chemistry), or a path to triplets.",
        json_schema_extra={"label": "Domain"},
    )
    general: str = Field(
        default="general",
        min_length=1,
        max_length=1_024,
        description="Triplets that stand for everything else: a starter name, or a path to triplets.",
        json_schema_extra={"label": "General data"},
    )
    domain_columns: str | None = Field(
        default=None,
        max_length=512,
        pattern=COLUMN_MAPPING,
        description="Which columns of the domain's table hold what: `query=title,positive=body,negative=other`.",
        json_schema_extra={"label": "Domain columns"},
    )
    general_columns: str | None = Field(
        default=None,
        max_length=512,
        pattern=COLUMN_MAPPING,
        description="The same for the general table.",
        json_schema_extra={"label": "General columns"},
    )
    samples: int = Field(
        default=128,
        ge=2,
        le=100_000,
        description="Triplets used per side. The paper uses 5,000; 64 already show the picture.",
        json_schema_extra={"label": "Samples per side", "unit": "triplets", "ui_maximum": 512, "step": 2},
    )
    sampling: Sampling = Field(
        default=Sampling.KMEANS,
        description="How samples are chosen: `kmeans` takes the query nearest to each centroid (the paper's "
        "representative sampling), `random` draws, `all` takes everything.",
        json_schema_extra={"label": "Sampling"},
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="Seed of every random choice.",
        json_schema_extra={"label": "Seed"},
    )
    temperature: float = Field(
        default=0.05,
        gt=0,
        le=10,
        description="Temperature tau of the InfoNCE loss. The paper and most embedding models use 0.05.",
        json_schema_extra={"label": "Temperature"},
    )
    scope: Scope = Field(
        default=Scope.MLP,
        description="Which weights may be pruned: `mlp` (as in the paper), `attention`, or `linear` (both).",
        json_schema_extra={"label": "Scope"},
    )
    token_budget: int = Field(
        default=4_096,
        ge=64,
        le=1_048_576,
        description="Tokens per calibration batch. Less needs less memory; the numbers stay the same.",
        json_schema_extra={"label": "Batch token budget", "unit": "tokens"},
    )


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
        ge=0,
        le=2,
        description="How much of the general Fisher information is subtracted from the domain's.",
        json_schema_extra={"label": "General Fisher weight β", "step": 0.01},
    )
    gamma: float = Field(
        default=0.5,
        ge=0,
        le=4,
        description="Weight of the magnitude term √|θ|.",
        json_schema_extra={"label": "Magnitude weight γ", "step": 0.01},
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
        default=Allocation.GLOBAL,
        description="Where the fraction is met: over everything, in every layer, in every matrix, or in every row.",
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

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.pattern != "unstructured":
            kept, group = self.n_m
            if kept >= group:
                raise ValueError(f"pattern {self.pattern} prunes nothing: N must be less than M")
            return self
        if self.floor > self.ceiling:
            raise ValueError("floor is above ceiling")
        if not self.floor <= self.sparsity <= self.ceiling:
            raise ValueError("sparsity must lie between floor and ceiling")
        return self

    @property
    def n_m(self) -> tuple[int, int]:
        """(N, M) of an N:M pattern: keep N of each M. (0, 0) when unstructured."""
        if self.pattern == "unstructured":
            return (0, 0)
        kept, group = self.pattern.split(":")
        return int(kept), int(group)


def column_mapping(text: str | None) -> dict[str, str] | None:
    """`query=a,negative=b,negative=c` as {"query": "a", "negative": "b,c"}; None stays None."""
    if not text:
        return None
    mapping: dict[str, str] = {}
    for pair in text.split(","):
        field, column = pair.split("=", 1)
        mapping[field] = f"{mapping[field]},{column.strip()}" if field in mapping else column.strip()
    return mapping


class Settings(Spec):
    """What the tuning bar holds."""

    score: ScoreSpec = ScoreSpec()
    mask: MaskSpec = MaskSpec()


class RunSpec(Spec):
    """All that determines an analysis: the model and the calibration data."""

    model: ModelSpec = ModelSpec()
    calibration: CalibrationSpec = CalibrationSpec()


def help_text(spec: type[Spec], field: str) -> str:
    """The help of a field, or the list of fields where there is no such field."""
    if field in spec.model_fields:
        return spec.model_fields[field].description or ""
    return f"Known settings: {', '.join(name.replace('_', '-') for name in spec.model_fields)}."


def _innermost(spec: type[Spec], place: tuple[int | str, ...]) -> tuple[type[Spec], str]:
    """The spec and field that an error is about, specs inside specs followed."""
    field = str(place[0])
    inner = spec.model_fields[field].annotation if field in spec.model_fields else None
    if len(place) > 1 and isinstance(inner, type) and issubclass(inner, Spec):
        return _innermost(inner, place[1:])
    return spec, field
