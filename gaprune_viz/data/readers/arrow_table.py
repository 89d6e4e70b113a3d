"""Arrow and Feather files as rows: the file and the stream format, as `datasets`, pandas and polars write them.

A file may be packed inside, and its readers unpack a batch at once: how large it gets is read from its messages first.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaprune_viz.data.readers.flatbuffers import unpacked_bytes
from gaprune_viz.data.readers.limits import MAX_UNCOMPRESSED_BYTES
from gaprune_viz.data.readers.streams import seekable
from gaprune_viz.data.readers.table import Row, Table, refuse_many_columns
from gaprune_viz.data.text_files import MAX_ROWS, MIB, too_many_rows
from gaprune_viz.errors import GapruneError

if TYPE_CHECKING:
    import pyarrow as pa

_MAGIC, _OLD_MAGIC = b"ARROW1\0\0", b"FEA1"


def open_arrow(path: Path) -> Table:
    """A file whose messages say what is in it; all of them are looked at before a row is read.

    Raises:
        GapruneError: it is damaged, too wide, or too large when unpacked.
    """
    return arrow_table([path], path, "Arrow")


def arrow_table(parts: Sequence[Path], path: Path, kind: str) -> Table:
    """Several files of the same columns as one table.

    Args:
        path: whose name stands in messages.
    """
    import pyarrow as pa

    size, names = 0, ()
    for part in parts:
        try:
            with _stream(part) as stream, pa.ipc.open_stream(stream) as reader:
                names = tuple(reader.schema.names)
            size += _measured(part)
        except (pa.ArrowException, MemoryError, OSError, EOFError, UnicodeDecodeError) as error:
            raise _bad(path, error) from error
        refuse_many_columns(path, len(names))
        if size > MAX_UNCOMPRESSED_BYTES:
            raise GapruneError(
                f"{path.name} has more than {MAX_UNCOMPRESSED_BYTES // MIB} MiB when unpacked.",
                "Keep a part of its rows: a few thousand triplets are plenty.",
            )
    return Table(kind, names, lambda only: _rows(parts, path, only))


def _stream(part: Path) -> Any:
    """An open file at the beginning of its messages. The file format holds the stream format behind its magic bytes."""
    file = seekable(part)
    stream = file if isinstance(file, io.BytesIO) else file.open("rb")
    start = stream.read(8)
    if start[:4] == _OLD_MAGIC:
        stream.close()
        raise GapruneError(f"{part.name} is of the first Feather format.", "Write it anew: DataFrame.to_feather.")
    stream.seek(8 if start == _MAGIC else 0)
    return stream


def _measured(part: Path) -> int:
    """Bytes of all batches when unpacked; stops once there are too many."""
    import pyarrow as pa

    total = 0
    with _stream(part) as stream:
        reader = pa.ipc.MessageReader.open_stream(stream)
        while total <= MAX_UNCOMPRESSED_BYTES:
            try:
                message = reader.read_next_message()
            except StopIteration:
                break
            if message.type in ("record batch", "dictionary"):
                total += unpacked_bytes(message.metadata.to_pybytes(), message.body)
    return total


def _rows(parts: Sequence[Path], path: Path, only: Sequence[str] | None) -> Iterator[Row]:
    import pyarrow as pa

    number = 0
    try:
        for part in parts:
            with _stream(part) as stream, pa.ipc.open_stream(stream) as reader:
                for batch in reader:
                    # A file may say anything of where its texts lie.
                    batch.validate(full=True)
                    names = list(only) if only is not None else batch.schema.names
                    for index in range(batch.num_rows):
                        number += 1
                        if number > MAX_ROWS:
                            raise too_many_rows(path)
                        yield f"row {number}", _row(batch, names, index, path, number)
    except (pa.ArrowException, MemoryError, OSError, EOFError, UnicodeDecodeError) as error:
        raise _bad(path, error) from error


def _row(batch: pa.RecordBatch, names: Sequence[str], index: int, path: Path, number: int) -> dict[str, object]:
    try:
        return {name: batch.column(name)[index].as_py() for name in names}
    except (ValueError, OverflowError, KeyError) as error:
        raise GapruneError(f"{path.name}, row {number}: cannot be read ({error}).", "Leave that row out.") from error


def _bad(path: Path, error: Exception) -> GapruneError:
    if isinstance(error, MemoryError):
        # What a message says of its length is believed before it is read.
        return GapruneError(f"{path.name} says that it holds more than fits into memory.", "Write it anew.")
    return GapruneError(f"{path.name} is not a readable Arrow file ({error}).", "Write it anew.")
