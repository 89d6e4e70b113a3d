"""The side that computes: `python -m gaprune_viz.jobs.host`.

It loads the libraries once, then forks, so that work begins at once. An analysis or a sweep has a clean process of its
own; all other work is done by one that stays (`persistent_process`), with models and masks from the time before. Where
there is no safe fork the host computes itself: what lasts, one after another; an analysis or a sweep, and then it ends.

A request is one line of JSON on standard input: the name of the work, its values, environment and working folder; every
answer is one line of JSON (`messages`).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TextIO

from gaprune_viz.analysis.making import analyze
from gaprune_viz.calibration.progress import Progress, iterate
from gaprune_viz.config import ExecutorSpec, RunSpec
from gaprune_viz.experiments.executors import library_loading
from gaprune_viz.experiments.executors.library_loading import FORKS
from gaprune_viz.experiments.registry import EXPERIMENTS
from gaprune_viz.experiments.sweep import SweepPlan, sweep
from gaprune_viz.jobs.messages import ErrorsTold, pack, take_over, tell
from gaprune_viz.jobs.persistent_process import Lasting, serve, stop_when_asked
from gaprune_viz.models.memory import enough_memory

# Of the system's priorities, 0 to 19: whoever moves a slider meanwhile comes first, and who waits for a ranking before
# a run. Pages of many people give way more, but their rankings not to the last: it gets next to nothing where others
# compute.
AWAITED, NICENESS, LAST = 5, 10, 19


def main() -> None:
    """Answer requests until standard input is closed."""
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Ctrl-C at a terminal reaches all its processes; the page that asked decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _give_way(AWAITED)
    library_loading.load()
    if FORKS:
        _fork_for_each(answers)
    else:
        _compute_here(answers)


def _fork_for_each(answers: TextIO) -> None:
    lasting: Lasting | None = None
    while line := sys.stdin.readline():
        request = json.loads(line)
        if request["work"] not in ALONE:
            first = partial(_give_way, NICENESS if request["gives_way"] else AWAITED)
            lasting, ended = _asked(lasting, line, partial(Lasting, answers, first), answers)
            tell(answers, ended=ended)
            continue
        if lasting is not None and request["alone"]:
            lasting.end()
            lasting = None
        pid = os.fork()
        if not pid:
            _compute_and_leave(request, answers)
        tell(answers, pid=pid)
        _, status = os.waitpid(pid, 0)
        tell(answers, ended=os.waitstatus_to_exitcode(status))


def _asked(
    lasting: Lasting | None, line: str, make: Callable[[], Lasting], answers: TextIO
) -> tuple[Lasting | None, int]:
    """Hand a request to the process that stays, or to another where it is gone.

    Returns:
        the process that is there for the next request, and how this one ended.
    """
    while True:
        fresh = lasting is None or not lasting.is_there()
        lasting = make() if lasting is None or fresh else lasting
        tell(answers, pid=lasting.pid)
        ended = lasting.ask(line)
        # One that was killed while nobody asked it may seem to be there for a moment more.
        if lasting.heard or fresh:
            return (None if ended else lasting), ended
        lasting = None


def _compute_here(answers: TextIO) -> None:
    wish = None
    while line := sys.stdin.readline():
        request = json.loads(line)
        tell(answers, pid=os.getpid())
        if request["work"] in ALONE:
            compute(request, answers)
            return
        wish = wish or stop_when_asked()
        serve(request, answers, wish)
        tell(answers, ended=0)


def _give_way(niceness: int) -> None:
    if hasattr(os, "nice"):
        os.nice(max(0, niceness - os.nice(0)))


def _analysis(run: dict[str, Any]) -> Generator[Progress, None, str]:
    return str((yield from analyze(RunSpec.model_validate(run))))


def _sweep(folder: str, plan: dict[str, Any]) -> Generator[Progress, None, list[Any]]:
    return (yield from sweep(Path(folder), SweepPlan.of(plan))).to_dict(orient="records")


def _experiment(
    name: str, spec: dict[str, Any], folder: str, executor: dict[str, Any]
) -> Generator[Progress, None, None]:
    chosen = EXPERIMENTS[name]
    yield from chosen.run(chosen.spec.parse(spec), Path(folder), ExecutorSpec.parse(executor))


ALONE: dict[str, Callable[..., Generator[Progress, None, Any]]] = {
    "analysis": _analysis,
    "sweep": _sweep,
    "experiment": _experiment,
}


def compute(request: dict[str, Any], answers: TextIO) -> None:
    """Do some work and tell how it goes; an error that it raises is told too."""
    with ErrorsTold(answers), enough_memory():
        take_over(request)
        _give_way(LAST if request["gives_way"] else NICENESS)
        result: list[Any] = []
        with closing(iterate(ALONE[request["work"]](**request["values"]), result)) as steps:
            for step in steps:
                tell(answers, step=[step.stage, step.done, step.total, step.seconds])
        tell(answers, result=pack(result[0]))


def _compute_and_leave(request: dict[str, Any], answers: TextIO) -> NoReturn:
    """The life of a forked process."""
    # Asked to stop, it closes what it has open, and leaves nothing unfinished behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    status = 1
    try:
        compute(request, answers)
        status = 0
    finally:
        # What was registered to be done at exit is the host's.
        os._exit(status)


if __name__ == "__main__":
    main()
