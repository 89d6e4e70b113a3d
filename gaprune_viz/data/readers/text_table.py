"""Plain text files: one text on each line."""

from __future__ import annotations

from pathlib import Path

from gaprune_viz.data.readers.encodings import Remarks
from gaprune_viz.data.readers.table import Table
from gaprune_viz.data.text_files import raw_lines


def open_text(path: Path) -> Table:
    """A file whose every line is a text; empty lines are rows without one."""
    remarks: Remarks = []
    return Table(
        "Plain text",
        ("text",),
        lambda only: ((f"line {n}", {"text": line}) for n, line in raw_lines(path, remarks)),
        remarks,
    )
