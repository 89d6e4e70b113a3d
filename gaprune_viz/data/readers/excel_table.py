"""Excel workbooks as rows: the first sheet, its first row the header. Needs the optional package openpyxl."""

from __future__ import annotations

import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gaprune_viz.data.files import MAX_ROWS, MIB, too_many_rows
from gaprune_viz.data.readers.limits import MAX_FILE_BYTES
from gaprune_viz.data.readers.streams import seekable
from gaprune_viz.data.readers.table import Row, Table, refuse_many_columns
from gaprune_viz.errors import GapruneError

_MEMBERS = 1_000


def open_excel(path: Path) -> Table:
    """A workbook; all of its first sheet is read, every cell as text.

    Raises:
        GapruneError: openpyxl is not installed, or the file is no workbook or too large when unpacked.
    """
    frame = _frame(path)
    names = tuple(str(name).strip() for name in frame.columns)
    refuse_many_columns(path, len(names))
    if len(frame) > MAX_ROWS:
        raise too_many_rows(path)

    def rows(only: Sequence[str] | None) -> Iterator[Row]:
        for number, values in enumerate(frame.itertuples(index=False, name=None), 2):
            row = {n: _text(value) for n, value in zip(names, values, strict=True) if only is None or n in only}
            if any(value.strip() for value in row.values()):
                yield f"row {number}", row

    return Table("Excel", names, rows)


def _text(value: Any) -> str:
    """A cell as text; an empty one may come as None or as a number that is none."""
    return value if isinstance(value, str) else "" if value is None or value != value else str(value)


def _frame(path: Path) -> Any:
    try:
        from openpyxl.utils.exceptions import InvalidFileException
    except ModuleNotFoundError as error:
        raise GapruneError(
            f"{path.name} needs the package openpyxl, which is not installed.",
            "Install it with: pip install 'gaprune-viz[excel]', or save the sheet as CSV.",
        ) from error
    import pandas as pd

    file = seekable(path)
    _check_members(path, file)
    try:
        with warnings.catch_warnings():
            # About styles and validations, which are not read.
            warnings.simplefilter("ignore")
            return pd.read_excel(file, dtype=str, keep_default_na=False, nrows=MAX_ROWS + 1, engine="openpyxl")
    except (OSError, LookupError, ValueError, TypeError, AttributeError, SyntaxError, EOFError, ArithmeticError) as e:
        raise _bad(path, e) from e
    except (zipfile.BadZipFile, zlib.error, RuntimeError, AssertionError, InvalidFileException) as error:
        raise _bad(path, error) from error


def _check_members(path: Path, file: Any) -> None:
    """Refuse a workbook that is too large when unpacked: no member gives more bytes than the archive says."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            size = sum(member.file_size for member in members)
            if len(members) > _MEMBERS or size > MAX_FILE_BYTES:
                raise GapruneError(
                    f"{path.name} has more than {MAX_FILE_BYTES // MIB} MiB when unpacked.", "Keep a part of its rows."
                )
            for member in members:
                # No program writes one, and it can name other files or itself.
                if member.filename.endswith(".xml") and b"<!DOCTYPE" in archive.read(member):
                    raise GapruneError(f"{path.name} declares a document type.", "Save the sheet as CSV.")
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise _bad(path, error) from error


def _bad(path: Path, error: Exception) -> GapruneError:
    return GapruneError(f"{path.name} is not a readable Excel file ({str(error)[:200]}).", "Save the sheet as CSV.")
