"""Faults of executors: a worker, a scheduler or the one that asks is ended while a study is measured."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.clusters import DaskCluster
from tests.reliability.ground import ROOT, Ground

SECONDS = 400
# Twelve cells and the dense model's, with one analysis.
FLAGS = (
    "--device cpu --domain finance --general general --task finance --general-task general --samples 24 "
    "--sampling random --rows magnitude,obd_joint,random --sparsities 0.3,0.5,0.7,0.8 --no-retrained --no-ablation "
    "--sample-sizes none"
)


class _Study:
    """A study by the command line, in a folder of its own."""

    def __init__(self, ground: Ground, folder: Path, *words: str) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "gaprune_viz", "study", "--out", str(folder), "--model", str(ground.model)]
        self.process = subprocess.Popen(
            [*command, *FLAGS.split(), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
        )

    def cells(self) -> dict[str, int]:
        """When each finished cell was written."""
        return {place.name: place.stat().st_mtime_ns for place in self.folder.glob("cells/*.json")}

    def wait_for(self, least: int) -> bool:
        """Wait for some finished cells; False where it ended before."""
        until = time.monotonic() + SECONDS
        while len(self.cells()) < least and self.process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        return self.process.poll() is None

    def finish(self) -> tuple[int, str]:
        text, _ = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, text

    def document(self) -> bytes:
        return (self.folder / "study.json").read_bytes()


def _alone(ground: Ground) -> bytes:
    """What one process makes of the study."""
    place = ground.folder / "executors-alone"
    if not (place / "study.json").is_file():
        code, text = _Study(ground, place).finish()
        assert code == 0, text
    return (place / "study.json").read_bytes()


def killed_workers(ground: Ground) -> None:
    """SIGKILL to a worker, again and again, on a cluster and beside the one that asks."""
    expected = _alone(ground)
    with DaskCluster(ground.folder / "dask-workers", 2) as cluster:
        study = _Study(ground, ground.folder / "executors-dask", "--cluster", cluster.address)
        killed = 0
        while killed < 2 and study.wait_for(2 + 4 * killed):
            cluster.kill_worker(killed % 2)
            killed += 1
        code, text = study.finish()
    same = code == 0 and study.document() == expected
    ground.tell(
        "SIGKILL to a Dask worker",
        f"{killed} times in a study of 13 cells on two workers",
        "its cell is measured by another one; study.json is that of one process",
        "" if same else text[-300:],
        same and killed > 0,
    )
    study = _Study(ground, ground.folder / "executors-local", "--jobs", "2")
    struck = study.wait_for(2) and _kill_child(study.process.pid)
    code, text = study.finish()
    same = code == 0 and study.document() == expected
    ground.tell(
        "SIGKILL to a worker of --jobs 2",
        "after its second cell",
        "another one is started for its cell; study.json is that of one process",
        "" if same else text[-300:],
        same and struck,
    )


def lost_scheduler(ground: Ground) -> None:
    """SIGKILL to the scheduler; the same command on another one goes on."""
    expected, folder = _alone(ground), ground.folder / "executors-lost"
    with DaskCluster(ground.folder / "dask-lost", 2) as cluster:
        study = _Study(ground, folder, "--cluster", cluster.address)
        struck = study.wait_for(3)
        cluster.kill_scheduler()
        code, text = study.finish()
    kept = study.cells()
    told = next((line.strip() for line in text.splitlines() if "is gone" in line), text[-300:])
    with DaskCluster(ground.folder / "dask-found", 2) as cluster:
        again = _Study(ground, folder, "--cluster", cluster.address)
        status, text = again.finish()
    same = status == 0 and again.document() == expected
    ground.tell(
        "SIGKILL to the Dask scheduler",
        f"at {len(kept)} of 13 finished cells",
        f"the study ends with status {code} and marks what is missing; on another scheduler it goes on, and study.json "
        "is that of one process",
        told if same else text[-300:],
        struck and same and "is gone" in told and kept.items() <= again.cells().items(),
    )


def killed_coordinator(ground: Ground) -> None:
    """SIGKILL to the one that asks, while another one asks for the same: its own workers end with it."""
    expected, folder = _alone(ground), ground.folder / "executors-two"
    first, second = (_Study(ground, folder, "--jobs", "2") for _ in range(2))
    struck = first.wait_for(3)
    workers = _children(first.process.pid)
    first.process.send_signal(signal.SIGKILL)
    first.process.communicate()
    until = time.monotonic() + 10
    while any(map(_alive, workers)) and time.monotonic() < until:
        time.sleep(0.1)
    orphans = sum(map(_alive, workers))
    code, text = second.finish()
    same = code == 0 and second.document() == expected
    ground.tell(
        "SIGKILL to one of two coordinators",
        "both measure the same study, each with two processes",
        f"{orphans} of its {len(workers)} processes outlive it; the other one ends with the study.json of one process",
        "" if same else text[-300:],
        struck and same and not orphans and bool(workers),
    )


def _workers(parent: int) -> list[int]:
    """The workers of a coordinator: forked from a process that it has started."""
    servers = _processes(lambda above, command: above == parent and "forkserver" in command)
    return _processes(lambda above, command: above in servers)


def _children(parent: int) -> list[int]:
    """The processes that one has started, and those that they have."""
    return [*_processes(lambda above, command: above == parent), *_workers(parent)]


def _kill_child(parent: int) -> bool:
    """End a worker of a coordinator; False where it has none."""
    workers = _workers(parent)
    if workers:
        os.kill(workers[0], signal.SIGKILL)
    return bool(workers)


def _processes(wanted: Callable[[int, str], bool]) -> list[int]:
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            above = int((place / "stat").read_text().rsplit(")", 1)[1].split()[1])
            command = (place / "cmdline").read_text()
        except OSError:
            continue
        if wanted(above, command):
            found.append(int(place.name))
    return found


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


STEPS = (killed_workers, lost_scheduler, killed_coordinator)
