"""Whom the page serves and what they may do, and where experiments are computed: the only home of these limits."""

from __future__ import annotations

import os
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gaprune_viz.config.analysis import DEFAULT_MODEL
from gaprune_viz.config.base import Spec

MIB = 2**20
GIB = 2**30
SPACE_VARIABLE = "SPACE_ID"
CLUSTER_VARIABLE = "GAPRUNE_VIZ_CLUSTER"
CLUSTER_SCHEMES = ("dask", "ray")
CLUSTER_HELP = (
    "Executor that measures the cells: dask://HOST:PORT, dask:///PATH of a scheduler file, or ray://HOST:PORT. Its "
    "workers run what is sent to them and see the same folders: use one that you trust."
)


def _names(value: Any) -> Any:
    """`a,b` from a flag, or a list."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _cluster(value: str) -> str:
    """An address whose scheme is known."""
    scheme, mark, rest = value.partition("://")
    if value and not (mark and rest):
        raise ValueError("an address has the form dask://HOST:PORT or ray://HOST:PORT")
    if value and scheme not in CLUSTER_SCHEMES:
        raise ValueError(f"the scheme {scheme!r} is not known, it is one of {', '.join(CLUSTER_SCHEMES)}")
    return value


Cluster = Annotated[str, AfterValidator(_cluster)]


class ExecutorSpec(Spec):
    """Where the cells of an experiment are measured. It is no part of what determines them."""

    jobs: int = Field(
        default=1,
        ge=1,
        le=256,
        description="Cells that are measured at once, each in a process of its own with its share of the processors, "
        "or with a GPU of its own.",
        json_schema_extra={"label": "Jobs"},
    )
    cluster: Cluster = Field(
        default="", max_length=512, description=CLUSTER_HELP, json_schema_extra={"label": "Cluster"}
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.cluster and self.jobs > 1:
            raise ValueError("--jobs counts processes here, --cluster has its own: give one of them")
        return self


class ServeSpec(Spec):
    """How the page is served. The limits on people hold in public mode; a person alone at home has none of them."""

    public: bool = Field(
        default=False,
        description="Serve strangers: listed models only, no local paths, limits on everything, own results only. "
        "On by itself on Hugging Face Spaces.",
        json_schema_extra={"label": "Public"},
    )
    models: Annotated[tuple[str, ...], BeforeValidator(_names)] = Field(
        default=(DEFAULT_MODEL,),
        min_length=1,
        max_length=100,
        description="Models that may be analysed in public mode, separated by commas.",
        json_schema_extra={"label": "Models"},
    )
    hub_models: bool = Field(
        default=False,
        description="In public mode, also allow any Hugging Face id, within the cap on parameters.",
        json_schema_extra={"label": "Any Hub model"},
    )
    hub_data: bool = Field(
        default=False,
        description="In public mode, also allow data sets of the Hub and of installed ontologies.",
        json_schema_extra={"label": "Hub data"},
    )
    max_parameters: int = Field(
        default=150_000_000,
        ge=1_000,
        le=10**12,
        description="Largest model in public mode.",
        json_schema_extra={"label": "Largest model", "unit": "parameters"},
    )
    max_samples: int = Field(
        default=512,
        ge=2,
        le=100_000,
        description="Most samples per side of an analysis in public mode.",
        json_schema_extra={"label": "Most samples", "unit": "triplets"},
    )
    max_rows: int = Field(
        default=20_000,
        ge=2,
        le=200_000,
        description="Most rows of an upload in public mode.",
        json_schema_extra={"label": "Most rows", "unit": "rows"},
    )
    upload_mb: int = Field(
        default=32,
        ge=1,
        le=256,
        description="Largest upload in public mode. In private mode it is 256 MiB.",
        json_schema_extra={"label": "Largest upload", "unit": "MiB"},
    )
    job_seconds: int = Field(
        default=900,
        ge=5,
        le=86_400,
        description="Longest time that one job may compute in public mode.",
        json_schema_extra={"label": "Longest job", "unit": "s"},
    )
    moves_per_minute: int = Field(
        default=600,
        ge=10,
        le=100_000,
        description="Clicks and slider moves of one page in a minute, in public mode.",
        json_schema_extra={"label": "Moves a minute"},
    )
    jobs_per_hour: int = Field(
        default=60,
        ge=1,
        le=10_000,
        description="Jobs of one page in an hour, in public mode.",
        json_schema_extra={"label": "Jobs an hour"},
    )
    pages_per_address: int = Field(
        default=8,
        ge=1,
        le=10_000,
        description="How many pages' worth of moves and jobs one network address has in public mode. A class behind "
        "one address needs more.",
        json_schema_extra={"label": "Pages per address"},
    )
    proxies: int = Field(
        default=0,
        ge=0,
        le=10,
        description="Trusted proxies before the server. The visitor's address is that many places from the right in "
        "X-Forwarded-For; 0 takes the connection's own.",
        json_schema_extra={"label": "Proxies"},
    )
    workspace_gb: float = Field(
        default=20.0,
        gt=0,
        le=100_000,
        description="Most disk space of the workspace; the results that were not used for longest go first.",
        json_schema_extra={"label": "Workspace", "unit": "GiB"},
    )
    root_path: str = Field(
        default="",
        max_length=512,
        pattern=r"^$|^(https?://[^\s\"'<>]+|/[^\s\"'<>]*)$",
        description="Where a proxy serves the page, such as /pruning, when it is not at the root.",
        json_schema_extra={"label": "Root path"},
    )

    cluster: Cluster = Field(
        default="",
        max_length=512,
        description=f"{CLUSTER_HELP} The page's studies and transfer maps run there. Also: the variable "
        f"{CLUSTER_VARIABLE}.",
        json_schema_extra={"label": "Cluster"},
    )

    @classmethod
    def here(cls, **given: Any) -> Self:
        """The defaults of this machine, and what was given: on Spaces public, behind one proxy, on a small disk."""
        small: dict[str, Any] = {"public": True, "proxies": 1, "workspace_gb": 10.0}
        usual = small if os.environ.get(SPACE_VARIABLE) else {}
        if cluster := os.environ.get(CLUSTER_VARIABLE):
            usual["cluster"] = cluster
        return cls.parse({**usual, **given})

    @property
    def upload_limit(self) -> str:
        """Largest upload, as gradio writes it."""
        largest = self.upload_mb if self.public else type(self).upload_cap()
        return f"{largest}mb"

    @classmethod
    def upload_cap(cls) -> int:
        """Largest upload that any mode takes, MiB."""
        return next(item.le for item in cls.model_fields["upload_mb"].metadata if hasattr(item, "le"))

    @property
    def workspace_bytes(self) -> int:
        return int(self.workspace_gb * GIB)
