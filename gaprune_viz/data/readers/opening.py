"""Which reader opens a file: by its ending."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gaprune_viz.data.files import check_file
from gaprune_viz.data.readers.csv_table import open_csv
from gaprune_viz.data.readers.json_table import open_json, open_json_lines
from gaprune_viz.data.readers.parquet_table import open_parquet
from gaprune_viz.data.readers.table import Table
from gaprune_viz.data.readers.text_table import open_text
from gaprune_viz.errors import GapruneError

READERS: dict[str, Callable[[Path], Table]] = {
    ".json": open_json,
    ".jsonl": open_json_lines,
    ".csv": open_csv,
    ".tsv": open_csv,
    ".parquet": open_parquet,
    ".txt": open_text,
}
"""By ending. A reader takes a file that is there and not too large, and gives its `Table`."""
SUFFIXES = tuple(READERS)


def open_table(path: Path) -> Table:
    """Open a file by its ending. Rows are read and checked only as they are taken.

    Raises:
        GapruneError: for an unknown ending, and for a file that is missing, too large or not of its format.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise GapruneError(f"{path.name} is no format we read.", f"Give a file that ends in {', '.join(READERS)}.")
    check_file(path)
    return reader(path)
