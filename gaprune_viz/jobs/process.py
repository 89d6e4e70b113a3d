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

import pandas as pd
import torch

from gaprune_viz.calibration.progress import Progress, drain
from gaprune_viz.config import RunSpec
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.experiments.sweep import COLUMNS, SweepPlan
from gaprune_viz.jobs.messages import unpack
from gaprune_viz.jobs.outcome import Unforeseen, outcome
from gaprune_viz.jobs.preloading import Preparation
from gaprune_viz.jobs.threads import settle
from gaprune_viz.jobs.works.work_context import quiet

POLL_SECONDS = 0.1
# How long a process that was asked to stop may take to tidy up; killed, one that stays would lose what it has loaded.
GRACE_SECONDS, LASTING_GRACE_SECONDS = 5.0, 30.0
HOST = "gaprune_viz.jobs.host"
# Libraries ask whether there is a card when they are loaded. Asked through CUDA itself, no forked process could use it.
UNTOUCHED_CARD = {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}

Answer = dict[str, Any]
__all__ = ["Host", "Unforeseen", "analysis", "done", "lasting", "prepare", "ready", "sweep"]


class Host:
    """A process that computes what it is asked for, one thing at a time.

    Raises:
        GapruneError: no process can be started.
    """

    def __init__(self) -> None:
        # Found also where the package is not installed, and the page was started from its folder.
        paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **UNTOUCHED_CARD}
        # Whoever serves the page from a script of his own has settled nothing.
        settle(environment)
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", HOST],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                env=environment,
            )
        except OSError as error:
            raise GapruneError(
                f"No process can be started for this work: {error.strerror}.",
                "Close other programs, or run gaprune-viz anew.",
            ) from error
        self.answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self.computing: int | None = None
        self.busy = self.taken = False
        self.grace = GRACE_SECONDS
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def ask(self, request: dict[str, Any], grace: float) -> None:
        """Send a request. A host that is gone is told of by its last answer.

        Args:
            grace: seconds that the work may take to stop.
        """
        self.busy, self.grace = True, grace
        surroundings = {"environment": dict(os.environ), "folder": str(Path.cwd())}
        assert self.process.stdin is not None
        # A pipe that nobody reads is one error here and another there.
        with suppress(OSError):
            self.process.stdin.write(json.dumps(request | surroundings) + "\n")
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
        until = time.monotonic() + self.grace
        sign = signal.SIGTERM
        while self.alive and time.monotonic() < until + GRACE_SECONDS:
            if self.computing is not None:
                # A process that is gone is one error here and another there.
                with suppress(OSError):
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
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                # Whoever is killed may leave half a line.
                with suppress(ValueError):
                    self.answers.put(json.loads(line))
        self.answers.put({"ended": self.process.wait()})


_hosts: list[Host] = []
_lock = threading.Lock()
_preparation = Preparation()


def ready() -> None:
    """Have a host wait for the first request, its libraries loaded."""
    with _lock:
        if not any(host.alive for host in _hosts):
            _hosts.append(Host())


def _take() -> Host:
    """A host that nobody else uses."""
    with _lock:
        for host in [host for host in _hosts if not host.alive]:
            host.close()
            _hosts.remove(host)
        host = next((host for host in _hosts if not host.taken), None)
        if host is None:
            _hosts.append(host := Host())
        host.taken = True
        return host


@atexit.register
def _close() -> None:
    for host in _hosts:
        host.close()


def analysis(run: RunSpec, stopped: Callable[[], bool], *, gives_way: bool = False) -> Generator[Progress, None, Path]:
    """Run an analysis into the workspace, as `analysis.making.analyze` does; closing the generator ends the process.

    Args:
        stopped: asked ten times a second.
        gives_way: whether everything else on the machine comes first, because many people use the page.

    Returns:
        the folder of the result.

    Raises:
        Cancelled: `stopped` said so.
        GapruneError: what `analyze` raises, or the system ended the process.
        Unforeseen: any other error, with the process's own traceback.
    """
    return Path((yield from done("analysis", {"run": run.model_dump(mode="json")}, stopped, gives_way)))


def sweep(
    folder: Path, plan: SweepPlan, stopped: Callable[[], bool], *, gives_way: bool = False
) -> Generator[Progress, None, pd.DataFrame]:
    """Run a sweep as `gaprune_viz.experiments.sweep` does, to the same table; all else is as with an analysis."""
    rows = yield from done("sweep", {"folder": str(folder), "plan": plan.document()}, stopped, gives_way)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def lasting(
    work: str,
    values: dict[str, Any],
    stopped: Callable[[], bool],
    *,
    gives_way: bool = False,
    heard: Callable[[Any], None] = quiet,
) -> Generator[Progress, None, Any]:
    """Do some work of `works.registry` in the process that stays; all else is as with an analysis.

    Args:
        values: for the work, as JSON has them.
        heard: called with each part of the result that is there before the end.

    Returns:
        what the work returned, and what it found out about exact masks (`works.kept.Counted`, by what they are kept
        under).
    """
    return (yield from done(work, values, stopped, gives_way, heard, LASTING_GRACE_SECONDS))


def prepare(folder: Path, *, gives_way: bool = False) -> None:
    """Have the process that stays load what a first comparison on an analysis needs; nothing where it has work already.

    Whoever asks for something meanwhile waits for it: another process would have to load the same. What nobody has to
    wait for, the pruned side of that comparison, ends when somebody does.

    Raises:
        GapruneError: the model is not there, or the system ended the process.
    """
    on, grace = {"analysis": str(folder)}, LASTING_GRACE_SECONDS
    with _preparation.under_way():
        with _lock:
            if any(host.taken for host in _hosts):
                return
        drain(_asked("prepare", on, lambda: False, gives_way, quiet, grace))
        if _preparation.is_awaited():
            return
        # Somebody waits: the pruned side is read when it is asked for.
        with suppress(Cancelled):
            drain(_asked("foresee", on, _preparation.is_awaited, gives_way, quiet, grace))


def done(
    work: str,
    values: dict[str, Any],
    stopped: Callable[[], bool],
    gives_way: bool,
    heard: Callable[[Any], None] = quiet,
    grace: float | None = None,
) -> Generator[Progress, None, Any]:
    """Do some work of the host, in the process that it has for it; all else is as with an analysis."""
    yield from _preparation.waited(stopped, POLL_SECONDS)
    return (yield from _asked(work, values, stopped, gives_way, heard, GRACE_SECONDS if grace is None else grace))


def _asked(
    work: str,
    values: dict[str, Any],
    stopped: Callable[[], bool],
    gives_way: bool,
    heard: Callable[[Any], None],
    grace: float,
) -> Generator[Progress, None, Any]:
    host = _take()
    try:
        yield Progress("Starting", 0, 0, 0.0)
        # A card may have room for one model only.
        request = {"work": work, "values": values, "gives_way": gives_way, "alone": torch.cuda.is_available()}
        host.ask(request, grace)
        return (yield from _followed(host, stopped, heard))
    finally:
        if host.busy:
            host.stop()
        host.taken = False


def _followed(host: Host, stopped: Callable[[], bool], heard: Callable[[Any], None]) -> Generator[Progress, None, Any]:
    said: Answer = {}
    while True:
        if stopped():
            raise Cancelled
        answer = host.answer()
        if answer is None:
            continue
        if "step" in answer:
            yield Progress(*answer["step"])
        elif "part" in answer:
            heard(unpack(answer["part"]))
        elif "ended" in answer:
            return outcome({**said, **answer})
        else:
            said |= answer
