"""JSON, JSON Lines, CSV and Parquet files as rows, each with its place in the file."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gaprune_viz.data.files import (
    MAX_ROWS,
    MIB,
    check_depth,
    check_file,
    decode,
    json_kind,
    jsonl_objects,
    raw_lines,
    too_deep,
    too_many_rows,
    unreadable,
)
from gaprune_viz.errors import GapruneError

if TYPE_CHECKING:
    import pyarrow as pa

MAX_UNCOMPRESSED_BYTES = 1024 * MIB
MAX_COLUMNS = 1_000
SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".parquet")
_SPACE = re.compile(r"[ \t\r\n]*")

Row = tuple[str, Mapping[str, object]]
"""Where a row was found ("line 7"), and its values by column."""


@dataclass(frozen=True)
class Table:
    """A file that is open for reading.

    Attributes:
        kind: the format, in words.
        columns: names of the columns; None where every row brings its own keys.
        rows: gives the rows; it may be told which columns are wanted.
    """

    kind: str
    columns: tuple[str, ...] | None
    rows: Callable[[Sequence[str] | None], Iterator[Row]]


def open_table(path: Path) -> Table:
    """Open a file by its ending. Rows are read and checked only as they are taken.

    Raises:
        GapruneError: for an unknown ending, and for a file that is missing, too large or not of its format.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise GapruneError(f"{path.name} is no format we read.", f"Give a file that ends in {', '.join(SUFFIXES)}.")
    check_file(path)
    if suffix == ".jsonl":
        return Table("JSON Lines", None, lambda only: _places("line", jsonl_objects(path)))
    if suffix == ".json":
        return Table("JSON", None, lambda only: _json_items(path))
    if suffix == ".parquet":
        return _open_parquet(path)
    header = next(_csv_records(path), ("", []))[1]
    return Table("CSV" if suffix == ".csv" else "TSV", _csv_header(path, header), lambda only: _csv_rows(path))


def _places(word: str, rows: Iterator[tuple[int, Mapping[str, object]]]) -> Iterator[Row]:
    return ((f"{word} {number}", values) for number, values in rows)


def _json_items(path: Path) -> Iterator[Row]:
    """The objects of one JSON list. Decoded one by one, so that an endless list is never held as a whole."""
    check_file(path)
    try:
        text = decode(path.read_bytes(), path.name)
    except OSError as error:
        raise unreadable(path, error) from error
    position = _skip(text, 0)
    if not text.startswith("[", position):
        raise GapruneError(
            f"{path.name} does not hold a JSON list.",
            "Give a list of objects, or name the file .jsonl if it holds one object on each line.",
        )
    position = _skip(text, position + 1)
    number = 0
    while not text.startswith("]", position):
        number += 1
        if number > MAX_ROWS:
            raise too_many_rows(path)
        value, position = _json_value(text, position, f"{path.name}, item {number}")
        yield f"item {number}", value
        position = _skip(text, position)
        if text.startswith(",", position) and not text.startswith("]", after := _skip(text, position + 1)):
            position = after
        elif not text.startswith("]", position):
            raise _bad_json(
                path.name, text, position, f"a comma and another object, or ], were expected after item {number}"
            )
    position = _skip(text, position + 1)
    if position != len(text):
        raise _bad_json(path.name, text, position, "there is more text after the end of the list")


def _json_value(text: str, position: int, place: str) -> tuple[Mapping[str, object], int]:
    try:
        value, end = json.JSONDecoder().raw_decode(text, position)
    except json.JSONDecodeError as error:
        raise _bad_json(place, text, error.pos, error.msg) from error
    except RecursionError as error:
        raise too_deep(place) from error
    except ValueError as error:
        raise _bad_json(place, text, position, str(error)) from error
    check_depth(value, place)
    if not isinstance(value, dict):
        raise GapruneError(
            f"{place}: {json_kind(value)} where an object was expected.",
            'Each item must be an object such as {"query": "...", "positive": "...", "negative": "..."}.',
        )
    return value, end


def _bad_json(place: str, text: str, position: int, what: str) -> GapruneError:
    line = text.count("\n", 0, position) + 1
    return GapruneError(f"{place}: not valid JSON at line {line} ({what}).", "Mend it there.")


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


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
    _refuse_many_columns(path, len(header))
    twice = sorted(name for name, count in Counter(header).items() if count > 1 and name)
    if twice:
        raise GapruneError(f"{path.name} has two columns called {twice[0]!r}.", "Give every column its own name.")
    return header


def _refuse_many_columns(path: Path, columns: int) -> None:
    if columns > MAX_COLUMNS:
        raise GapruneError(
            f"{path.name} has {columns:,} columns; the limit is {MAX_COLUMNS:,}.",
            "Keep those of query, positive and negatives.",
        )


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


def _open_parquet(path: Path) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            metadata, schema = file.metadata, file.schema_arrow
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _bad_parquet(path, error) from error
    _refuse_many_columns(path, len(schema.names))
    if metadata.num_rows > MAX_ROWS:
        raise too_many_rows(path)
    size = sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups))
    if size > MAX_UNCOMPRESSED_BYTES:
        raise GapruneError(
            f"{path.name} has {size / MIB:,.0f} MiB when unpacked; the limit is {MAX_UNCOMPRESSED_BYTES // MIB} MiB.",
            "Keep a part of its rows: a few thousand triplets are plenty.",
        )
    return Table("Parquet", tuple(schema.names), lambda only: _parquet_rows(path, schema, only))


def _parquet_rows(path: Path, schema: pa.Schema, only: Sequence[str] | None) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = list(only) if only is not None else schema.names
    texts = [name for name in names if pa.types.is_string(schema.field(name).type)]
    number = 0
    try:
        # Kept as dictionaries, one huge text that is repeated in every row does not fill the memory.
        # In this thread: where memory is too short to start threads, pyarrow waits for ever.
        with pq.ParquetFile(path, read_dictionary=texts, pre_buffer=False) as file:
            for batch in file.iter_batches(batch_size=1024, columns=names, use_threads=False):
                for index in range(batch.num_rows):
                    number += 1
                    if number > MAX_ROWS:
                        raise too_many_rows(path)
                    yield f"row {number}", _parquet_row(batch, index, path, number)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _bad_parquet(path, error) from error


def _parquet_row(batch: pa.RecordBatch, index: int, path: Path, number: int) -> dict[str, object]:
    try:
        return {name: batch.column(name)[index].as_py() for name in batch.schema.names}
    except (ValueError, OverflowError) as error:
        raise GapruneError(f"{path.name}, row {number}: cannot be read ({error}).", "Leave that row out.") from error


def _bad_parquet(path: Path, error: Exception) -> GapruneError:
    return GapruneError(f"{path.name} is not a readable Parquet file ({error}).", "Write it anew, without encryption.")
