"""Reading files that other people made: size limits, encodings, and errors that name the line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from gaprune_viz.errors import GapruneError

MIB = 1024 * 1024
MAX_FILE_BYTES = 256 * MIB
MAX_LINE_BYTES = MIB
MAX_ROWS = 200_000
MAX_DEPTH = 32


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


def raw_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file with their ends, counted from 1. A byte-order mark is skipped.

    No more than `MAX_LINE_BYTES` of a line are ever held in memory.

    Raises:
        GapruneError: for a line that is too long or not UTF-8, and for a file that cannot be read.
    """
    check_file(path)
    try:
        with path.open("rb") as stream:
            number = 0
            while raw := stream.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(raw) > MAX_LINE_BYTES:
                    raise GapruneError(
                        f"{path.name}, line {number}: longer than {MAX_LINE_BYTES // MIB} MiB.",
                        "Put one row on each line, and shorten its texts.",
                    )
                yield number, decode(raw, f"{path.name}, line {number}")
    except OSError as error:
        raise unreadable(path, error) from error


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file without outer blanks; blank lines are counted but left out.

    Raises:
        GapruneError: as `raw_lines`.
    """
    for number, raw in raw_lines(path):
        line = raw.strip()
        if line:
            yield number, line


def decode(raw: bytes, place: str) -> str:
    """UTF-8 bytes as text, without a byte-order mark.

    Raises:
        GapruneError: naming the place, when the bytes are not UTF-8.
    """
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise GapruneError(
            f"{place}: not UTF-8 text (byte {raw[error.start]:#04x}).", "Save the file with UTF-8 encoding."
        ) from error


def jsonl_objects(path: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    """The objects of a JSON Lines file with their line numbers; blank lines are ignored.

    Raises:
        GapruneError: naming the line, for anything that is not one JSON object; for more than `MAX_ROWS` lines.
    """
    for rows, (number, line) in enumerate(text_lines(path), 1):
        if rows > MAX_ROWS:
            raise too_many_rows(path)
        place = f"{path.name}, line {number}"
        value = parse_json(line, place)
        if not isinstance(value, dict):
            raise GapruneError(
                f"{place}: {json_kind(value)} where an object was expected.",
                'Each line must be one object such as {"query": "...", "positive": "...", "negative": "..."}.',
            )
        yield number, value


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
