"""The process that stays: what it has loaded for one request is there for the next, until it is killed.

It is forked off the host, asked through a pipe, and answers whoever asks the host. Stopping it is a wish, a signal that
it looks for between two batches: models and masks are kept. Only where it does not look in time is it killed, and then
the next request forks another.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn, TextIO

from gaprune_viz.errors import Cancelled
from gaprune_viz.jobs.messages import ErrorsTold, pack, take_over, tell
from gaprune_viz.jobs.works.memory_cache import KEPT
from gaprune_viz.jobs.works.registry import WORKS
from gaprune_viz.jobs.works.work_context import Desk
from gaprune_viz.models.memory import enough_memory, is_out_of_memory, release


class Lasting:
    """A process that stays, as the host sees it.

    Attributes:
        heard: whether it has taken the last request; one that was killed just before that has not.
    """

    def __init__(self, answers: TextIO, first: Callable[[], None]) -> None:
        """Fork it off.

        Args:
            first: what it does before it waits for requests.
        """
        reading, asking = os.pipe()
        done, telling = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(asking)
            os.close(done)
            _stay(reading, telling, answers, first)
        os.close(reading)
        os.close(telling)
        self.heard = False
        self._asking, self._done = os.fdopen(asking, "w", encoding="utf-8"), done

    def is_there(self) -> bool:
        """Whether it can be asked; one that was killed since is gone for good."""
        if os.waitpid(self.pid, os.WNOHANG)[0] == 0:
            return True
        self._close()
        return False

    def ask(self, request: str) -> int:
        """Hand a request on and wait for its end.

        Returns:
            0, or the exit status of the process that ended with it, as `waitstatus_to_exitcode` gives it; then the
            process is gone.
        """
        # One that is gone cannot be written to; what it said last says how it went.
        with suppress(OSError):
            self._asking.write(request)
            self._asking.flush()
        self.heard = bool(os.read(self._done, 1))
        if self.heard and os.read(self._done, 1):
            return 0
        _, status = os.waitpid(self.pid, 0)
        self._close()
        return os.waitstatus_to_exitcode(status) or 1

    def end(self) -> None:
        """Have it end: it has nothing to do."""
        self._close()
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def _close(self) -> None:
        with suppress(OSError):
            self._asking.close()
        with suppress(OSError):
            os.close(self._done)


def _stay(reading: int, telling: int, answers: TextIO, first: Callable[[], None]) -> NoReturn:
    """The life of the process."""
    status = 1
    try:
        first()
        wish = stop_when_asked()
        with os.fdopen(reading, encoding="utf-8") as requests:
            for request in requests:
                os.write(telling, b"?")
                serve(json.loads(request), answers, wish)
                os.write(telling, b".")
                # Between two requests nobody waits for it.
                release()
        status = 0
    finally:
        # What was registered to be done at exit is the host's.
        os._exit(status)


def stop_when_asked() -> threading.Event:
    """From now on SIGTERM is a wish: the event is set, and nothing else happens."""
    wish = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: wish.set())
    return wish


def serve(request: dict[str, Any], answers: TextIO, wish: threading.Event) -> None:
    """Do some work and tell how it goes. Where memory ran out, the process ends: a fresh one has all there is."""
    wish.clear()
    with ErrorsTold(answers) as told, enough_memory():
        take_over(request)
        KEPT.begin()
        result = WORKS[request["work"]](_desk(answers, wish), **request["values"])
        tell(answers, result=pack((result, KEPT.used())))
    if told.error is not None and _out_of_memory(told.error):
        sys.exit(1)


def _out_of_memory(error: BaseException | None) -> bool:
    while error is not None:
        if is_out_of_memory(error):
            return True
        error = error.__cause__
    return False


def _desk(answers: TextIO, wish: threading.Event) -> Desk:
    """What a work is given: its progress goes to whoever asked."""

    def said(**answer: Any) -> None:
        try:
            tell(answers, **answer)
        except BrokenPipeError:
            # Whoever asked is gone: whatever the work would make of this error, nobody wants it.
            os._exit(1)

    began: dict[str, float] = {}

    def report(stage: str, done: int, total: int, seconds: float | None = None) -> None:
        if wish.is_set():
            raise Cancelled
        start = began.setdefault(stage, time.monotonic())
        said(step=[stage, done, total, time.monotonic() - start if seconds is None else seconds])

    return Desk(report, wish.is_set, lambda part: said(part=pack(part)))
