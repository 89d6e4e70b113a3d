"""Long work that can be watched and stopped: it waits its turn and runs in a thread; sessions have stop flags."""

from __future__ import annotations

import contextvars
import logging
import queue
import threading
import time
import weakref
from collections.abc import Callable, Generator
from typing import TypeVar

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.jobs.job_queue import LINE, Owner, Ticket
from gaprune_viz.models.memory import enough_memory, is_out_of_memory, release

T = TypeVar("T")
# Stage, done, total, and the seconds since the work began where they are not those of the stage.
Report = Callable[..., None]
Work = Callable[[Report, Callable[[], bool]], T]

POLL_SECONDS = 0.1
LONGEST_SAID = 300
# Errors whose words say by themselves what happened: of the process that computes, and of gradio.
SAID_ALONE = ("Unforeseen", "Error")

logger = logging.getLogger(__name__)

# Weak: a flag goes when the handler that holds it ends, however many pieces of work it was for.
_flags: dict[str, weakref.WeakSet[threading.Event]] = {}
_lock = threading.Lock()


def begin(session: str) -> threading.Event:
    """A fresh stop flag for the work that a session starts now."""
    flag = threading.Event()
    with _lock:
        for name in [name for name, flags in _flags.items() if not flags]:
            del _flags[name]
        _flags.setdefault(session, weakref.WeakSet()).add(flag)
    return flag


def stop(session: str) -> None:
    """Ask all work of a session to stop, the waiting too; nothing happens where there is none."""
    with _lock:
        flags = list(_flags.pop(session, ()))
    for flag in flags:
        flag.set()


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
            report(step.stage, step.done, step.total, step.seconds)
    except StopIteration as end:
        return end.value
    finally:
        work.close()


def watched(work: Work[T], flag: threading.Event, who: Owner) -> Generator[Progress, None, T]:
    """Wait for the one place where heavy work is done, run work there in a thread, and yield its progress.

    Args:
        work: called with `report(stage, done, total)` and `stopped()`.
        flag: the stop flag.
        who: whose work it is.

    Raises:
        Cancelled: the flag was set.
        GapruneError: what the work raised, or what was not foreseen of it; memory ran out; in public mode, this page
            has a job already, or the work took longer than a job may.
    """
    ticket = LINE.draw(who)
    thread: threading.Thread | None = None
    try:
        yield from _turn(ticket, flag)
        news: queue.SimpleQueue[Progress] = queue.SimpleQueue()
        answer: list[T] = []
        failure: list[BaseException] = []
        thread = _start(work, flag, news, answer, failure, ticket)
        until = time.monotonic() + who.seconds if who.limited else None
        yield from _news(thread, news, flag, until, who.seconds)
    finally:
        # A thread that was started gives the place free itself, when it has really stopped.
        if thread is None:
            LINE.leave(ticket)
        elif thread.is_alive():
            flag.set()
    if failure:
        with enough_memory():
            raise told(failure[0])
    if not answer:
        raise Cancelled
    return answer[0]


def told(error: BaseException) -> BaseException:
    """An error as whoever asked is told of it. One that was not foreseen is named; the whole of it is in the log."""
    if isinstance(error, (Cancelled, GapruneError)) or not isinstance(error, Exception) or is_out_of_memory(error):
        return error
    logger.error("An error of a work that was not foreseen.", exc_info=error)
    said = str(getattr(error, "message", error)).strip().split("\n", 1)[0][:LONGEST_SAID]
    names = [] if type(error).__name__ in SAID_ALONE else [type(error).__name__]
    unforeseen = GapruneError(
        f"This was not foreseen: {': '.join([*names, said])}",
        "Try again; if it stays, report it with what the log of the server says of it.",
    )
    unforeseen.__cause__ = error
    return unforeseen


def _turn(ticket: Ticket, flag: threading.Event) -> Generator[Progress, None, None]:
    """Wait in line, saying how many are ahead."""
    began, said = time.monotonic(), 0
    while ahead := LINE.ahead(ticket):
        if ahead != said:
            said = ahead
            jobs = "1 job is" if ahead == 1 else f"{ahead} jobs are"
            yield Progress(f"Waiting: {jobs} ahead of this one", 0, 0, time.monotonic() - began)
        if flag.wait(POLL_SECONDS):
            raise Cancelled


def _start(
    work: Work[T],
    flag: threading.Event,
    news: queue.SimpleQueue[Progress],
    answer: list[T],
    failure: list[BaseException],
    ticket: Ticket,
) -> threading.Thread:
    began: dict[str, float] = {}

    def report(stage: str, done: int, total: int, seconds: float | None = None) -> None:
        start = began.setdefault(stage, time.monotonic())
        news.put(Progress(stage, done, total, time.monotonic() - start if seconds is None else seconds))

    def body() -> None:
        try:
            answer.append(work(report, flag.is_set))
        # everything: it is raised again in the page's own thread, where it is shown.
        except BaseException as error:
            failure.append(error)
        finally:
            LINE.leave(ticket)
            release()

    # Whoever asked is known by context variables: the thread has them too.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(body,), daemon=True)
    thread.start()
    return thread


def _news(
    thread: threading.Thread,
    news: queue.SimpleQueue[Progress],
    flag: threading.Event,
    until: float | None,
    seconds: int,
) -> Generator[Progress, None, None]:
    """The latest progress, until the thread ends.

    Raises:
        Cancelled: the flag was set. The thread sees it at its next batch; nobody has to wait for that.
        GapruneError: time is up; the flag is set.
    """
    while thread.is_alive():
        thread.join(POLL_SECONDS)
        if flag.is_set():
            raise Cancelled
        if until is not None and time.monotonic() > until:
            flag.set()
            raise GapruneError(
                f"The job took longer than the {seconds} s that this public page gives.",
                "Use fewer samples or a smaller model, or run gaprune-viz yourself.",
            )
        latest = None
        while not news.empty():
            latest = news.get()
        if latest is not None:
            yield latest
