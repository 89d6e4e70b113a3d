"""CSV and TSV files as rows."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from gaprune_viz.data.files import MAX_ROWS, raw_lines, too_many_rows
from gaprune_viz.data.readers.table import Row, Table, refuse_many_columns
from gaprune_viz.errors import GapruneError


def open_csv(path: Path) -> Table:
    """A file of records with a header; its first line is read."""
    header = next(_csv_records(path), ("", []))[1]
    return Table(
        "CSV" if path.suffix.lower() == ".csv" else "TSV", _csv_header(path, header), lambda only: _csv_rows(path)
    )


def _csv_records(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Records with the line on which each begins; the header first. Blank lines are left out."""
    lines = raw_lines(path)
    first = next(lines, (1, ""))[1]

    def texts() -> Iterator[str]:
        yield first
        for _, line in lines:
            yield line

    reader = csv.reader(texts(), delimiter=_delimiter(path, first), strict=True)
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
    if path.suffix.lower() == ".tsv":
        return "\t"
    return next((mark for mark in ",;\t" if mark in header), ",")


def _csv_header(path: Path, record: list[str]) -> tuple[str, ...]:
    header = tuple(name.strip() for name in record)
    refuse_many_columns(path, len(header))
    twice = sorted(name for name, count in Counter(header).items() if count > 1 and name)
    if twice:
        raise GapruneError(f"{path.name} has two columns called {twice[0]!r}.", "Give every column its own name.")
    return header


def _csv_rows(path: Path) -> Iterator[Row]:
    records = _csv_records(path)
    header = _csv_header(path, next(records, ("", []))[1])
    for count, (place, record) in enumerate(records, 1):
        if count > MAX_ROWS:
            raise too_many_rows(path)
        if len(record) > len(header):
            raise GapruneError(
                f"{path.name}, {place}: {len(record)} fields, but the header has {len(header)}.",
                "Put texts that hold commas in quotes.",
            )
        yield place, dict(zip(header, record, strict=False))
