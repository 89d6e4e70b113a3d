"""A new folder in place of an earlier one, so that a process killed at any moment loses neither.

Linux and macOS exchange two folders in one step, where the file system can. Elsewhere the earlier one is moved away
first; after a kill between these two steps, whoever looks for it next puts it back.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from glob import escape
from pathlib import Path

UNFINISHED = ".unfinished-"
WASTE = "-waste"
SWAPS = 5
# `tempfile.mkdtemp` ends a name with eight of these characters.
MOVED_AWAY = re.compile(rf"{re.escape(UNFINISHED)}(.+)-[a-z0-9_]{{8}}-old\d")
TAKEN = (errno.ENOTEMPTY, errno.EEXIST)
# What a kernel, a C library or a file system answers that cannot exchange.
UNABLE = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP}
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # Linux: fcntl.h, stdio.h
RENAME_SWAP = 2  # macOS: stdio.h


def swap_in(folder: Path, place: Path) -> None:
    """Put a folder at its place, also where another process puts one there at the same time; delete what was there.

    Args:
        folder: a whole result, whose name is `.unfinished-`, the name of its place, `-` and eight characters.
        place: where it shall be, on the same file system.

    Raises:
        OSError: it cannot be put there. What was there still is.
    """
    for swap in range(SWAPS):
        try:
            # Nothing is there, or an empty folder.
            folder.rename(place)
        except OSError as error:
            if error.errno not in TAKEN or swap == SWAPS - 1:
                raise
        else:
            return
        # Where it is gone by now, another process has just moved it away, and the next try finds what that one put in.
        with suppress(FileNotFoundError):
            if exchange(folder, place):
                _delete(folder)
                return
            if _move_twice(folder, place, folder.with_name(f"{folder.name}-old{swap}")):
                return


def exchange(one: Path, other: Path) -> bool:
    """Give two folders each other's name in one step.

    Returns:
        whether this system and this file system can; if not, nothing was changed.

    Raises:
        OSError: it failed for another reason.
    """
    call = _call_to_exchange()
    if call is None or call(os.fsencode(one), os.fsencode(other)) == 0:
        return call is not None
    number = ctypes.get_errno()
    if number in UNABLE:
        return False
    raise OSError(number, os.strerror(number), str(other))


def _call_to_exchange() -> Callable[[bytes, bytes], int] | None:
    """The C library's function, where there is one; it takes two paths and gives 0, or sets errno."""
    if sys.platform not in ("linux", "darwin"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin":
        swap = getattr(libc, "renamex_np", None)
        return swap and (lambda one, other: swap(one, other, ctypes.c_uint(RENAME_SWAP)))
    rename = getattr(libc, "renameat2", None)
    return rename and (lambda one, other: rename(AT_FDCWD, one, AT_FDCWD, other, ctypes.c_uint(RENAME_EXCHANGE)))


def _move_twice(folder: Path, place: Path, old: Path) -> bool:
    """What is there away, then the new one in; False where another process put one there in between."""
    place.rename(old)
    try:
        folder.rename(place)
    except OSError as error:
        if error.errno not in TAKEN:
            raise
        return False
    finally:
        _put_back(old)
    return True


def bring_back(base: Path, name: str | None = None) -> None:
    """Put back what a killed process had moved away in a folder; what has a successor by now is deleted.

    Args:
        base: the folder.
        name: of the one result that is looked for; None for all.
    """
    for old in base.glob(f"{UNFINISHED}{'*' if name is None else escape(name)}-????????-old?"):
        # Who may not write here goes on without it.
        with suppress(OSError):
            _put_back(old)


def moved_away(folder: Path) -> bool:
    """Whether an unfinished folder is a whole earlier result, to be put back."""
    return MOVED_AWAY.fullmatch(folder.name) is not None


def _put_back(old: Path) -> None:
    name = MOVED_AWAY.fullmatch(old.name)
    if name is None:
        return
    # Gone: another process that came next has put it back.
    with suppress(FileNotFoundError):
        try:
            old.rename(old.with_name(name[1]))
        except OSError as error:
            if error.errno not in TAKEN:
                raise
            _delete(old)


def _delete(folder: Path) -> None:
    """By another name, so that a kill in the middle leaves nothing that could be taken for whole."""
    waste = folder.with_name(f"{folder.name}{WASTE}")
    # Gone: another process has swept it up.
    with suppress(FileNotFoundError):
        folder.rename(waste)
    shutil.rmtree(waste, ignore_errors=True)
