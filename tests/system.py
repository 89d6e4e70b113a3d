"""Processes, as Linux tells of them."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path


def family(pid: int) -> list[int]:
    """A process and all that descend from it, parents before their children."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):
                found += map(int, children.read_text(encoding="utf-8").split())
    return found


def alive(pid: int) -> bool:
    """Whether a process is there and has not ended; one whose end nobody has taken note of has."""
    return _status(pid, 0) not in ("", "Z")


def parent(pid: int) -> int:
    """The process that started another; 0 where that one is gone."""
    return int(_status(pid, 1) or 0)


def began(pid: int) -> int:
    """When a process began, in ticks since the machine did; 0 where it is gone."""
    return int(_status(pid, 19) or 0)


def processor_seconds(pid: int) -> float:
    """Processor time that a process has used; 0 where it is gone."""
    return (int(_status(pid, 11) or 0) + int(_status(pid, 12) or 0)) / os.sysconf("SC_CLK_TCK")


def _status(pid: int, field: int) -> str:
    try:
        # The name before it may hold anything.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[field]
    except OSError:
        return ""


def address_space(pid: int) -> int:
    """Bytes of a process's address space."""
    return int(Path(f"/proc/{pid}/status").read_text(encoding="utf-8").split("VmSize:")[1].split()[0]) * 1024


def proportional_memory(pid: int) -> float:
    """Resident memory of a process, MiB: its own, and its part of what it shares; 0 where it has just ended."""
    with suppress(OSError):
        found = re.search(r"Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8"))
        return int(found[1]) / 1024 if found else 0.0
    return 0.0
