"""Excel workbooks as rows: the first sheet, its first row the header. Needs the optional package openpyxl.

Rows are taken one by one, and no row wider than a table may be: a sheet that names one far cell in each row would fill
the memory as a whole table.
"""

from __future__ import annotations

import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gaprune_viz.data.readers.streams import seekable
from gaprune_viz.data.readers.table import MAX_COLUMNS, Row, Table, refuse_many_columns, refuse_same_names
from gaprune_viz.data.text_files import MAX_ROWS, MIB, too_many_rows
from gaprune_viz.errors import GapruneError

MAX_WORKBOOK_BYTES = 64 * MIB
_MEMBERS = 1_000


def open_excel(path: Path) -> Table:
    """A workbook; its header is read, and every cell is taken as text.

    Raises:
        GapruneError: openpyxl is not installed, or the file is no workbook or too large when unpacked.
    """
    _check_members(path, seekable(path))
    header = [name.strip() for name in next(_records(path, MAX_COLUMNS + 1), ())]
    while header and not header[-1]:
        header.pop()
    names = tuple(header)
    refuse_many_columns(path, len(names))
    refuse_same_names(path, names)

    def rows(only: Sequence[str] | None) -> Iterator[Row]:
        for number, record in enumerate(_records(path, len(names)) if names else (), 1):
            if number > MAX_ROWS + 1:
                raise too_many_rows(path)
            if number > 1 and any(cell.strip() for cell in record):
                yield f"row {number}", {n: cell for n, cell in zip(names, record, strict=False) if n}

    return Table("Excel", tuple(name for name in names if name), rows)


def _records(path: Path, width: int) -> Iterator[tuple[str, ...]]:
    """The rows of the first sheet, up to some column, as texts."""
    try:
        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException
    except ModuleNotFoundError as error:
        raise GapruneError(
            f"{path.name} needs the package openpyxl, which is not installed.",
            "Install it with: pip install 'gaprune-viz[excel]', or save the sheet as CSV.",
        ) from error
    book: Any = None
    try:
        with warnings.catch_warnings():
            # About styles and validations, which are not read.
            warnings.simplefilter("ignore")
            book = load_workbook(seekable(path), read_only=True, data_only=True)
            for record in book.worksheets[0].iter_rows(max_col=width, values_only=True):
                yield tuple(map(_text, record))
    except (OSError, LookupError, ValueError, TypeError, AttributeError, SyntaxError, EOFError, ArithmeticError) as e:
        raise _bad(path, e) from e
    except (zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, AssertionError, InvalidFileException) as error:
        raise _bad(path, error) from error
    finally:
        if book is not None:
            book.close()


def _text(value: object) -> str:
    """A cell as text; a whole number as people see it."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _check_members(path: Path, file: Any) -> None:
    """Refuse a workbook that is too large when unpacked: no member gives more bytes than the archive says."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            size = sum(member.file_size for member in members)
            if len(members) > _MEMBERS or size > MAX_WORKBOOK_BYTES:
                raise GapruneError(
                    f"{path.name} has more than {MAX_WORKBOOK_BYTES // MIB} MiB when unpacked.",
                    "Save the sheet as CSV or Parquet.",
                )
            for member in members:
                # No program writes one, and it can name other files or itself.
                if member.filename.endswith((".xml", ".rels")) and b"<!DOCTYPE" in archive.read(member):
                    raise GapruneError(f"{path.name} declares a document type.", "Save the sheet as CSV.")
    except (OSError, EOFError, LookupError, ValueError, RuntimeError) as error:
        raise _bad(path, error) from error
    except (zipfile.BadZipFile, zlib.error, struct.error) as error:
        raise _bad(path, error) from error


def _bad(path: Path, error: Exception) -> GapruneError:
    return GapruneError(f"{path.name} is not a readable Excel file ({str(error)[:200]}).", "Save the sheet as CSV.")
