"""A file that is open for reading: its format, its columns, its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gaprune_viz.data.readers.encodings import Remarks
from gaprune_viz.errors import GapruneError

MAX_COLUMNS = 1_000
SET = "set"
"""The column of a row that is nothing but a list of texts."""

Row = tuple[str, Mapping[str, object]]
"""Where a row was found ("line 7"), and its values by column."""


@dataclass(frozen=True)
class Table:
    """A file that is open for reading.

    Attributes:
        kind: the format, in words.
        columns: names of the columns; None where every row brings its own keys.
        rows: gives the rows; it may be told which columns are wanted.
        remarks: what a person should be told of the file; complete once the rows were read.
    """

    kind: str
    columns: tuple[str, ...] | None
    rows: Callable[[Sequence[str] | None], Iterator[Row]]
    remarks: Remarks = field(default_factory=list)


def refuse_same_names(path: Path, names: Sequence[str]) -> None:
    """Refuse a header that gives one name to two columns.

    Raises:
        GapruneError: naming it.
    """
    twice = sorted(name for name, count in Counter(names).items() if count > 1 and name)
    if twice:
        raise GapruneError(f"{path.name} has two columns called {twice[0]!r}.", "Give every column its own name.")


def refuse_many_columns(path: Path, columns: int) -> None:
    """Refuse a table that is too wide.

    Raises:
        GapruneError: saying how many columns there may be.
    """
    if columns > MAX_COLUMNS:
        raise GapruneError(
            f"{path.name} has {columns:,} columns; the limit is {MAX_COLUMNS:,}.",
            "Keep those of query, positive and negatives.",
        )
