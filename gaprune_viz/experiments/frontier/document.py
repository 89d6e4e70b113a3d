"""What `frontier.json` holds: written when a frontier is whole, checked when it is opened, for anybody may send it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gaprune_viz.config import SIDES
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.documents import DocumentKind
from gaprune_viz.storage.workspace import write_whole

FRONTIER_FILE = "frontier.json"
FRONTIER_FORMAT = 1
MOST_BYTES = 4 * 2**20
COMMAND = "gaprune-viz frontier RUN --task chemistry"
KIND = DocumentKind(
    file=FRONTIER_FILE,
    what="frontier",
    short="frontier",
    make=COMMAND,
    again="Run `gaprune-viz frontier` again: what is measured is kept.",
    most_bytes=MOST_BYTES,
)
Name = Annotated[str, Field(max_length=200)]
Share = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]
End = Annotated[float, Field(ge=-10, le=20, allow_inf_nan=False)]
Time = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Bytes = Annotated[int, Field(gt=0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Row(_Part):
    """One model: how well it answers, how large it is, how long it takes."""

    row: Name
    label: Name
    of_dense: Annotated[dict[Name, Share], Field(min_length=1, max_length=4)]
    interval: Annotated[dict[Name, tuple[End, End] | None], Field(max_length=4)] = {}
    bytes: Bytes
    packed_bytes: Bytes | None = None
    kept: Name = ""
    milliseconds: Annotated[dict[Name, Time], Field(min_length=1, max_length=16)]


class Task(_Part):
    name: Name
    queries: int
    passages: int


class Score(_Part):
    criterion: Name


class Refit(_Part):
    refit: bool


class Settings(_Part):
    score: Score
    refit: Refit


class Asked(_Part):
    """What of its spec a document tells: what others there are, another version may have."""

    steps: Annotated[int, Field(ge=0)]
    settings: Settings


class Calibration(_Part):
    """How many samples of each side were read, and which draw of them."""

    samples: int
    seed: int


class Frontier(_Part):
    """A whole frontier. Those of before say nothing of their calibration, and have no intervals."""

    format: int
    spec: Asked | None = None
    model: Name
    calibration: Calibration | None = None
    data: dict[Name, Name]
    tasks: dict[Name, Task]
    rows: Annotated[list[Row], Field(min_length=1, max_length=100)]
    threads: int
    rounds: int
    versions: dict[Name, Name] = {}


def write_document(document: dict[str, Any], folder: Path) -> None:
    """Keep a whole frontier in its folder.

    Raises:
        GapruneError: it cannot be written.
    """
    write_whole(folder / FRONTIER_FILE, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def open_frontier(place: Path) -> dict[str, Any]:
    """A whole frontier, from its folder or its `frontier.json`: plain values, each of a known type and size.

    Raises:
        GapruneError: there is none, it is too large, or it is damaged.
    """
    document = KIND.read(place, place.name)
    if not isinstance(document, dict) or document.get("format") != FRONTIER_FORMAT:
        raise GapruneError("This is not a frontier of this version.", KIND.again)
    try:
        found = Frontier.model_validate(document)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])[:80]
        raise GapruneError(f"This frontier is damaged at {where}: {error.errors()[0]['msg']}.", KIND.again) from error
    loads = set(found.rows[0].milliseconds)
    if any(set(row.milliseconds) != loads or set(row.of_dense) != set(found.tasks) for row in found.rows):
        raise GapruneError("The rows of this frontier were not measured alike.", KIND.again)
    if set(found.tasks) != set(SIDES):
        raise GapruneError("This frontier is damaged at tasks: they are not those of domain and general.", KIND.again)
    if found.rows[0].row != "dense":
        raise GapruneError("This frontier lacks the dense model, beside which all else counts.", KIND.again)
    return found.model_dump(mode="json")
