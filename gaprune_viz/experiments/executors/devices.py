"""One worker a GPU, and no more threads than a worker's share of the processors.

`jobs.threads` settles the same for a process that computes alone.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import tempfile
from pathlib import Path
from typing import Any

from gaprune_viz.errors import GapruneError

GPUS = "CUDA_VISIBLE_DEVICES"
THREADS = "GAPRUNE_VIZ_WORKER_THREADS"
COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
# A lock is held as long as its process lives.
_HELD: list[Any] = []


def share(workers: int, threads_here: int) -> dict[str, str]:
    """The surroundings of each of some workers on this machine: its share of the threads that one process would use."""
    threads = str(max(1, threads_here // workers))
    return {THREADS: threads, **dict.fromkeys(COUNTS, threads)}


def gpus() -> list[str]:
    """The GPUs of this machine that this process may use, as `CUDA_VISIBLE_DEVICES` names them. Touches none."""
    import torch

    count = torch.cuda.device_count()
    named = [name.strip() for name in os.environ.get(GPUS, "").split(",") if name.strip()]
    return named[:count] if named else [str(number) for number in range(count)]


def take_threads() -> None:
    """Keep to the share that whoever started this process has set; elsewhere to what its own surroundings say."""
    wanted = os.environ.get(THREADS, "")
    if wanted.isdigit() and int(wanted) > 0:
        import torch
        from threadpoolctl import threadpool_limits

        # Where torch has read another number, so have the libraries that were loaded with it.
        if torch.get_num_threads() != int(wanted):
            threadpool_limits(int(wanted))
            torch.set_num_threads(int(wanted))


def take_gpu() -> None:
    """Have a GPU of one's own, where there are several; those of the workers beside this one are theirs.

    Raises:
        GapruneError: there are more workers than GPUs.
    """
    if _HELD:
        return
    found = gpus()
    if len(found) < 2:
        return
    from filelock import FileLock, Timeout

    folder = Path(tempfile.gettempdir()) / f"gaprune-viz-gpus-{getpass.getuser()}"
    folder.mkdir(exist_ok=True)
    for name in found:
        lock = FileLock(folder / f"{name.replace('/', '_')}.lock", thread_local=False)
        with contextlib.suppress(Timeout):
            lock.acquire(timeout=0)
            _HELD.append(lock)
            os.environ[GPUS] = name
            return
    raise GapruneError(f"All {len(found)} GPUs of this machine have a worker.", "Start one worker a GPU.")
