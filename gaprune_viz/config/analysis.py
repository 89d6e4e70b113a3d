"""What determines an analysis: the model and the calibration data."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from gaprune_viz.config.base import Spec

DEFAULT_MODEL = "default"
STARTER_DOMAINS = ("general", "finance", "chemistry")
# The two sides of every run: the domain to keep, and general data that stand for everything else.
SIDES = ("domain", "general")
STARTER_LABELS = {"general": "General knowledge", "finance": "Finance", "chemistry": "Chemistry"}

_COLUMN = r"(query|positive|negative|text)=\s*[^=,\s][^=,]*"
COLUMN_MAPPING = rf"^{_COLUMN}(,{_COLUMN})*$"
# Share of a file's rows that may be left out because they cannot be used.
LEFT_OUT = 0.05
# Between the sources of a side, where it has several.
BETWEEN_SOURCES = " + "
MOST_SOURCES = 16
# Fewer samples say nothing of what a source is like.
LEAST_OF_SOURCE = 4
# How sharply weights of sources follow the cosine of their gradients with the domain's: a step of 1 / this weighs e.
SOURCE_SHARPNESS = 4.0
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


class Fisher(StrEnum):
    """What the Fisher information is of (docs/criteria.md)."""

    CONTRASTIVE = "contrastive"
    MODEL = "model"
    EMBEDDING = "embedding"


class ModelSpec(Spec):
    """Which model, and how text becomes one vector."""

    model: str = Field(
        default=DEFAULT_MODEL,
        min_length=1,
        max_length=512,
        description="`default` (all-MiniLM-L6-v2), a local folder, or a Hugging Face id such as "
        "`intfloat/e5-small-v2`, or `org/name@revision`.",
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
        description="Text put before every query. Not given: the model's own, else what mteb's registry says of its "
        "name. Given as an empty text on the command line: none.",
        json_schema_extra={"label": "Query prompt"},
    )
    passage_prompt: str | None = Field(
        default=None,
        max_length=2_000,
        description="Text put before every passage. Not given: the model's own, else what mteb's registry says of its "
        "name. Given as an empty text on the command line: none.",
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
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?|spread)$",
        description="Where to compute: `auto`, `cpu`, `cuda`, `cuda:0`, `mps`, or `spread` over all GPUs. `auto` "
        "spreads a model that one GPU does not hold.",
        json_schema_extra={"label": "Device"},
    )


class CalibrationSpec(Spec):
    """Which texts the statistics come from."""

    domain: str = Field(
        default="chemistry",
        min_length=1,
        max_length=8_192,
        description="Triplets of the domain to keep: a starter name (finance, chemistry), or a path to triplets; with "
        "Fisher `embedding` also plain texts: a .txt file or a corpus.jsonl. Of several sources: `a + b`, each with a "
        "name and a weight where it needs them: `name=path@0.3`.",
        json_schema_extra={"label": "Domain", "several": True},
    )
    general: str = Field(
        default="general",
        min_length=1,
        max_length=8_192,
        description="Triplets that stand for everything else: a starter name, or a path to triplets; or several.",
        json_schema_extra={"label": "General data", "several": True},
    )
    domain_columns: str | None = Field(
        default=None,
        max_length=512,
        pattern=COLUMN_MAPPING,
        description="Which columns of the domain's table hold what: `query=title,positive=body,negative=other`; or "
        "`text=abstract` for plain texts.",
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
        description="Triplets used per side, of several sources from each. The paper uses 5,000; 64 already show the "
        "picture.",
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

    memory: float | None = Field(
        default=None,
        gt=0,
        le=65_536,
        description="Most memory to use. Where it is too little, batches become smaller and the weights are "
        "calibrated in groups, in turn; the numbers stay the same. Empty: no limit.",
        json_schema_extra={"label": "Memory limit", "unit": "GiB"},
    )

    left_out: float = Field(
        default=LEFT_OUT,
        ge=0,
        le=0.5,
        description="Share of a file's rows that may be left out because a text is missing, empty or too long; each is "
        "listed with its reason. Where there are more, the file is refused.",
        json_schema_extra={"label": "Rows that may be left out", "later": True},
    )
    fisher: Fisher = Field(
        default=Fisher.CONTRASTIVE,
        description="What the Fisher information is of: `contrastive` squares the gradients of the loss, as the paper "
        "does; `model` takes the expectation under the model's own answers instead of the labels; `embedding` takes "
        "the gradients of random projections of each text's embedding, and so needs no labels: a side may then be "
        "plain texts.",
        json_schema_extra={"label": "Fisher information", "later": True},
    )
    projections: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Random projections of each text for Fisher `embedding`. More are less noisy, and each costs a "
        "backward pass.",
        json_schema_extra={"label": "Projections per text", "later": True},
    )

    def determining(self) -> dict[str, Any]:
        """What changes the numbers, as JSON: batches and memory only change the time; names stand for texts."""
        aside = {"token_budget", "memory", "left_out", *SIDES}
        if self.fisher is not Fisher.EMBEDDING:
            aside.add("projections")
        return {name: value for name, value in self.content().items() if name not in aside}


class RunSpec(Spec):
    """All that determines an analysis: the model and the calibration data."""

    model: ModelSpec = ModelSpec()
    calibration: CalibrationSpec = CalibrationSpec()


def column_mapping(text: str | None) -> dict[str, str] | None:
    """`query=a,negative=b,negative=c` as {"query": "a", "negative": "b,c"}; None stays None."""
    if not text:
        return None
    mapping: dict[str, str] = {}
    for pair in text.split(","):
        field, column = pair.split("=", 1)
        mapping[field] = f"{mapping[field]},{column.strip()}" if field in mapping else column.strip()
    return mapping
