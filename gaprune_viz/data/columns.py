"""Which column of a table is the query, which the positive, and which are negatives."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gaprune_viz.data.schema import MAX_NEGATIVES, RawRow
from gaprune_viz.data.shapes.passages import passage, passages
from gaprune_viz.errors import GapruneError

FIELDS = ("query", "positive", "negative")
TEXT = "text"
HARD, EASY = "hard_negative_ctxs", "negative_ctxs"
# The names under which published sets keep triplets; what is called so is read without being asked. In the order of
# the tables of docs/data.md: ours, sentence-transformers, SimCSE, FlagEmbedding, Tevatron, DPR, Cohere, GooAQ.
QUERIES = ("query", "anchor", "question", "sent0")
POSITIVES = (
    *("positive", "positives", "pos", "positive_passages", "positive_ctxs", "relevant_passages", "sent1", "answer"),
)
_NUMBER = r"([_-]?\d+)?"
_NEGATIVES = tuple(
    re.compile(form)
    for form in (
        rf"negatives?{_NUMBER}",
        rf"negs?{_NUMBER}",
        rf"hard_neg(ative)?s?{_NUMBER}",
        "negative_passages",
        f"{HARD}|{EASY}",
    )
)
# Names that may mean it; a person is asked.
_OTHER_NAMES = {
    "query": (*QUERIES, "sentence1", "text1", "input"),
    "positive": (*POSITIVES, "passage", "document", "sentence2", "text2", "response"),
    "negative": ("sentence3", "sent2"),
}


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns that hold query, positive and negatives; without negatives, of pairs."""

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
    """The columns to read: those a person named, else those that are called as published sets call them.

    Args:
        columns: field -> column name; several negative columns are separated by commas.
        available: the columns that exist.
        table: name of the file, for messages.

    Returns:
        no negatives where the table has none: it holds pairs.

    Raises:
        GapruneError: naming the missing columns and those that exist.
    """
    mapping = check_mapping(columns)
    query = mapping.get("query") or _known(QUERIES, available)
    positive = mapping.get("positive") or _known(POSITIVES, available)
    negatives = negative_columns(mapping.get("negative"), available)
    missing = [name for name in (query, positive, *negatives) if name not in available]
    if missing and not negatives:
        missing.append("negative")
    if missing:
        raise GapruneError(
            f"{table} has no column {' and no column '.join(repr(name) for name in missing)}; "
            f"its columns are: {', '.join(available) or 'none'}.",
            _advice(available),
        )
    return Columns(query, positive, negatives)


def _known(names: Sequence[str], available: Sequence[str]) -> str:
    """The first of some names that is there; where none is, the first."""
    return next((name for name in names if name in available), names[0])


def negative_columns(named: str | None, available: Sequence[str]) -> tuple[str, ...]:
    """The columns that hold negatives: those named (separated by commas), else those called like negatives."""
    if named is None:
        kinds = ([name for name in available if form.fullmatch(name)] for form in _NEGATIVES)
        return tuple(next(filter(None, kinds), ()))
    if named in available:
        return (named,)
    return tuple(dict.fromkeys(part.strip() for part in named.split(",") if part.strip()))


def pick(place: str, values: Mapping[str, object], columns: Columns) -> Iterator[RawRow]:
    """A row's triplets, one for each of its positives. Of several negative columns, blank ones are passed over.

    Of a list only the first `MAX_NEGATIVES` negatives are taken: lists begin with the hardest.
    """
    query, negatives = values.get(columns.query), _negatives(values, columns.negatives)
    positive = values.get(columns.positive)
    several = passages(positive) if isinstance(positive, (list, tuple)) else None
    if not several:
        yield RawRow(place, query, None if several == [] else passage(positive), negatives)
    elif len(several) == 1:
        yield RawRow(place, query, several[0], negatives)
    else:
        for number, text in enumerate(several, 1):
            yield RawRow(f"{place}, positive {number}", query, text, negatives)


def _negatives(values: Mapping[str, object], names: Sequence[str]) -> object:
    """One text, a list of texts, or None; what is neither is left for the check of the row."""
    filled = {name: value for name in names if not _blank(value := values.get(name))}
    if HARD in filled:
        filled.pop(EASY, None)
    if len(names) == 1:
        value = values.get(names[0])
        return passages(value)[:MAX_NEGATIVES] if isinstance(value, (list, tuple)) else passage(value)
    flat = [item for value in filled.values() for item in passages(value)]
    return flat[:MAX_NEGATIVES] or None


def pick_object(place: str, values: Mapping[str, object], columns: Mapping[str, str]) -> Iterator[RawRow]:
    """The same for an object that brings its own keys. `columns` went through `check_mapping`."""
    available = tuple(values)
    named = Columns(
        columns.get("query") or _known(QUERIES, available),
        columns.get("positive") or _known(POSITIVES, available),
        negative_columns(columns.get("negative"), available),
    )
    return pick(place, values, named)


def suggest(available: Sequence[str]) -> dict[str, str]:
    """A likely mapping, by the names that published collections use; fields without a likely column are left out."""
    lower = {name.lower().strip(): name for name in reversed(available)}
    found = {field: next((lower[name] for name in names if name in lower), "") for field, names in _OTHER_NAMES.items()}
    if negatives := negative_columns(None, [name.lower().strip() for name in available]):
        found["negative"] = ",".join(dict.fromkeys(lower[name] for name in negatives))
    return {field: name for field, name in found.items() if name}


def _advice(available: Sequence[str]) -> str:
    likely = suggest(available)
    if "query" in likely and "positive" in likely:
        return "Map the columns, perhaps " + ", ".join(f"{field}={name}" for field, name in likely.items()) + "."
    return "Map the columns to query, positive and negative, or rename them."


def _blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip()) or value in ([], ())
