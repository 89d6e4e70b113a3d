"""How large an Arrow message gets when it is unpacked: just enough of its flatbuffer to find the buffers.

Source: Message.fbs and Schema.fbs of Apache Arrow; https://flatbuffers.dev/internals.
"""

from __future__ import annotations

import struct
from typing import Any

from gaprune_viz.errors import GapruneError

# Positions of the fields of Message, RecordBatch and DictionaryBatch.
_HEADER_TYPE, _HEADER, _BUFFERS, _COMPRESSION, _DATA = 1, 2, 2, 3, 1
_DICTIONARY, _BATCH = 2, 3


def unpacked_bytes(metadata: bytes, body: Any) -> int:
    """Bytes of the buffers of one record or dictionary batch when unpacked.

    Args:
        metadata: the flatbuffer of the message.
        body: what follows it.

    Raises:
        GapruneError: the message is damaged.
    """
    try:
        message = _Table(metadata, struct.unpack_from("<I", metadata, 0)[0])
        kind = message.number(_HEADER_TYPE, "<B")
        batch = message.table(_HEADER)
        if kind == _DICTIONARY and batch is not None:
            batch = batch.table(_DATA)
        if kind not in (_DICTIONARY, _BATCH) or batch is None:
            return len(body)
        if batch.table(_COMPRESSION) is None:
            return len(body)
        return sum(_length(body, offset, length) for offset, length in batch.pairs(_BUFFERS))
    except (struct.error, IndexError) as error:
        raise GapruneError("The file is not a readable Arrow file: a message is damaged.", "Write it anew.") from error


def _length(body: Any, offset: int, length: int) -> int:
    """A packed buffer begins with its length when unpacked, -1 where it is not packed after all."""
    if length == 0:
        return 0
    view = memoryview(body)
    (size,) = struct.unpack_from("<q", view, offset)
    if size < -1:
        raise IndexError(size)
    return length if size == -1 else size


class _Table:
    """A table of a flatbuffer: its fields are found through the list of offsets that it points back to."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at
        self.fields = at - struct.unpack_from("<i", data, at)[0]
        if self.fields < 0 or at < 0:
            raise IndexError(at)
        (self.size,) = struct.unpack_from("<H", data, self.fields)

    def _place(self, field: int) -> int:
        where = 4 + 2 * field
        offset = struct.unpack_from("<H", self.data, self.fields + where)[0] if where < self.size else 0
        return self.at + offset if offset else 0

    def number(self, field: int, form: str) -> int:
        place = self._place(field)
        return struct.unpack_from(form, self.data, place)[0] if place else 0

    def table(self, field: int) -> _Table | None:
        place = self._place(field)
        return _Table(self.data, place + struct.unpack_from("<I", self.data, place)[0]) if place else None

    def pairs(self, field: int) -> list[tuple[int, int]]:
        """A vector of structs of two int64."""
        place = self._place(field)
        if not place:
            return []
        start = place + struct.unpack_from("<I", self.data, place)[0]
        (count,) = struct.unpack_from("<I", self.data, start)
        if start + 4 + 16 * count > len(self.data):
            raise IndexError(count)
        return [struct.unpack_from("<qq", self.data, start + 4 + 16 * i) for i in range(count)]
