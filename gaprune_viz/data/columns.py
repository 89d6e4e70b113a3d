"""Which column of a table is the query, which the positive, and which are negatives."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gaprune_viz.data.schema import RawRow
from gaprune_viz.errors import GapruneError

FIELDS = ("query", "positive", "negative")
TEXT = "text"
_NEGATIVE = re.compile(r"negatives?([_-]?\d+)?")
# Names that published triplet collections use, most telling first.
_OTHER_NAMES = {
    "query": ("query", "anchor", "question", "sentence1", "text1", "sent0", "input"),
    "positive": ("positive", "pos", "answer", "passage", "document", "sentence2", "text2", "sent1", "response"),
    "negative": ("negative", "negatives", "neg", "hard_negative", "hard_neg", "hard_negatives", "sentence3", "sent2"),
}


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns that hold query, positive and negatives."""

    query: str
    positive: str
    negatives: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((self.query, self.positive, *self.negatives)))


def check_mapping(columns: Mapping[str, str] | None) -> dict[str, str]:
    """A person's mapping with only known fields and no empty names.

    Raises:
        GapruneError: for a field other than query, positive and negative, and text for plain texts.
    """
    mapping = {field: name.strip() for field, name in (columns or {}).items() if name and name.strip()}
    for field in mapping:
        if field not in (*FIELDS, TEXT):
            raise GapruneError(
                f"There is no field {field!r} to map a column to.",
                f"Fields are: {', '.join(FIELDS)}, or {TEXT} alone for plain texts.",
            )
    return mapping


def resolve(columns: Mapping[str, str] | None, available: Sequence[str], table: str) -> Columns:
    """The columns to read: those a person named, else `query`, `positive`, `negative`, `negatives`, `negative_1` ...

    Args:
        columns: field -> column name; several negative columns are separated by commas.
        available: the columns that exist.
        table: name of the file, for messages.

    Raises:
        GapruneError: naming the missing columns and those that exist.
    """
    mapping = check_mapping(columns)
    query, positive = mapping.get("query", "query"), mapping.get("positive", "positive")
    negatives = negative_columns(mapping.get("negative"), available)
    missing = [name for name in (query, positive, *negatives) if name not in available]
    if not negatives:
        missing.append("negative")
    if missing:
        raise GapruneError(
            f"{table} has no column {' and no column '.join(repr(name) for name in missing)}; "
            f"its columns are: {', '.join(available) or 'none'}.",
            _advice(available),
        )
    return Columns(query, positive, negatives)


def negative_columns(named: str | None, available: Sequence[str]) -> tuple[str, ...]:
    """The columns that hold negatives: those named (separated by commas), else those called like negatives."""
    if named is None:
        return tuple(name for name in available if _NEGATIVE.fullmatch(name))
    if named in available:
        return (named,)
    return tuple(dict.fromkeys(part.strip() for part in named.split(",") if part.strip()))


def pick(place: str, values: Mapping[str, object], columns: Columns) -> RawRow:
    """The row's query, positive and negatives. Of several negative columns, blank ones are passed over."""
    if len(columns.negatives) == 1:
        negatives = values.get(columns.negatives[0])
    else:
        filled = [value for name in columns.negatives if not _blank(value := values.get(name))]
        flat = [item for value in filled for item in (value if isinstance(value, (list, tuple)) else [value])]
        negatives = flat or None
    return RawRow(place, values.get(columns.query), values.get(columns.positive), negatives)


def pick_object(place: str, values: Mapping[str, object], columns: Mapping[str, str]) -> RawRow:
    """The same for an object that brings its own keys. `columns` went through `check_mapping`."""
    named = Columns(
        columns.get("query", "query"),
        columns.get("positive", "positive"),
        negative_columns(columns.get("negative"), tuple(values)),
    )
    return pick(place, values, named)


def suggest(available: Sequence[str]) -> dict[str, str]:
    """A likely mapping, by the names that published collections use; fields without a likely column are left out."""
    lower = {name.lower().strip(): name for name in reversed(available)}
    found = {field: next((lower[name] for name in names if name in lower), "") for field, names in _OTHER_NAMES.items()}
    numbered = [name for name in available if re.fullmatch(r"(hard_)?neg(ative)?s?([_-]?\d+)?", name.lower().strip())]
    if numbered:
        found["negative"] = ",".join(numbered)
    return {field: name for field, name in found.items() if name}


def _advice(available: Sequence[str]) -> str:
    likely = suggest(available)
    if len(likely) == len(FIELDS):
        return "Map the columns, perhaps " + ", ".join(f"{field}={name}" for field, name in likely.items()) + "."
    return "Map the columns to query, positive and negative, or rename them."


def _blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
