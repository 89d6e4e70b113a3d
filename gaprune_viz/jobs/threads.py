"""How many threads a process computes with, and what they do while they wait: settled before any library is loaded.

Threads of OpenMP spin while they wait for one another. Alone that saves microseconds; beside another busy process it
burns the time that both need. And a container with two processors on a machine of 64 would be given 64 threads.
"""

from __future__ import annotations

import math
import os
from collections.abc import MutableMapping
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
# libgomp and LLVM's; Intel's counts milliseconds that a thread spins.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")


def settle(environment: MutableMapping[str, str] | None = None) -> None:
    """Set what nobody has set: passive waiting, and no more threads than there are processors for this process.

    Args:
        environment: None for that of this process, which those that it starts inherit.
    """
    environment = os.environ if environment is None else environment
    for name, value in WAITING.items():
        environment.setdefault(name, value)
    allowed = processors()
    if allowed < (os.cpu_count() or 1):
        for name in COUNTS:
            environment.setdefault(name, str(allowed))


def processors(cgroups: Path = CGROUPS) -> int:
    """How many processors this process may keep busy: by its affinity, and by the quota of its control group."""
    try:
        found = len(os.sched_getaffinity(0))
    except AttributeError:
        # Only Linux has it.
        found = os.cpu_count() or 1
    quota = _quota(cgroups)
    return found if quota is None else max(1, min(found, math.ceil(quota)))


def _quota(cgroups: Path) -> float | None:
    """Processors that a container may use, in either version of control groups; None without a limit."""
    try:
        limit, period = (cgroups / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        try:
            limit, period = (
                (cgroups / "cpu" / f"cpu.cfs_{name}_us").read_text(encoding="ascii").strip()
                for name in ("quota", "period")
            )
        except (OSError, ValueError):
            return None
    try:
        share = float(limit) / float(period)
    except (ValueError, ZeroDivisionError):
        # The word `max`.
        return None
    return share if share > 0 else None
