"""A process that replaces an earlier result, on a kernel that exchanges folders or refuses to, struck at a moment.

    python tests/reliability/replacing.py PLACE TIMES REFUSAL HARM

REFUSAL is the number of the error that the kernel answers to an exchange, 0 for none. HARM is `kill`, `error` or
`interrupt`, between the two steps of a replacement without exchange; `late`, a kill when the earlier result is to be
deleted; `first`, a kill when the new folder is there and has no lock yet; or `none`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import struct
import sys
from pathlib import Path
from typing import Any

# of x86-64 and of AArch64
SYS_RENAMEAT2 = 316 if platform.machine() == "x86_64" else 276
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW = 0x00050000, 0x7FFF0000
# Of seccomp_data: the call's number, and the low word of its fifth argument.
NUMBER, FLAGS = 0, 48


def refuse_exchange(number: int) -> None:
    """From now on the kernel answers this process's `renameat2` with some flag by an error, as an old one does.

    Raises:
        OSError: it takes no such filter.
    """
    steps = (
        (LOAD, 0, 0, NUMBER),
        (EQUAL, 0, 3, SYS_RENAMEAT2),
        (LOAD, 0, 0, FLAGS),
        (EQUAL, 1, 0, 0),
        (RETURN, 0, 0, SECCOMP_RET_ERRNO | number),
        (RETURN, 0, 0, SECCOMP_RET_ALLOW),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero) or libc.prctl(
        PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), program, zero, zero
    ):
        raise OSError(ctypes.get_errno(), "prctl")


def strike(place: Path, harm: str) -> None:
    """Harm this process once it renames at the moment that is meant."""

    def hook(event: str, values: tuple[Any, ...]) -> None:
        if harm == "late":
            struck = event == "shutil.rmtree" and str(values[0]).endswith("-waste")
        elif harm == "first":
            struck = event == "open" and str(values[0]).endswith(".writing")
        else:
            struck = event == "os.rename" and Path(values[1]) == place and Path(f"{values[0]}-old0").exists()
        if struck and harm == "error":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if struck:
            os.kill(os.getpid(), signal.SIGINT if harm == "interrupt" else signal.SIGKILL)

    sys.addaudithook(hook)


def main() -> None:
    place, times, refusal, harm = Path(sys.argv[1]), *map(int, sys.argv[2:4]), sys.argv[4]
    from gaprune_viz.storage.workspace import whole_folder

    if refusal:
        refuse_exchange(refusal)
    if harm != "none":
        strike(place, harm)
    for time in range(times):
        with whole_folder(place, marker="spec.json") as folder:
            for name in ("spec.json", "tensors"):
                (folder / name).write_text(f"new {time}", encoding="utf-8")


if __name__ == "__main__":
    main()
