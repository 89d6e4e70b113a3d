"""The side that asks: a host is started, or one that waits is taken, and its answers become progress and errors."""

from __future__ import annotations

import atexit
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import gaprune_viz
from gaprune_viz.config import RunSpec
from gaprune_viz.core.calibration import Progress
from gaprune_viz.errors import Cancelled, GapruneError

POLL_SECONDS = 0.1
# How long a process that was asked to stop may take to tidy up.
GRACE_SECONDS = 5.0
HOST = "gaprune_viz.isolated.host"

Answer = dict[str, Any]


class Host:
    """A process that computes analyses, one at a time.

    Raises:
        GapruneError: no process can be started.
    """

    def __init__(self) -> None:
        # Found also where the package is not installed, and the page was started from its folder.
        paths = [str(Path(gaprune_viz.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", HOST],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            )
        except OSError as error:
            raise GapruneError(
                f"No process can be started to make the analysis: {error.strerror}.",
                "Close other programs, or run gaprune-viz anew.",
            ) from error
        self.answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self.computing: int | None = None
        self.busy = self.taken = False
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def ask(self, run: RunSpec) -> None:
        """Send a request. A host that is gone is told of by its last answer."""
        self.busy = True
        request = {"run": run.model_dump(mode="json"), "environment": dict(os.environ), "folder": str(Path.cwd())}
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()

    def answer(self) -> Answer | None:
        """The next answer, or None where there is none yet."""
        try:
            answer = self.answers.get(timeout=POLL_SECONDS)
        except queue.Empty:
            return None
        if "pid" in answer:
            self.computing = int(answer["pid"])
        if "ended" in answer:
            self.computing, self.busy = None, False
        return answer

    def stop(self) -> None:
        """End what is computed: by asking, and after a while by force."""
        until = time.monotonic() + GRACE_SECONDS
        sign = signal.SIGTERM
        while self.alive and time.monotonic() < until + GRACE_SECONDS:
            if self.computing is not None:
                with suppress(ProcessLookupError):
                    os.kill(self.computing, sign)
            if time.monotonic() > until:
                sign = getattr(signal, "SIGKILL", signal.SIGTERM)
            answer = self.answer()
            if answer is not None and "ended" in answer:
                return
        self.close()

    def close(self) -> None:
        """End the host; what it computes ends with it."""
        with suppress(OSError):
            if self.computing is not None:
                os.kill(self.computing, signal.SIGTERM)
        self.process.kill()
        self.process.wait()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            # Whoever is killed may leave half a line.
            with suppress(ValueError):
                self.answers.put(json.loads(line))
        self.answers.put({"ended": self.process.wait()})


_hosts: list[Host] = []
_lock = threading.Lock()


def ready() -> None:
    """Have a host wait for the first request, its libraries loaded."""
    with _lock:
        if not any(host.alive for host in _hosts):
            _hosts.append(Host())


def _take() -> Host:
    """A host that nobody else uses."""
    with _lock:
        _hosts[:] = [host for host in _hosts if host.alive]
        host = next((host for host in _hosts if not host.taken), None)
        if host is None:
            _hosts.append(host := Host())
        host.taken = True
        return host


@atexit.register
def _close() -> None:
    for host in _hosts:
        host.close()


def analysis(run: RunSpec, stopped: Callable[[], bool]) -> Generator[Progress, None, Path]:
    """Run an analysis in a process of its own, into the workspace. Closing the generator ends the process.

    Args:
        stopped: asked ten times a second.

    Returns:
        the folder of the result.

    Raises:
        Cancelled: `stopped` said so.
        GapruneError: what `pipeline.analyze` raises, or the system ended the process.
        Unforeseen: any other error, with the process's own traceback.
    """
    host = _take()
    try:
        yield Progress("Starting", 0, 0, 0.0)
        host.ask(run)
        return (yield from _followed(host, stopped))
    finally:
        if host.busy:
            host.stop()
        host.taken = False


def _followed(host: Host, stopped: Callable[[], bool]) -> Generator[Progress, None, Path]:
    said: Answer = {}
    while True:
        if stopped():
            raise Cancelled
        answer = host.answer()
        if answer is None:
            continue
        if "step" in answer:
            yield Progress(*answer["step"])
        elif "ended" in answer:
            return _outcome({**said, **answer})
        else:
            said |= answer


class Unforeseen(RuntimeError):
    """An error of the other process that nobody can put right from the page."""


def _outcome(said: Answer) -> Path:
    """The folder that a process told of, or the error that ended it."""
    if "folder" in said:
        return Path(said["folder"])
    if "refused" in said:
        raise GapruneError(*said["refused"])
    if "failed" in said:
        error = Unforeseen(said["failed"].strip().rsplit("\n", 1)[-1])
        error.add_note(said["failed"])
        raise error
    status = int(said["ended"])
    by = f"signal {-status}, {signal.strsignal(-status)}" if status < 0 else f"status {status}"
    raise GapruneError(
        f"The process that made the analysis was ended ({by}); nothing of it is kept, earlier results are.",
        "If memory ran out, use a smaller model, scope or max-length; else press Run again.",
    )
