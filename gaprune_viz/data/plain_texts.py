"""Plain texts: what is in them, and nothing of what answers what. The embedding kind of Fisher information takes them.

A table holds them where a person maps `text=COLUMN` (several columns are joined by a blank), where it is a .txt file,
and where it has a column `text` but neither `query` nor `positive`, as the corpus.jsonl of a BEIR folder does: its
`title`, where there is one, comes before its `text`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gaprune_viz.config import LEFT_OUT
from gaprune_viz.data.columns import TEXT
from gaprune_viz.data.readers.table import Table
from gaprune_viz.data.schema import MAX_TOTAL_TEXT, Notes, PlainText, ReadReport, TripletSet, check_text, until_broken
from gaprune_viz.data.skipped_rows import Leaving
from gaprune_viz.data.text_files import MAX_ROWS
from gaprune_viz.errors import GapruneError


@dataclass(frozen=True)
class TextSet:
    """Checked plain texts.

    Attributes:
        name: short label for figures and tables.
        content_hash: SHA-256 of the texts in order, whatever file format they came from.
    """

    name: str
    texts: tuple[PlainText, ...]
    content_hash: str
    report: ReadReport

    @property
    def samples(self) -> tuple[PlainText, ...]:
        return self.texts


def text_columns(mapping: Mapping[str, str], table: Table) -> tuple[str, ...]:
    """The columns that hold plain texts; none where the table holds triplets.

    Args:
        mapping: went through `check_mapping`.

    Raises:
        GapruneError: texts are mapped beside queries; or the first row cannot be read.
    """
    if TEXT in mapping:
        if len(mapping) > 1:
            raise GapruneError(
                "Plain texts have no query, positive or negative: text was mapped beside them.",
                "Map text alone, or query, positive and negative.",
            )
        return tuple(dict.fromkeys(part.strip() for part in mapping[TEXT].split(",") if part.strip()))
    if mapping:
        return ()
    names = table.columns
    if names is None:
        _, first = next(iter(table.rows(None)), ("", {}))
        names = tuple(first)
    if TEXT not in names or "query" in names or "positive" in names:
        return ()
    return ("title", TEXT) if "title" in names else (TEXT,)


def read_texts(source: str, name: str, table: Table, columns: tuple[str, ...], left_out: float = LEFT_OUT) -> TextSet:
    """The plain texts of an open table. Empty ones are passed over and counted.

    Args:
        columns: from `text_columns`.

    Raises:
        GapruneError: there is no such column, and as `assemble_texts`.
    """
    if table.columns is not None and (missing := [c for c in columns if c not in table.columns]):
        raise GapruneError(
            f"{name} has no column {' and no column '.join(map(repr, missing))}; "
            f"its columns are: {', '.join(table.columns) or 'none'}.",
            "Map a column that is there: text=COLUMN.",
        )
    only = None if table.columns is None else columns
    rows = ((place, [values.get(column) for column in columns]) for place, values in table.rows(only))
    return assemble_texts(name, source, rows, ", ".join(columns), left_out, table.remarks)


def assemble_texts(
    name: str,
    source: str,
    rows: Iterable[tuple[str, list[object]]],
    columns: str,
    left_out: float = LEFT_OUT,
    remarks: Sequence[str] = (),
) -> TextSet:
    """Check texts, pass over empty ones, leave out exact duplicates and a few that cannot be used, and count.

    Args:
        name: label of the set.
        source: what is read, in words.
        rows: where each text was found, and its parts.
        columns: what the parts are called.
        left_out, remarks: as `schema.assemble`.

    Raises:
        GapruneError: for the first text that is too long or no text where there are too many, for too many rows or too
            much text, and for fewer than two texts.
    """
    notes, leaving = Notes(), Leaving(left_out)
    seen: dict[str, str] = {}
    count = empty = duplicates = characters = 0
    for place, parts in until_broken(rows, leaving):
        count += 1
        if count > MAX_ROWS:
            raise GapruneError(f"{name} has more than {MAX_ROWS:,} rows.", "A few thousand texts are plenty.")
        filled = [part for part in parts if not (part is None or (isinstance(part, str) and not part.strip()))]
        if not filled:
            empty += 1
            continue
        try:
            text = " ".join(check_text(part, TEXT, f"{name}, {place}") for part in filled)
        except GapruneError as error:
            leaving.add(error)
            notes.add(f"{error.message.removeprefix(f'{name}, ').rstrip('.')}: left out")
            continue
        if text in seen:
            duplicates += 1
            notes.add(f"{place}: the same text as {seen[text]}")
            continue
        seen[text] = place
        characters += len(text)
        if characters > MAX_TOTAL_TEXT:
            raise GapruneError(f"{name} holds more than half a gigabyte of text.", "A few thousand texts are plenty.")
    leaving.check(count)
    if empty:
        notes.add(f"{empty:,} empty {'text was' if empty == 1 else 'texts were'} passed over")
    if len(seen) < 2:
        raise GapruneError(
            f"{name} gives {len(seen)} usable text{'' if len(seen) == 1 else 's'} out of {count} rows "
            f"({empty} of them empty in {columns}); at least 2 are needed.",
            "Add texts, or map another column: text=COLUMN.",
        )
    digest = hashlib.sha256()
    for text in seen:
        digest.update(json.dumps([text]).encode() + b"\n")
    report = ReadReport(source, count, len(seen), duplicates, notes.all(), tuple(remarks), leaving.left)
    return TextSet(name, tuple(map(PlainText, seen)), digest.hexdigest(), report)


def refuse_plain(found: TripletSet | TextSet) -> TripletSet:
    """The triplets of what was read.

    Raises:
        GapruneError: these are plain texts.
    """
    if isinstance(found, TextSet):
        raise GapruneError(f"{found.name}: plain texts have no positives.", "Use --fisher embedding, or give triplets.")
    return found
