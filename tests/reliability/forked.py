"""Processes that compute and can be disturbed: forked off one that has imported everything, so each starts at once."""

from __future__ import annotations

import ctypes
import errno
import multiprocessing
import multiprocessing.connection
import os
import platform
import resource
import signal
import struct
import sys
import threading
from collections.abc import Generator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.reliability.replacing import refuse_exchange, strike

if TYPE_CHECKING:
    from gaprune_viz.config import RunSpec, StudySpec

# of x86-64 and of AArch64
SYS_CAPSET = 126 if platform.machine() == "x86_64" else 91

# Options of mallopt, from malloc.h.
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
# What occupies memory until the end of the process.
HELD: list[bytearray] = []

PRELOADED = [
    "gaprune_viz.analysis.making",
    "gaprune_viz.analysis.opening",
    "gaprune_viz.evaluation.comparison",
    "gaprune_viz.experiments.retrained_export",
    "gaprune_viz.experiments.study.runner",
    "gaprune_viz.experiments.sweep",
    "sentence_transformers",
    "transformers.models.bert.modeling_bert",
    "pyarrow.parquet",
    "sklearn.cluster",
]


class Job:
    """A process that computes something on the tiny model, as `gaprune-viz` would; what it says can be read."""

    def __init__(self, ask: dict[str, Any]) -> None:
        reading, writing = os.pipe()
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        sender = multiprocessing.connection.Connection(writing, readable=False)
        self.process = context.Process(target=work_in_process, args=(sender, ask))
        self.process.start()
        sender.close()
        self.lines = os.fdopen(reading, encoding="utf-8", errors="replace")

    def kill(self) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()

    def finish(self, seconds: float = 60) -> tuple[int, str]:
        """Its status and what it said; a process that does not end is killed, and its status is that."""
        late = threading.Timer(seconds, self.kill)
        late.start()
        text = self.lines.read()
        self.process.join()
        late.cancel()
        return int(self.process.exitcode or 0), text


def work_in_process(sender: multiprocessing.connection.Connection, ask: dict[str, Any]) -> None:
    """The body of a job, in a process of its own."""
    for stream in (1, 2):
        os.dup2(sender.fileno(), stream)
    sender.close()
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", closefd=False)
    from gaprune_viz.errors import GapruneError

    if ask["what"] == "unprivileged" and os.geteuid() == 0:
        take_privilege()
    try:
        compute(**ask)
    except GapruneError as error:
        print("SAID", error)
        sys.exit(2)


def take_privilege() -> None:
    """Take from root what lets it write where the modes forbid it, from now on: all its capabilities."""
    header, none = struct.pack("Ii", 0x20080522, 0), bytes(24)
    if ctypes.CDLL(None, use_errno=True).syscall(SYS_CAPSET, header, none) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def compute(model: str, seed: int, what: str, limit: int, budget: int, domain: str, workspace: str) -> None:
    """An analysis, and what is asked for beyond it, each step told on the way.

    Args:
        what: `replace` makes the analysis at a place of its own; `replace-in-two`, on a kernel that cannot exchange
            folders, is killed between the two steps, and `replace-late` when the earlier result is to be deleted.
        limit: most bytes of a file; for `memory`, the bytes that are left when calibration begins. 0 for no limit.
        budget: of tokens; 0 for the usual one.
    """
    from gaprune_viz.analysis.making import analyze
    from gaprune_viz.analysis.opening import verify_analysis
    from gaprune_viz.config import CalibrationSpec, ModelSpec, RunSpec, Sampling
    from gaprune_viz.models.memory import plain_kernels

    os.environ["GAPRUNE_VIZ_WORKSPACE"] = workspace
    samples, usual = (64, 16_384) if what in ("memory", "plain") else (24, 512)
    calibration = CalibrationSpec(
        domain=domain,
        samples=samples,
        sampling=Sampling.RANDOM,
        seed=seed,
        token_budget=budget or usual,
    )
    run = RunSpec(model=ModelSpec(model=model, device="cpu"), calibration=calibration)
    if limit and what != "memory":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if what == "study":
        from gaprune_viz.experiments.study.runner import run_study

        print("CELLS", told(run_study(small_study(run), Path(workspace) / "study"))["cells"])
        return
    out = Path(workspace) / "analysis-replaced" if what.startswith("replace") else None
    if what == "replace-in-two":
        refuse_exchange(errno.ENOSYS)
    if out is not None and what != "replace":
        strike(out, "kill" if what == "replace-in-two" else "late")
    with plain_kernels() if what == "plain" else nullcontext():
        place = told(analyze(run, out), limit if what == "memory" else 0)
    if what == "sweep":
        from gaprune_viz.experiments.sweep import SweepPlan, sweep

        plan = SweepPlan("criteria", ("magnitude", "obd_joint"), (0.3, 0.5), ("finance", "general"))
        print("CELLS", told(sweep(place, plan)).round(9).to_json())
    if what == "retrain":
        from gaprune_viz.config import RetrainSpec, Settings
        from gaprune_viz.experiments.retrained_export import retrain_export
        from gaprune_viz.pruning.export import prune

        exported = place.parent / "exported"
        if not exported.exists():
            prune(place, Settings(), exported)
        print("STEPS", told(retrain_export(exported, RetrainSpec(steps=30, batch_size=4), place.parent / "retrained")))
    verify_analysis(place)
    print("WHOLE", place)


def small_study(run: RunSpec) -> StudySpec:
    """Two rows at one sparsity and the dense model, one-shot and retrained: six cells."""
    from gaprune_viz.config import RetrainSpec, StudySpec

    return StudySpec(
        model=run.model,
        calibration=run.calibration,
        retrain=RetrainSpec(steps=6, batch_size=4),
        task="finance",
        rows=("magnitude", "obd_joint"),
        sparsities=(0.5,),
        ablation=False,
        sample_sizes=(),
    )


def told(work: Generator[Any, None, Any], most_memory: int = 0) -> Any:
    """The end of some work, each step told; from calibration on, memory may be bounded."""
    try:
        while True:
            step = next(work)
            if most_memory and step.stage.startswith("Calibrating"):
                leave_memory(most_memory)
                most_memory = 0
            print("STAGE", step.stage, step.done)
    except StopIteration as end:
        return end.value


def leave_memory(size: int) -> None:
    """From now on this process can take no more than so many bytes, a multiple of 1 MiB.

    A limit of addresses alone would leave it whatever the C library keeps of what was freed, some 30 MiB: other objects
    take all that there is first, block by block, and give that much back.
    """
    libc = ctypes.CDLL(None)
    # One heap for all threads: each of its own would take 64 MiB of addresses at its first block. Large blocks are
    # mapped, so that what is freed can be taken by anything.
    for option, value in ((M_ARENA_MAX, 1), (M_MMAP_THRESHOLD, 64 * 2**10)):
        libc.mallopt(option, value)
    taken = int(Path("/proc/self/status").read_text(encoding="utf-8").split("VmSize:")[1].split()[0]) * 1024
    HELD.extend(bytearray(2**20) for _ in range(size // 2**20))
    resource.setrlimit(resource.RLIMIT_AS, (taken + size, taken + size))
    kept = len(HELD)
    for block in (2**20, 2**16, 2**12, 2**10):
        try:
            while True:
                HELD.append(bytearray(block))
        except MemoryError:
            pass
    del HELD[:kept]
