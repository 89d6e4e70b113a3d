"""What runs in a worker. It loads nothing heavy until the first task: what a worker sees is told before.

Functions go to the workers by name, and what they answer are plain values. An error never leaves as one: it would have
to be put together again on the other side.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import platform
import signal
import socket
import threading
from contextlib import chdir, nullcontext
from pathlib import Path

from gaprune_viz.calibration.progress import drain
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.executors.tasks import Answer, Bench, Seen, Sight, Source, Task
from gaprune_viz.storage.workspace import WORKSPACE_VARIABLE
from gaprune_viz.versions import versions

# A worker of several threads has one model: masks are put on it, so one task at a time.
_LOCK = threading.Lock()
_OPEN: dict[str, Bench] = {}


def begin(environment: dict[str, str]) -> None:
    """The first thing in a process of our own: its surroundings, and its end with whoever started it."""
    # Those that it was forked with are of an earlier time.
    os.environ.clear()
    os.environ.update(environment)
    # Ctrl-C at a terminal reaches all its processes; whoever asked decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # One JSON object may be all that standard output is for.
    os.dup2(2, 1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def look(sight: Sight) -> Seen:
    """What this process is and sees."""
    known = {**versions(), "python": ".".join(platform.python_version_tuple()[:2])}
    return Seen(socket.gethostname(), os.getpid(), known, sight.hidden())


def answer(source: Source, sight: Sight, task: Task) -> Answer:
    """Do a task, keep what it gives, and give it back as well."""
    with _LOCK:
        caught: list[BaseException] = []
        try:
            with chdir(sight.working) if Path(sight.working).is_dir() else nullcontext():
                return _answer(source, sight, task)
        # everything: it goes to whoever asked as words, for it would have to be put together again there.
        except Exception as error:
            caught.append(error)
        return _failed(caught[0])


def _answer(source: Source, sight: Sight, task: Task) -> Answer:
    hidden = sight.hidden()
    if hidden is not None:
        raise GapruneError(f"{socket.gethostname()} does not see {hidden}.", "Share the folder with all workers.")
    _settle(sight)
    bench = _bench(source)
    if bench.name(task.argument) != task.name:
        told = f"{socket.gethostname()} reads other weights, texts or settings for it than the one that asks"
        return Answer(None, error=f"{told}. Give all workers the same files.", final=True)
    found = bench.known(task.argument)
    if found is not None:
        return Answer(found)
    document = drain(bench.done(task.argument))
    try:
        return Answer(bench.keep(task.argument, document))
    except GapruneError as error:
        # It was dear to make: whoever asks may be able to write it.
        return Answer(document, kept=False, error=str(error))


def _settle(sight: Sight) -> None:
    """Use the workspace that is shared, where one is; take a GPU and a share of the threads; keep freed memory."""
    from gaprune_viz.experiments.executors.devices import take_gpu, take_threads
    from gaprune_viz.models.memory import reuse

    if sight.workspace:
        os.environ[WORKSPACE_VARIABLE] = sight.workspace
    take_gpu()
    take_threads()
    reuse()


def _bench(source: Source) -> Bench:
    """The bench of a source; that of another one is let go of first: there may be room for one model only."""
    from gaprune_viz.models.memory import enough_memory, release

    name = json.dumps([source.open.__module__, source.open.__qualname__, source.given], sort_keys=True, default=str)
    if name not in _OPEN:
        _OPEN.clear()
        release()
        with enough_memory():
            _OPEN[name] = source.open(**source.given)
    return _OPEN[name]


def _failed(error: BaseException) -> Answer:
    """An error as an answer. Where memory ran out, all that was held is let go of."""
    from gaprune_viz.models.memory import is_out_of_memory, release

    if is_out_of_memory(error):
        _OPEN.clear()
        release()
        return Answer(None, error="Memory ran out. Use fewer workers on a machine, or a smaller model.")
    if isinstance(error, GapruneError):
        return Answer(None, error=str(error))
    logging.getLogger(__name__).error("A cell failed", exc_info=error)
    return Answer(None, error=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
