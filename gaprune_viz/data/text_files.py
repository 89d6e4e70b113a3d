"""Reading files that other people made: size limits, encodings, and errors that name the line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from gaprune_viz.data.readers.encodings import Remarks, decoded, decoded_lines
from gaprune_viz.data.readers.limits import MAX_DEPTH, MAX_FILE_BYTES, MAX_ROWS, MIB
from gaprune_viz.data.readers.streams import open_stream
from gaprune_viz.errors import GapruneError


def check_file(path: Path) -> None:
    """Refuse what is not an ordinary, readable file of at most 256 MiB.

    Raises:
        GapruneError: naming the file and what is wrong with it.
    """
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is not there"
            raise GapruneError(f"{path.name} {what}; a file was expected.", f"Check the path {path}.")
        size = path.stat().st_size
    except OSError as error:
        raise unreadable(path, error) from error
    if size > MAX_FILE_BYTES:
        raise GapruneError(
            f"{path.name} has {size / MIB:,.0f} MiB; the limit is {MAX_FILE_BYTES // MIB} MiB.",
            "Keep a part of its rows: a few thousand triplets are plenty.",
        )
    if size == 0:
        raise GapruneError(f"{path.name} is empty.", "Give a file with at least two triplets.")


def unreadable(path: Path, error: OSError) -> GapruneError:
    """The error for a file that the system will not let us read."""
    return GapruneError(
        f"{path.name} cannot be read: {error.strerror or error}.", "Check its permissions and its name."
    )


def too_many_rows(path: Path) -> GapruneError:
    """The error for a file with more rows than we read."""
    return GapruneError(
        f"{path.name} has more than {MAX_ROWS:,} rows.",
        "Keep a part of its rows: a few thousand triplets are plenty.",
    )


def raw_lines(path: Path, remarks: Remarks | None = None) -> Iterator[tuple[int, str]]:
    """The lines of a text file with their ends, counted from 1; unpacked, and decoded as `readers.encodings` says.

    No more than `MAX_LINE_BYTES` of a line are ever held in memory.

    Args:
        remarks: gets a line where the file is not UTF-8.

    Raises:
        GapruneError: for a line that is too long or no text, and for a file that cannot be read.
    """
    check_file(path)
    try:
        with open_stream(path) as stream:
            yield from decoded_lines(stream, path, remarks)
    except OSError as error:
        raise unreadable(path, error) from error


def text_lines(path: Path, remarks: Remarks | None = None) -> Iterator[tuple[int, str]]:
    """The lines of a text file without outer blanks; blank lines are counted but left out.

    Raises:
        GapruneError: as `raw_lines`.
    """
    for number, raw in raw_lines(path, remarks):
        line = raw.strip()
        if line:
            yield number, line


def whole_text(path: Path, remarks: Remarks | None = None) -> str:
    """All of a text file, as `raw_lines` reads it.

    Raises:
        GapruneError: as `raw_lines`.
    """
    check_file(path)
    try:
        with open_stream(path) as stream:
            return decoded(stream.read(), path, remarks)
    except OSError as error:
        raise unreadable(path, error) from error


def jsonl_values(path: Path, remarks: Remarks | None = None) -> Iterator[tuple[int, object]]:
    """The values of a JSON Lines file with their line numbers; blank lines are ignored.

    Raises:
        GapruneError: naming the line, for anything that is not JSON; for more than `MAX_ROWS` lines.
    """
    for rows, (number, line) in enumerate(text_lines(path, remarks), 1):
        if rows > MAX_ROWS:
            raise too_many_rows(path)
        yield number, parse_json(line, f"{path.name}, line {number}")


def jsonl_objects(path: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    """The objects of a JSON Lines file with their line numbers; blank lines are ignored.

    Raises:
        GapruneError: as `jsonl_values`; and for anything that is not one JSON object.
    """
    for number, value in jsonl_values(path):
        if not isinstance(value, dict):
            raise no_object(f"{path.name}, line {number}", value)
        yield number, value


def no_object(place: str, value: object) -> GapruneError:
    """The error for a row that is no JSON object."""
    return GapruneError(
        f"{place}: {json_kind(value)} where an object was expected.",
        'Each row must be one object such as {"query": "...", "positive": "...", "negative": "..."}.',
    )


def parse_json(text: str, place: str) -> object:
    """One JSON value.

    Raises:
        GapruneError: naming the place, when it is not valid JSON or is nested deeper than `MAX_DEPTH`.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise GapruneError(
            f"{place}: not valid JSON ({error.msg} at character {error.pos + 1}).", "Mend that line, or leave it out."
        ) from error
    except RecursionError as error:
        raise too_deep(place) from error
    except ValueError as error:
        # Integers of more than 4,300 digits are refused by Python itself, with a plain ValueError.
        raise GapruneError(f"{place}: not valid JSON ({error}).", "Mend that line, or leave it out.") from error
    check_depth(value, place)
    return value


def check_depth(value: object, place: str) -> None:
    """Refuse a JSON value whose lists and objects are nested deeper than `MAX_DEPTH`."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            if isinstance(parent, (dict, list))
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return
    raise too_deep(place)


def too_deep(place: str) -> GapruneError:
    """The error for JSON that is nested too deeply."""
    return GapruneError(
        f"{place}: nested deeper than {MAX_DEPTH} levels.", "A triplet needs only texts and lists of texts."
    )


def json_kind(value: object) -> str:
    """What a JSON value is, in words with an article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, (list, tuple)) else "an object"
