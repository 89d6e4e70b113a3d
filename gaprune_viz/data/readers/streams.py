"""The bytes of a file, unpacked where its last ending says so, and never more of them than we read."""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from pathlib import Path
from typing import IO, Any

from gaprune_viz.data.readers.limits import MAX_FILE_BYTES, MIB
from gaprune_viz.errors import GapruneError

PACKINGS = (".gz", ".bz2", ".zst")
_MAGIC = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\x28\xb5\x2f\xfd": ".zst", b"PK\x03\x04": ".zip"}


def packing(path: Path) -> str:
    """How a file is packed: one of `PACKINGS`, or nothing."""
    last = path.suffix.lower()
    return last if last in PACKINGS else ""


def plain_ending(path: Path) -> str:
    """The ending of what is inside: `.jsonl` of `a.jsonl.gz`, and of `a.jsonl`."""
    return (Path(path.stem) if packing(path) else path).suffix.lower()


def open_stream(path: Path) -> io.BufferedReader:
    """The bytes of a file, unpacked.

    Raises:
        OSError: it cannot be opened. While it is read, a GapruneError: it is damaged, or has more than
            `MAX_FILE_BYTES` when unpacked; what comes after these is never unpacked.
    """
    packed = packing(path)
    if not packed:
        return path.open("rb")
    return io.BufferedReader(_Bounded(path, _unpacking(path, packed)), buffer_size=MIB // 4)


def _unpacking(path: Path, packed: str) -> Any:
    if packed == ".gz":
        return gzip.GzipFile(path, "rb")
    if packed == ".bz2":
        return bz2.BZ2File(path, "rb")
    import pyarrow as pa

    return pa.input_stream(str(path), compression="zstd")


def seekable(path: Path) -> Path | io.BytesIO:
    """What a reader that jumps about may open: the file itself, or its unpacked bytes in memory.

    Raises:
        GapruneError: as `open_stream`.
    """
    if not packing(path):
        return path
    with open_stream(path) as stream:
        return io.BytesIO(stream.read())


def other_format(start: bytes) -> str:
    """The ending that a file should have by its first bytes: a packed one that does not say so; else nothing."""
    return next((ending for magic, ending in _MAGIC.items() if start.startswith(magic)), "")


class _Bounded(io.RawIOBase):
    """Unpacked bytes, counted as they come."""

    def __init__(self, path: Path, inner: IO[bytes]) -> None:
        self.path, self.inner, self.count = path, inner, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            got = self.inner.read(len(buffer))
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise GapruneError(
                f"{self.path.name} cannot be unpacked: it is damaged, or not {self.path.suffix[1:]} as its name says.",
                "Pack it anew, or give it unpacked.",
            ) from error
        self.count += len(got)
        if self.count > MAX_FILE_BYTES:
            raise GapruneError(
                f"{self.path.name} has more than {MAX_FILE_BYTES // MIB} MiB when unpacked.",
                "Keep a part of its rows: a few thousand triplets are plenty.",
            )
        buffer[: len(got)] = got
        return len(got)

    def close(self) -> None:
        if not self.closed:
            self.inner.close()
        super().close()
