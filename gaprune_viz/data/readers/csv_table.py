"""CSV and TSV files as rows."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from gaprune_viz.data.readers.encodings import Remarks, tell
from gaprune_viz.data.readers.streams import plain_ending
from gaprune_viz.data.readers.table import Row, Table, refuse_many_columns, refuse_same_names
from gaprune_viz.data.text_files import MAX_ROWS, raw_lines, too_many_rows
from gaprune_viz.errors import GapruneError

TRIPLE = ("query", "positive", "negative")
# No name of a column is as long as this; a sentence is.
_NAME_CHARACTERS, _NAME_WORDS = 48, 5


def open_csv(path: Path, bare: Sequence[Sequence[str]] = (TRIPLE,)) -> Table:
    """A file of records with a header; its first line is read.

    A .tsv file whose first line holds sentences, or an id, where names are expected has no header, as the triples of
    MS MARCO have none.

    Args:
        bare: what the columns of a file without header are called, by how many there are.

    Raises:
        GapruneError: the header has too many columns, or one name twice.
    """
    remarks: Remarks = []
    kind = "CSV" if plain_ending(path) == ".csv" else "TSV"
    # By its letters alone: a text that begins with a quote would swallow the lines after it.
    first = next(raw_lines(path), (1, ""))[1].split("\t") if kind == "TSV" else []
    names = next((tuple(names) for names in bare if len(names) == len(first)), None)
    if names is not None and _is_data(first, names):
        _refuse_ids(path, first)
        tell(remarks, f"{path.name} has no header; its columns were read as {', '.join(names)}")
        return Table(kind, names, lambda only: _rows(path, names, _records(path, remarks, bare=True)), remarks)

    def rows(only: Sequence[str] | None) -> Iterator[Row]:
        records = _records(path, remarks)
        return _rows(path, _header(path, next(records, ("", []))[1]), records)

    return Table(kind, _header(path, next(_records(path, None), ("", []))[1]), rows, remarks)


def _is_data(record: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a first record is data: sentences, or an id in the place of an id's name."""
    id_ = record[0].strip()
    if names[0] == "_id" and re.fullmatch(r"\S*\d\S*", id_):
        return True
    if all(re.fullmatch(r"\s*\d+\s*", field) for field in record):
        return True
    return any(len(f) > _NAME_CHARACTERS or len(f.split()) > _NAME_WORDS or f.rstrip().endswith("?") for f in record)


def _refuse_ids(path: Path, record: Sequence[str]) -> None:
    if all(re.fullmatch(r"\s*\d+\s*", field) for field in record):
        raise GapruneError(
            f"{path.name} holds ids, not texts.", "Give the file of texts, such as triples.train.small.tsv."
        )


def _records(path: Path, remarks: Remarks | None, bare: bool = False) -> Iterator[tuple[str, list[str]]]:
    """Records with the line on which each begins; the header first. Blank lines are left out.

    Args:
        bare: without header; a quote is a letter like others.
    """
    lines = raw_lines(path, remarks)
    first = next(lines, (1, ""))[1]

    def texts() -> Iterator[str]:
        yield first
        for _, line in lines:
            yield line

    quoting = csv.QUOTE_NONE if bare else csv.QUOTE_MINIMAL
    reader = csv.reader(texts(), delimiter=_delimiter(path, first), strict=True, quoting=quoting)
    start = 1
    try:
        for record in reader:
            if any(field.strip() for field in record):
                yield f"line {start}", record
            start = reader.line_num + 1
    except csv.Error as error:
        raise GapruneError(
            f"{path.name}, line {start}: not valid CSV ({error}).",
            'Put texts that hold commas or quotes in quotes, and double the quotes inside: "say ""yes""".',
        ) from error


def _delimiter(path: Path, header: str) -> str:
    """A tab for .tsv; else the comma, or what the header uses in its place (spreadsheets write ; in many countries)."""
    if plain_ending(path) == ".tsv":
        return "\t"
    return next((mark for mark in ",;\t" if mark in header), ",")


def _header(path: Path, record: list[str]) -> tuple[str, ...]:
    header = tuple(name.strip() for name in record)
    refuse_many_columns(path, len(header))
    refuse_same_names(path, header)
    return header


def _rows(path: Path, header: Sequence[str], records: Iterator[tuple[str, list[str]]]) -> Iterator[Row]:
    for count, (place, record) in enumerate(records, 1):
        if count > MAX_ROWS:
            raise too_many_rows(path)
        if len(record) > len(header):
            raise GapruneError(
                f"{path.name}, {place}: {len(record)} fields, but the header has {len(header)}.",
                "Put texts that hold commas in quotes.",
            )
        yield place, dict(zip(header, record, strict=False))
