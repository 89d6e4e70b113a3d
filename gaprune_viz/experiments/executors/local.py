"""Several processes on this machine, each with a place of its own: a share of the processors, a GPU.

Each place is a pool of one process. One that is ended breaks the future of its own cell and of no other, so it is known
which cell ended it, and the others keep their models.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.context import BaseContext
from typing import Any

from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.executors import worker
from gaprune_viz.experiments.executors.devices import GPUS, gpus, share
from gaprune_viz.experiments.executors.library_loading import FORKS
from gaprune_viz.experiments.executors.protocol import Verdict
from gaprune_viz.experiments.executors.tasks import Seen, Sight

START_SECONDS = 120
PRELOADED = "gaprune_viz.experiments.executors.forkserver_preload"


class LocalPool:
    """Processes beside this one.

    Args:
        workers: how many.

    Raises:
        GapruneError: there are fewer GPUs or processors.
    """

    def __init__(self, workers: int) -> None:
        import torch

        cards = gpus()
        most, what = (len(cards), "GPUs") if len(cards) > 1 else (max(2, os.cpu_count() or 1), "processors")
        if workers > most:
            hide = f", or hide the GPUs: {GPUS}=" if len(cards) > 1 else ""
            raise GapruneError(
                f"--jobs: {workers} workers are more than this machine has use for: it has {most} {what}.",
                f"Use at most {most}{hide}.",
            )
        usual = share(workers, torch.get_num_threads())
        places = [{**usual, GPUS: card} for card in cards[:workers]] if len(cards) > 1 else [usual] * workers
        self.label = f"{workers} processes"
        self._places = [_Place(surroundings) for surroundings in places]

    def room(self) -> int:
        return sum(not place.busy for place in self._places)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        place = next(place for place in self._places if not place.busy)
        return place.submit(function, *arguments)

    def look(self, sight: Sight) -> list[Seen]:
        futures = [place.submit(worker.look, sight) for place in self._places]
        return [future.result(START_SECONDS) for future in futures]

    def verdict(self, error: BaseException) -> Verdict:
        if isinstance(error, BrokenProcessPool):
            return Verdict("The system ended its worker, or memory ran out.")
        return Verdict(f"{type(error).__name__}: {error}")

    def mend(self) -> None:
        """Places whose process is gone start another with their next call."""

    def close(self) -> None:
        for place in self._places:
            place.close()


class _Place:
    """A pool of one process, started with its first call and after its end with the next one."""

    def __init__(self, surroundings: dict[str, str]) -> None:
        self._surroundings = surroundings
        self._executor: ProcessPoolExecutor | None = None
        self._pid: Future[int] | None = None
        self._last: Future[Any] | None = None

    @property
    def busy(self) -> bool:
        return self._last is not None and not self._last.done()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        try:
            self._last = self._started().submit(function, *arguments)
        except BrokenProcessPool:
            # Ended while it had nothing to do.
            self.close()
            self._last = self._started().submit(function, *arguments)
        return self._last

    def _started(self) -> ProcessPoolExecutor:
        if self._executor is not None and self._last is not None and self._broken(self._last):
            self.close()
        if self._executor is None:
            surroundings = {**os.environ, **self._surroundings}
            self._executor = ProcessPoolExecutor(1, _context(), worker.begin, (surroundings,))
            self._pid = self._executor.submit(os.getpid)
        return self._executor

    @staticmethod
    def _broken(future: Future[Any]) -> bool:
        return future.done() and not future.cancelled() and isinstance(future.exception(), BrokenProcessPool)

    def close(self) -> None:
        """End the process, whatever it does: what it has finished is on disk."""
        executor, self._executor = self._executor, None
        if executor is None or self._pid is None:
            return
        with suppress(OSError, TimeoutError, BrokenProcessPool):
            os.kill(self._pid.result(START_SECONDS), signal.SIGTERM)
        executor.shutdown(wait=True, cancel_futures=True)


def _context() -> BaseContext:
    """How processes are started. A fork of this one would have its locks and threads of OpenMP: they are forked from
    one that has done nothing but load, once, what every cell needs."""
    if not FORKS:
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])
    return context
