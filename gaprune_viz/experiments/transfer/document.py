"""What `transfer.json` may hold: checked when it is opened, because it may come from anywhere."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gaprune_viz.config import TransferSpec
from gaprune_viz.config.transfer import MOST_SOURCES
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.documents import DocumentKind

TRANSFER_FILE = "transfer.json"
TRANSFER_FORMAT = 1
KIND = DocumentKind(
    file=TRANSFER_FILE,
    what="transfer map",
    short="map",
    make="gaprune-viz transfer --out DIR",
    again="Run it again: finished cells are kept.",
    most_bytes=32 * 2**20,
)
Name = Annotated[str, Field(max_length=200)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Rank = Annotated[int, Field(ge=1)] | None
Ranks = Annotated[list[Rank], Field(max_length=20_000)]
Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Score(_Part):
    """One calibration on one task: percent of dense with its paired 95 % interval."""

    ndcg_at_10: Number
    of_dense: Number
    low: Number | None
    high: Number | None


class Gain(_Part):
    """Points of the dense score in percent."""

    points: Number
    low: Number | None
    high: Number | None


class Advantage(Gain):
    """The domain advantage of a map; `apart` is that of each seed."""

    p: Share
    reached: Count
    pairings: Count
    by_task: list[Gain]
    apart: Annotated[list[Number], Field(max_length=20)]


class Shared(_Part):
    """How much two masks prune together: Jaccard index, all in all and by layer and role."""

    pair: tuple[Count, Count]
    jaccard: Share
    places: Annotated[list[tuple[Count, Name, Share]], Field(max_length=5_000)]


class Map(_Part):
    """One row at one sparsity: `scores` [calibrated on][measured on]; `ranks` of every query, of no control."""

    row: Name
    sparsity: Share
    refit: bool
    shuffled: bool
    pruned: Share
    scores: list[list[Score]]
    advantage: Advantage
    shared: list[Shared]
    ranks: list[list[Ranks]] | None = None


class Source(_Part):
    """What was calibrated on and measured; `queries` and `ranks` (of the dense model) in the order of the task."""

    label: Name
    task: Name
    triplets: Count
    samples: Count
    passages: Count
    ndcg_at_10: Number
    queries: Annotated[list[Annotated[str, Field(max_length=300)]], Field(max_length=20_000)]
    ranks: Ranks


class Named(_Part):
    label: Name
    weight_hash: Name


class Transfer(_Part):
    """A whole transfer map."""

    format: int
    spec: TransferSpec
    model: Named
    versions: dict[Name, Name]
    cells: Count
    seeds: Annotated[list[Count], Field(min_length=1, max_length=20)]
    sources: Annotated[list[Source], Field(min_length=2, max_length=MOST_SOURCES)]
    words: dict[Name, list[list[Share]]]
    maps: Annotated[list[Map], Field(min_length=1, max_length=1_000)]

    @model_validator(mode="after")
    def _shapes_fit(self) -> Self:
        n, queries = len(self.sources), [len(source.queries) for source in self.sources]
        pairs = list(combinations(range(n), 2))

        def square(table: list[list[Any]]) -> bool:
            return len(table) == n and all(len(row) == n for row in table)

        # Whoever looks at a row may look at it at every sparsity, refitted and with its control as any other.
        keys = {((one.shuffled, one.refit), one.sparsity, one.row) for one in self.maps}
        axes = [set(axis) for axis in zip(*keys, strict=True)]
        fits = len(self.maps) == len(keys) == math.prod(map(len, axes))
        fits = fits and (False, False) in axes[0] and ((True, True) not in axes[0] or (True, False) in axes[0])
        fits = fits and all(len(source.ranks) == len(source.queries) for source in self.sources)
        fits = fits and {"real", "shuffled"} == self.words.keys() and all(map(square, self.words.values()))
        for one in self.maps:
            fits = fits and square(one.scores) and len(one.advantage.by_task) == n
            fits = fits and [shared.pair for shared in one.shared] == pairs
            fits = fits and len({tuple(place[:2] for place in shared.places) for shared in one.shared}) == 1
            fits = fits and bool(one.shared[0].places) and (one.shuffled or one.ranks is not None)
            if one.ranks is not None:
                fits = fits and square(one.ranks) and all([*map(len, row)] == queries for row in one.ranks)
        if not fits:
            raise ValueError("its tables do not fit its sources")
        return self


def check_transfer(document: Any) -> dict[str, Any]:
    """A transfer map as plain values, every one of a known type and size.

    Raises:
        GapruneError: it is something else, or of another format.
    """
    if not isinstance(document, dict) or document.get("format") != TRANSFER_FORMAT:
        raise GapruneError("This is not a transfer map of this version.", "Run it again: finished cells are kept.")
    try:
        found = Transfer.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])[:80] or "its tables"
        raise GapruneError(
            f"This transfer map is damaged at {place}: {first['msg']}.", "Run it again: finished cells are kept."
        ) from error
    return found.model_dump(mode="json")


def open_transfer(place: Path) -> dict[str, Any]:
    """A finished transfer map, from its folder or its `transfer.json`.

    Raises:
        GapruneError: there is none, it is too large, or it is damaged.
    """
    return check_transfer(KIND.read(place))
