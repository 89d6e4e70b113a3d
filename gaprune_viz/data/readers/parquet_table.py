"""Parquet files as rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gaprune_viz.data.readers.limits import MAX_UNCOMPRESSED_BYTES
from gaprune_viz.data.readers.streams import seekable
from gaprune_viz.data.readers.table import Row, Table, refuse_many_columns
from gaprune_viz.data.text_files import MAX_ROWS, MIB, too_many_rows
from gaprune_viz.errors import GapruneError

if TYPE_CHECKING:
    import pyarrow as pa


def open_parquet(path: Path) -> Table:
    """A file whose footer says what is in it; checked before a row is read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(seekable(path)) as file:
            metadata, schema = file.metadata, file.schema_arrow
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _bad_parquet(path, error) from error
    refuse_many_columns(path, len(schema.names))
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
        with pq.ParquetFile(seekable(path), read_dictionary=texts, pre_buffer=False) as file:
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
