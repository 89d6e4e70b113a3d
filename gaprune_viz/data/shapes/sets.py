"""Rows that are one list of texts or hold triplets one level down: {"set": [...]}, {"texts": [...]}, [...]."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gaprune_viz.data.readers.encodings import tell
from gaprune_viz.data.readers.table import SET, Row, Table
from gaprune_viz.errors import GapruneError

NAMES = (SET, "texts")
_FIELDS = ("query", "positive", "negative")


def unfolded(table: Table, name: str) -> Table:
    """A table of sets as one of queries, positives and negatives; any other table as it is.

    Two texts are a pair, three are anchor, positive and negative. Longer lists do not say which of their texts are
    relevant: a set of captions of one picture has no negative at all.

    Args:
        name: of the file, for messages.

    Raises:
        GapruneError: the first row cannot be read; while rows are read: a list has another number of texts.
    """
    if table.columns is not None and (len(table.columns) != 1 or table.columns[0] not in NAMES):
        return table
    first = list(itertools.islice(table.rows(None), 1))
    if not first or not _is_set(first[0][1]):
        return table

    def rows(only: Sequence[str] | None) -> Iterator[Row]:
        for place, values in table.rows(None):
            yield place, _fields(values, f"{name}, {place}") if _is_set(values) else values

    inner: Any = next(iter(first[0][1].values()))
    if not isinstance(inner, Mapping):
        tell(table.remarks, f"{name}: each list of texts was read as {', '.join(_FIELDS[: len(inner)])}")
    return replace(table, columns=None, rows=rows)


def _is_set(values: Mapping[str, object]) -> bool:
    if len(values) != 1:
        return False
    ((name, value),) = values.items()
    return name in NAMES and isinstance(value, (list, tuple, Mapping))


def _fields(values: Mapping[str, Any], place: str) -> Mapping[str, object]:
    (value,) = values.values()
    if isinstance(value, Mapping):
        return value
    if len(value) not in (2, 3):
        raise GapruneError(
            f"{place}: a list of {len(value)} texts, which does not say which are positives and which negatives.",
            "Give lists of two (a pair) or three (anchor, positive, negative), or name them: query, pos, neg.",
        )
    return dict(zip(_FIELDS, value, strict=False))
