"""Bytes as text: UTF-8, the wide encodings that a byte-order mark names, and Windows-1252 where nothing else can be.

A file is of one encoding. It is UTF-8 until a line is not. Where all before that line was ASCII, the file is read as
Windows-1252 (Latin-1 is a part of it), and the line that decided it is told; but for lines that no western language
writes, and for control characters, it is refused as before.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path

from gaprune_viz.data.readers.limits import MAX_LINE_BYTES, MIB
from gaprune_viz.data.readers.streams import other_format
from gaprune_viz.errors import GapruneError

Remarks = list[str]
"""What a person should be told of a file that is read all the same, each once."""

# The longer marks first: that of UTF-16 begins that of UTF-32.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f\x81\x8d\x8f\x90\x9d]")
# Western words have one or two accented letters in a row; Greek, Cyrillic and Asian ones have nothing else.
_FOREIGN = re.compile(rb"[\x80-\xff]{4}")
_SAVE = "Save the file with UTF-8 encoding."


def tell(remarks: Remarks | None, line: str) -> None:
    """Add a remark, unless it was told already."""
    if remarks is not None and line not in remarks:
        remarks.append(line)


def decoded_lines(stream: io.BufferedReader, path: Path, remarks: Remarks | None) -> Iterator[tuple[int, str]]:
    """The lines of an open file with their ends, counted from 1, without a byte-order mark.

    Raises:
        GapruneError: for a line that is too long or no text.
    """
    if (wide := _wide(stream.peek(4)[:4])) is not None:
        yield from _wide_lines(stream, wide, path, remarks)
        return
    lines, number = Lines(path, remarks), 0
    while raw := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(raw) > MAX_LINE_BYTES:
            raise _too_long(path, number)
        yield number, lines.text(raw, number)


def decoded(content: bytes, path: Path, remarks: Remarks | None) -> str:
    """All of a file as text, without a byte-order mark.

    Raises:
        GapruneError: naming the file, when it is no text.
    """
    wide = _wide(content[:4])
    try:
        if wide is None:
            return content.decode("utf-8-sig")
        tell(remarks, f"{path.name} is {wide.upper()}, by its mark")
        return content.decode(wide)
    except UnicodeDecodeError as error:
        if wide is not None:
            raise GapruneError(f"{path.name}: not {wide.upper()} text, as its first bytes say.", _SAVE) from error
        number = content.count(b"\n", 0, error.start) + 1
        if not content[: error.start].isascii():
            raise _not_utf8(path, number, content[error.start]) from error
        lines = Lines(path, remarks)
        return "".join(lines.text(raw, row) for row, raw in enumerate(content.splitlines(keepends=True), 1))


class Lines:
    """The lines of one file, one after the other, in the encoding that the first telling one decides."""

    def __init__(self, path: Path, remarks: Remarks | None) -> None:
        self.path, self.remarks = path, remarks
        self.encoding, self.ascii = "utf-8-sig", True

    def text(self, raw: bytes, number: int) -> str:
        """One line as text.

        Raises:
            GapruneError: naming the line, when it is none.
        """
        if number == 1 and b"\0" in raw and raw.count(b"\0") * 3 > len(raw):
            raise GapruneError(
                f"{self.path.name}, line 1: zero bytes between the letters, as in UTF-16 without its mark.", _SAVE
            )
        try:
            text = raw.decode(self.encoding)
        except UnicodeDecodeError as error:
            if self.encoding != "utf-8-sig" or not self.ascii or _CONTROL.search(raw) or _FOREIGN.search(raw):
                raise _not_utf8(self.path, number, raw[error.start], raw if number == 1 else b"") from error
            self.encoding, text = "cp1252", raw.decode("cp1252")
            tell(
                self.remarks,
                f"{self.path.name} is not UTF-8; it was read as Windows-1252 (Latin-1) because of line {number} "
                f"(byte {raw[error.start]:#04x}). If letters look wrong, save it as UTF-8",
            )
            return text
        if self.encoding != "utf-8-sig" and (found := _FOREIGN.search(raw) or _CONTROL.search(raw)):
            raise _not_utf8(self.path, number, raw[found.start()])
        self.ascii = self.ascii and raw.isascii()
        return text


def _wide(start: bytes) -> str | None:
    return next((name for mark, name in _MARKS if start.startswith(mark)), None)


def _wide_lines(
    stream: io.BufferedReader, encoding: str, path: Path, remarks: Remarks | None
) -> Iterator[tuple[int, str]]:
    tell(remarks, f"{path.name} is {encoding.upper()}, by its mark")
    # Lines end at \n alone, as they do in UTF-8 files here.
    number = 0
    try:
        with io.TextIOWrapper(stream, encoding=encoding, newline="\n") as text:
            while line := text.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(line) > MAX_LINE_BYTES:
                    raise _too_long(path, number)
                yield number, line
    except UnicodeDecodeError as error:
        raise GapruneError(
            f"{path.name}, after line {number}: not {encoding.upper()} text, as its first bytes say.", _SAVE
        ) from error


def _too_long(path: Path, number: int) -> GapruneError:
    return GapruneError(
        f"{path.name}, line {number}: longer than {MAX_LINE_BYTES // MIB} MiB.",
        "Put one row on each line, and shorten its texts.",
    )


def _not_utf8(path: Path, number: int, byte: int, start: bytes = b"") -> GapruneError:
    """The error for bytes that are no text; for packed ones, with the ending that they should have."""
    ending = other_format(start)
    hint = f"It begins as a {ending} file does: name it so." if ending else _SAVE
    return GapruneError(f"{path.name}, line {number}: not UTF-8 text (byte {byte:#04x}).", hint)
