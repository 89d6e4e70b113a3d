"""A Dask cluster of processes on this machine, as somebody would start one; each of them can be ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 60


class DaskCluster:
    """A scheduler and workers of one thread each.

    Args:
        folder: where its files and logs go.
        workers: how many; each comes again when it is ended.
        port: of the scheduler; 0 for a free one.
        quick: whether workers begin with the libraries loaded.
    """

    def __init__(self, folder: Path, workers: int, port: int = 0, *, quick: bool = False) -> None:
        self.folder, self.workers, self._processes = folder, workers, list[subprocess.Popen[bytes]]()
        self._surroundings = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        worker = "tests.dask_worker" if quick else "distributed.cli.dask_worker"
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "scheduler.json"
        self.file.unlink(missing_ok=True)
        described = ("--scheduler-file", str(self.file))
        places = ("--local-directory", str(folder), "--nworkers", str(workers), "--nthreads", "1")
        address = ("--host", "127.0.0.1", "--port", str(port))
        self.scheduler = self._start("distributed.cli.dask_scheduler", *address, *described)
        # It waits for the file by itself, with its libraries loaded.
        self.worker = self._start(worker, "--no-dashboard", *places, *described)
        until = time.monotonic() + START_SECONDS
        while not self.file.is_file():
            assert self.scheduler.poll() is None and time.monotonic() < until, self._log("dask_scheduler").read_text()
            time.sleep(0.05)
        from distributed import Client

        # The one of the tests, which asks who is there.
        self.client = Client(scheduler_file=str(self.file), set_as_default=False)
        self.client.wait_for_workers(workers, timeout=START_SECONDS)

    @property
    def address(self) -> str:
        """As `--cluster` takes it."""
        return f"dask://{self.file.resolve()}"

    def pids(self) -> list[int]:
        """Of the processes that compute."""
        return list(self.client.run(os.getpid).values())

    def kill_worker(self, number: int = 0) -> int:
        """SIGKILL one of them; its process number."""
        pid = self.pids()[number]
        os.kill(pid, signal.SIGKILL)
        return pid

    def kill_scheduler(self) -> None:
        self.scheduler.kill()
        self.scheduler.wait()

    def close(self) -> None:
        computing: list[int] = []
        # A scheduler that was killed does not answer.
        if self.scheduler.poll() is None:
            computing = self.pids()
            self.client.close(timeout=5)
        # Nothing of theirs is to be kept; a nanny that is asked would wait for its worker.
        for process in reversed(self._processes):
            process.kill()
            process.wait()
        for pid in computing:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def __enter__(self) -> DaskCluster:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _start(self, module: str, *words: str) -> subprocess.Popen[bytes]:
        with self._log(module).open("wb") as log:
            command = [sys.executable, "-m", module, *words]
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=self._surroundings, cwd=ROOT)
        self._processes.append(process)
        return process

    def _log(self, module: str) -> Path:
        return self.folder / f"{module.rpartition('.')[2]}.log"
