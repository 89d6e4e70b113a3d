"""Arrays that we wrote once, in .npz files. Anybody may have altered them since."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from tokenize import TokenError
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile

# What reading a truncated or altered .npz or Parquet file can raise.
DAMAGED = (
    OSError,
    KeyError,
    ValueError,
    EOFError,
    RuntimeError,
    OverflowError,
    MemoryError,
    NotImplementedError,
    SyntaxError,
    BadZipFile,
    TokenError,
    zlib.error,
    struct.error,
)
# Several times what the largest sketch takes: a few kilobytes can unpack to more than a machine has.
LARGEST = 64 * 2**20


def read_arrays(path: Path, names: Iterable[str], later: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """Some arrays of a file; those of `later` where they are there, as they are not in files of earlier versions.

    Raises:
        one of DAMAGED: the file is missing or damaged, or holds other things.
    """
    # Opened here, because numpy leaves a damaged file open.
    with path.open("rb") as raw:
        file = np.load(raw, allow_pickle=False)
        if not isinstance(file, NpzFile):
            raise ValueError("it is no .npz file")
        with file:
            if sum(part.file_size for part in file.zip.infolist()) > LARGEST:  # pyright: ignore[reportOptionalMemberAccess]
                raise ValueError("it is larger than any that was written")
            return {name: file[name] for name in (*names, *(name for name in later if name in file))}
