"""The corpus and the queries of a collection, from any table, under the names that published ones give them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from gaprune_viz.data.readers.by_ending import open_table
from gaprune_viz.data.readers.csv_table import open_csv
from gaprune_viz.data.readers.streams import plain_ending
from gaprune_viz.data.readers.table import Row
from gaprune_viz.data.schema import HALF_CHARACTER, Notes, until_broken
from gaprune_viz.data.shapes.passages import TEXTS
from gaprune_viz.data.skipped_rows import Leaving
from gaprune_viz.data.text_files import json_kind
from gaprune_viz.errors import GapruneError

IDS = ("_id", "id", "docid", "doc_id", "pid", "corpus-id", "corpus_id")
QUERY_IDS = ("_id", "id", "qid", "query_id", "query-id")
QUERY_TEXTS = ("text", "query", "question", *TEXTS[1:])
Value = TypeVar("Value")


@dataclass
class Told:
    """What a person should know of a collection.

    Attributes:
        share: of the rows of a file that may be left out.
        notes: rows that were left out. remarks: about whole files.
        left_out: ids of queries that were left out.
    """

    share: float
    notes: Notes = field(default_factory=Notes)
    remarks: list[str] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)

    def all(self) -> tuple[str, ...]:
        return (*self.remarks, *self.notes.all())


def read_corpus(path: Path, told: Told) -> dict[str, tuple[str, str]]:
    """Passage id -> (title, text), in the order of the file. A passage that is given twice counts once.

    Raises:
        GapruneError: naming file and row, for a row without id or text and for an id with two texts.
    """

    def read(values: Mapping[str, object], place: str) -> tuple[str, str]:
        title = "" if values.get("title") is None else _text(values, "title", place)
        return title, _text(values, _named(TEXTS, values), place)

    corpus = _read(path, IDS, read, told)
    if not corpus:
        raise GapruneError(f"{path.name} holds no passages.", "Give one object with _id, title and text on each line.")
    return corpus


def read_queries(path: Path, told: Told) -> dict[str, str]:
    """Query id -> text, in the order of the file. A few that are empty or null are left out.

    Raises:
        GapruneError: as `read_corpus`; and for too many that are empty.
    """
    leaving, count = Leaving(told.share), 0

    def read(values: Mapping[str, object], place: str) -> str:
        nonlocal count
        count += 1
        name = _named(QUERY_TEXTS, values)
        text = "" if name in values and values[name] is None else _text(values, name, place)
        if not text:
            leaving.add(GapruneError(f"{place}: the query is empty.", "Give it a text, or leave the line out."))
            told.notes.add(f"{place}: the query is empty: left out")
        return text

    queries = _read(path, QUERY_IDS, read, told, leaving)
    leaving.check(count)
    told.left_out |= {id_ for id_, text in queries.items() if not text}
    queries = {id_: text for id_, text in queries.items() if text}
    if not queries:
        raise GapruneError(f"{path.name} holds no queries.", "Give one object with _id and text on each line.")
    return queries


def _read(
    path: Path,
    ids: tuple[str, ...],
    read: Callable[[Mapping[str, object], str], Value],
    told: Told,
    leaving: Leaving | None = None,
) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for where, values in until_broken(_rows(path, told), leaving or Leaving(1)):
        place = f"{path.name}, {where}"
        id_ = _id(values, ids, place)
        value = read(values, place)
        if id_ in found and found[id_] != value:
            raise GapruneError(f"{place}: the _id {id_!r} is used twice.", "Give every line its own _id.")
        if id_ in found:
            told.notes.add(f"{place}: the same as the row of {id_!r} before: left out")
        found[id_] = value
    return found


def _rows(path: Path, told: Told) -> Iterator[Row]:
    if plain_ending(path) == ".tsv":
        table = open_csv(path, bare=(("_id", "text"), ("_id", "title", "text")))
    else:
        table = open_table(path)
    yield from table.rows(None)
    told.remarks += [line for line in table.remarks if line not in told.remarks]


def _named(names: tuple[str, ...], values: Mapping[str, object]) -> str:
    return next((name for name in names if name in values), names[0])


def _id(values: Mapping[str, object], names: tuple[str, ...], place: str) -> str:
    name = _named(names, values)
    value = values.get(name)
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text.strip():
        raise GapruneError(f"{place}: _id is missing, empty or not a text.", "Give every line its own _id.")
    # Judgements are split at tabs and stripped, so an id with outer blanks could never be named there.
    return text.strip()


def _text(values: Mapping[str, object], name: str, place: str) -> str:
    value = values.get(name)
    if not isinstance(value, str):
        what = f"is {json_kind(value)}" if name in values else "is missing"
        raise GapruneError(f"{place}: {name} {what}; a text was expected.", "Mend that line, or leave it out.")
    if HALF_CHARACTER.search(value):
        raise GapruneError(f"{place}: {name} holds half a character (a lone surrogate).", "Mend that line.")
    return value.strip()
