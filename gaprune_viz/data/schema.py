"""What a triplet is, and how rows from anywhere become a checked set of them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from gaprune_viz.config import LEFT_OUT
from gaprune_viz.data.skipped_rows import Leaving
from gaprune_viz.data.text_files import MAX_ROWS, json_kind
from gaprune_viz.errors import GapruneError

MAX_TEXT = 20_000
MAX_NEGATIVES = 100
MAX_TOTAL_TEXT = 512 * 1024 * 1024
MAX_NOTES = 100
HALF_CHARACTER = re.compile("[\ud800-\udfff]")

Embed = Callable[[Sequence[str], str], np.ndarray]
"""(texts, kind "query" | "passage") -> float32 [n, d], unit rows, in the order of the texts."""


@dataclass(frozen=True, slots=True)
class Triplet:
    """A query, the passage that answers it, and at least one passage that does not."""

    query: str
    positive: str
    negatives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlainText:
    """A text without label: nothing says what answers it, or what it answers."""

    text: str


Samples = Sequence[Triplet] | Sequence[PlainText]


def clusters_of(queries: Iterable[str]) -> np.ndarray:
    """Which samples cannot be taken as independent, by their queries: those of one. int64 [samples], 0, 1, 2, ..."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(query, len(numbers)) for query in queries], dtype=np.int64)


@dataclass(frozen=True)
class ReadReport:
    """What became of the rows.

    Attributes:
        source: what was read, in words a person recognises.
        rows: rows found.
        kept: triplets made of them.
        duplicates: rows left out because the same triplet came before.
        dropped: one plain line for each row left out, at most `MAX_NOTES` and a line that counts the rest.
        remarks: what a person should know of the file itself: its encoding, a missing header, mined negatives.
        left_out: rows that could not be used.
    """

    source: str
    rows: int
    kept: int
    duplicates: int
    dropped: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    left_out: int = 0


@dataclass(frozen=True)
class TripletSet:
    """Checked triplets.

    Attributes:
        name: short label for figures and tables.
        content_hash: SHA-256 of the texts in order, whatever file format they came from.
    """

    name: str
    triplets: tuple[Triplet, ...]
    content_hash: str
    report: ReadReport

    @property
    def samples(self) -> tuple[Triplet, ...]:
        return self.triplets

    @property
    def clusters(self) -> np.ndarray:
        """As `clusters_of`, int64 [triplets]."""
        return clusters_of(t.query for t in self.triplets)


@dataclass(frozen=True, slots=True)
class RawRow:
    """An unchecked row and where it was found ("line 7")."""

    place: str
    query: object
    positive: object
    negatives: object


@dataclass
class Notes:
    """Lines about rows that were left out: the first `MAX_NOTES` in full, the rest counted."""

    lines: list[str] = field(default_factory=list)
    total: int = 0

    def add(self, line: str) -> None:
        """Note one row."""
        self.total += 1
        if len(self.lines) < MAX_NOTES:
            self.lines.append(line)

    def all(self) -> tuple[str, ...]:
        """The lines, with a last one that says how many more there were."""
        more = self.total - len(self.lines)
        return (*self.lines, f"and {more:,} more rows") if more else tuple(self.lines)


def check_text(value: object, name: str, place: str) -> str:
    """One text of a triplet, without outer blanks.

    Raises:
        GapruneError: naming place and field, when it is missing, no text, empty, too long or not valid Unicode.
    """
    if value is None:
        raise GapruneError(f"{place}: {name} is missing.", f"Give every row a {name}, or leave the row out.")
    if not isinstance(value, str):
        raise GapruneError(f"{place}: {name} is {json_kind(value)}; a text was expected.", "Put texts in quotes.")
    text = value.strip()
    if not text:
        raise GapruneError(f"{place}: {name} is empty.", f"Give every row a {name}, or leave the row out.")
    if len(text) > MAX_TEXT:
        raise GapruneError(
            f"{place}: {name} has {len(text):,} characters; the limit is {MAX_TEXT:,}.",
            "Models read a few hundred words: shorten the text, or split it into passages.",
        )
    if HALF_CHARACTER.search(text):
        raise GapruneError(f"{place}: {name} holds half a character (a lone surrogate).", "Write that text anew.")
    return text


def check_triplet(row: RawRow, where: str) -> Triplet:
    """A row as a triplet. A negative that is given twice counts once.

    Args:
        row: its negatives may be a text or a list of texts.
        where: name of the file, put before the row's place in messages.

    Raises:
        GapruneError: naming file, place and field.
    """
    place = f"{where}, {row.place}"
    query = check_text(row.query, "query", place)
    positive = check_text(row.positive, "positive", place)
    given = row.negatives if isinstance(row.negatives, (list, tuple)) else [row.negatives]
    if not given:
        raise GapruneError(f"{place}: negative is an empty list.", "Give at least one negative.")
    if len(given) > MAX_NEGATIVES:
        raise GapruneError(
            f"{place}: {len(given):,} negatives; the limit is {MAX_NEGATIVES}.", "Keep the hardest ones."
        )
    negatives = tuple(dict.fromkeys(check_text(value, "negative", place) for value in given))
    if positive in negatives:
        raise GapruneError(
            f"{place}: a negative is the same text as the positive.", "Take it out: it would teach nothing."
        )
    return Triplet(query, positive, negatives)


def assemble(
    name: str,
    source: str,
    rows: Iterable[RawRow],
    notes: Notes | None = None,
    *,
    left_out: float = LEFT_OUT,
    remarks: Sequence[str] = (),
) -> TripletSet:
    """Check rows, leave out exact duplicates and a few that cannot be used, and count.

    Args:
        name: label of the set.
        source: what is read, in words; file errors begin with `name`.
        rows: read once, never held in memory as a whole.
        notes: lines about rows that the reader itself left out; they count as rows.
        left_out: share of the rows that may be left out, each with a line that says why.
        remarks: for the report; complete once the rows were read.

    Raises:
        GapruneError: for the first bad row where there are too many, for too many rows or too much text, and for fewer
            than two triplets.
    """
    notes, leaving = notes or Notes(), Leaving(left_out)
    seen: dict[Triplet, str] = {}
    count = duplicates = characters = 0
    for row in until_broken(rows, leaving):
        count += 1
        if count > MAX_ROWS:
            raise GapruneError(f"{name} has more than {MAX_ROWS:,} rows.", "A few thousand triplets are plenty.")
        try:
            triplet = check_triplet(row, name)
        except GapruneError as error:
            leaving.add(error)
            notes.add(f"{error.message.removeprefix(f'{name}, ').rstrip('.')}: left out")
            continue
        if triplet in seen:
            duplicates += 1
            notes.add(f"{row.place}: the same triplet as {seen[triplet]}")
            continue
        seen[triplet] = row.place
        characters += len(triplet.query) + len(triplet.positive) + sum(map(len, triplet.negatives))
        if characters > MAX_TOTAL_TEXT:
            raise GapruneError(
                f"{name} holds more than half a gigabyte of text.", "A few thousand triplets are plenty."
            )
    leaving.check(count)
    rows_found = count + notes.total - duplicates - leaving.left
    if len(seen) < 2:
        raise GapruneError(
            f"{name} gives {len(seen)} usable triplet{'' if len(seen) == 1 else 's'} out of {rows_found} rows; "
            "at least 2 are needed.",
            "Add triplets of query, positive and negative.",
        )
    triplets = tuple(seen)
    report = ReadReport(source, rows_found, len(triplets), duplicates, notes.all(), tuple(remarks), leaving.left)
    return TripletSet(name, triplets, content_hash(triplets), report)


Row = TypeVar("Row")


def until_broken(rows: Iterable[Row], leaving: Leaving) -> Iterator[Row]:
    """Rows as they come. Where the file is broken after too many bad rows, the first of those is the one to name."""
    count = 0
    try:
        for row in rows:
            count += 1
            yield row
    except GapruneError:
        leaving.check(count)
        raise


def content_hash(triplets: Iterable[Triplet]) -> str:
    """SHA-256 (hex) of the texts, in order."""
    digest = hashlib.sha256()
    for triplet in triplets:
        digest.update(json.dumps([triplet.query, triplet.positive, triplet.negatives]).encode())
        digest.update(b"\n")
    return digest.hexdigest()
