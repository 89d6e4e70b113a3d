"""JSON lists and JSON Lines as rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from gaprune_viz.data.readers.encodings import Remarks
from gaprune_viz.data.readers.table import SET, Row, Table
from gaprune_viz.data.text_files import (
    MAX_ROWS,
    check_depth,
    jsonl_values,
    no_object,
    too_deep,
    too_many_rows,
    whole_text,
)
from gaprune_viz.errors import GapruneError

_SPACE = re.compile(r"[ \t\r\n]*")


def open_json(path: Path) -> Table:
    """A file that holds one list of objects, or of lists of texts."""
    remarks: Remarks = []
    return Table("JSON", None, lambda only: _rows(path, _json_items(path, remarks)), remarks)


def open_json_lines(path: Path) -> Table:
    """A file that holds one object, or one list of texts, on each line."""
    remarks: Remarks = []

    def values() -> Iterator[tuple[str, object]]:
        return ((f"line {number}", value) for number, value in jsonl_values(path, remarks))

    return Table("JSON Lines", None, lambda only: _rows(path, values()), remarks)


def _rows(path: Path, values: Iterator[tuple[str, object]]) -> Iterator[Row]:
    """Values as rows: objects as they are, and where the first is a list, lists as objects with one field."""
    lists: bool | None = None
    for place, value in values:
        lists = isinstance(value, list) if lists is None else lists
        if lists and isinstance(value, list):
            yield place, {SET: value}
        elif not lists and isinstance(value, dict):
            yield place, value
        else:
            raise no_object(f"{path.name}, {place}", value)


def _json_items(path: Path, remarks: Remarks) -> Iterator[tuple[str, object]]:
    """The values of one JSON list. Decoded one by one, so that an endless list is never held as a whole."""
    text = whole_text(path, remarks)
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


def _json_value(text: str, position: int, place: str) -> tuple[object, int]:
    try:
        value, end = json.JSONDecoder().raw_decode(text, position)
    except json.JSONDecodeError as error:
        raise _bad_json(place, text, error.pos, error.msg) from error
    except RecursionError as error:
        raise too_deep(place) from error
    except ValueError as error:
        raise _bad_json(place, text, position, str(error)) from error
    check_depth(value, place)
    return value, end


def _bad_json(place: str, text: str, position: int, what: str) -> GapruneError:
    line = text.count("\n", 0, position) + 1
    return GapruneError(f"{place}: not valid JSON at line {line} ({what}).", "Mend it there.")


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position
