"""Which reader opens a file: by its ending."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gaprune_viz.data.readers.arrow_table import open_arrow
from gaprune_viz.data.readers.csv_table import open_csv
from gaprune_viz.data.readers.excel_table import open_excel
from gaprune_viz.data.readers.json_table import open_json, open_json_lines
from gaprune_viz.data.readers.parquet_table import open_parquet
from gaprune_viz.data.readers.saved_datasets import is_saved, open_saved
from gaprune_viz.data.readers.streams import PACKINGS, plain_ending
from gaprune_viz.data.readers.table import Table
from gaprune_viz.data.readers.text_table import open_text
from gaprune_viz.data.text_files import check_file
from gaprune_viz.errors import GapruneError

READERS: dict[str, Callable[[Path], Table]] = {
    ".json": open_json,
    ".jsonl": open_json_lines,
    ".csv": open_csv,
    ".tsv": open_csv,
    ".parquet": open_parquet,
    ".arrow": open_arrow,
    ".feather": open_arrow,
    ".xlsx": open_excel,
    ".txt": open_text,
}
"""By ending. A reader takes a file that is there and not too large, and gives its `Table`."""
SUFFIXES = (*READERS, ".zip", *PACKINGS)


def open_table(path: Path) -> Table:
    """Open a file by its ending, below `.gz`, `.bz2` or `.zst`; or a folder that `datasets` saved.

    Rows are read and checked only as they are taken.

    Raises:
        GapruneError: for an unknown ending, and for a file that is missing, too large or not of its format.
    """
    if is_saved(path):
        return open_saved(path)
    reader = READERS.get(plain_ending(path))
    if reader is None:
        raise GapruneError(
            f"{path.name} is no format we read.",
            f"Give a file that ends in {', '.join(READERS)}, also with {', '.join(PACKINGS)} behind it.",
        )
    check_file(path)
    return reader(path)
