"""What `study.json` may hold: checked when it is opened, because it may come from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gaprune_viz.config import StudySpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.documents import DocumentKind

STUDY_FILE = "study.json"
STUDY_FORMAT = 1
KIND = DocumentKind(
    file=STUDY_FILE,
    what="study",
    short="study",
    make="gaprune-viz study --out DIR",
    again="Run the study again: finished cells are kept.",
    most_bytes=16 * 2**20,
)
LONGEST_LABEL, LONGEST_ERROR = 200, 2_000
Name = Annotated[str, Field(max_length=LONGEST_LABEL)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Over(_Part):
    """The difference to magnitude at the same sparsity and steps, in percent of dense."""

    points: Number | None
    low: Number | None
    high: Number | None
    p: Annotated[float, Field(ge=0, le=1)]


class Side(_Part):
    """One row on one task: means of the metrics, percent of dense with its interval."""

    means: dict[Name, Number]
    of_dense: Number | None
    low: Number | None
    high: Number | None
    p_dense: Annotated[float, Field(ge=0, le=1)]
    over_baseline: Over | None = None


class CurvePart(_Part):
    """Loss over the steps of retraining."""

    losses: Annotated[list[tuple[int, Number]], Field(max_length=100_000)]


class Row(_Part):
    """One cell of a study."""

    part: Name
    row: Name
    sparsity: Annotated[float, Field(ge=0, le=1)]
    steps: Annotated[int, Field(ge=0)]
    samples: Annotated[int, Field(ge=0)]
    zeros: Annotated[int, Field(ge=0)]
    scope_weights: Annotated[int, Field(ge=0)]
    sides: dict[Name, Side]
    curve: CurvePart | None = None
    seed: Annotated[int, Field(ge=0)] | None = None


class Apart(Over):
    """A difference of two rows on one task, and that of each calibration seed."""

    apart: Annotated[list[Number | None], Field(max_length=20)]


class Comparison(_Part):
    """Two rows at one sparsity and number of steps, paired query by query."""

    one: Name
    other: Name
    sparsity: Annotated[float, Field(ge=0, le=1)]
    steps: Annotated[int, Field(ge=0)]
    seeds: Annotated[int, Field(ge=1)]
    sides: dict[Name, Apart]


class Task(_Part):
    name: Name
    queries: int
    passages: int
    hash: Name


class Source(_Part):
    source: Annotated[str, Field(max_length=1_024)]
    hash: Name


class Named(_Part):
    label: Name
    weight_hash: Name


class Failed(_Part):
    """A cell that could not be measured."""

    label: Name
    error: Annotated[str, Field(max_length=LONGEST_ERROR)]


class Cells(_Part):
    measured: int
    planned: int


class Study(_Part):
    """A whole study."""

    format: int
    spec: StudySpec
    model: Named
    tasks: dict[Name, Task]
    data: dict[Name, Source]
    versions: dict[Name, Name]
    cells: Cells
    rows: Annotated[list[Row], Field(min_length=1, max_length=5_000)]
    comparisons: Annotated[list[Comparison], Field(max_length=5_000)] = []
    failed: Annotated[list[Failed], Field(max_length=20_000)] = []


def check_study(document: Any) -> dict[str, Any]:
    """A study as plain values, every one of a known type and size.

    Raises:
        GapruneError: it is something else, or of another format.
    """
    if not isinstance(document, dict) or document.get("format") != STUDY_FORMAT:
        raise GapruneError("This is not a study of this version.", "Run the study again: finished cells are kept.")
    try:
        study = Study.model_validate(document)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])[:80]
        raise GapruneError(
            f"This study is damaged at {place}: {error.errors()[0]['msg']}.", "Run it again: finished cells are kept."
        ) from error
    sides = set(study.tasks)
    if sides != {"domain", "general"} or any(set(part.sides) != sides for part in (*study.rows, *study.comparisons)):
        raise GapruneError("This study lacks a side.", "Run it again: finished cells are kept.")
    return study.model_dump(mode="json", exclude_none=False)


def open_study(place: Path) -> dict[str, Any]:
    """A finished study, from its folder or its `study.json`.

    Raises:
        GapruneError: there is none, it is too large, or it is damaged.
    """
    return check_study(KIND.read(place))
