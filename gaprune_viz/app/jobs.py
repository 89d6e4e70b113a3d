"""Long work that can be watched and stopped: one stop flag per open page."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator
from typing import TypeVar

import gradio as gr

from gaprune_viz.core.calibration import Progress
from gaprune_viz.errors import Cancelled

T = TypeVar("T")
Report = Callable[[str, int, int], None]
Work = Callable[[Report, Callable[[], bool]], T]

POLL_SECONDS = 0.1

_flags: dict[str, threading.Event] = {}
_lock = threading.Lock()


def _session(request: gr.Request | None) -> str:
    return str(getattr(request, "session_hash", None) or "direct")


def begin(request: gr.Request | None) -> threading.Event:
    """A fresh stop flag for the work that this page starts now."""
    flag = threading.Event()
    with _lock:
        _flags[_session(request)] = flag
    return flag


def stop(request: gr.Request) -> None:
    """Ask the work of this page to stop; nothing happens where there is none."""
    with _lock:
        flag = _flags.get(_session(request))
    if flag is not None:
        flag.set()


def forget(request: gr.Request) -> None:
    """The page was closed: stop its work and drop its flag."""
    stop(request)
    with _lock:
        _flags.pop(_session(request), None)


def driven(work: Generator[Progress, None, T], report: Report, stopped: Callable[[], bool]) -> T:
    """Run a generator of progress to its end inside `watched` work; what it returns is returned.

    Raises:
        Cancelled: the page's flag was set; the generator is closed.
    """
    try:
        while True:
            if stopped():
                raise Cancelled
            step = next(work)
            report(step.stage, step.done, step.total)
    except StopIteration as end:
        return end.value
    finally:
        work.close()


def watched(work: Work[T], flag: threading.Event) -> Generator[Progress, None, T]:
    """Run work in a thread and yield its progress.

    Args:
        work: called with `report(stage, done, total)` and `stopped()`.
        flag: the page's stop flag.

    Raises:
        Cancelled: the flag was set.
        Exception: whatever the work raised.
    """
    news: queue.SimpleQueue[Progress] = queue.SimpleQueue()
    answer: list[T] = []
    failure: list[BaseException] = []
    began: dict[str, float] = {}

    def report(stage: str, done: int, total: int) -> None:
        start = began.setdefault(stage, time.monotonic())
        news.put(Progress(stage, done, total, time.monotonic() - start))

    def body() -> None:
        try:
            answer.append(work(report, flag.is_set))
        # everything: it is raised again in the page's own thread, where it is shown.
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(POLL_SECONDS)
        if flag.is_set():
            # The thread sees the flag at its next batch; nobody has to wait for that.
            raise Cancelled
        latest = None
        while not news.empty():
            latest = news.get()
        if latest is not None:
            yield latest
    if failure:
        raise failure[0]
    if flag.is_set() and not answer:
        raise Cancelled
    return answer[0]
