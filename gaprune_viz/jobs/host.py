"""The side that computes: `python -m gaprune_viz.jobs.host`.

It loads the libraries once, then forks for every request, so that work begins at once and in a clean process. Where
there is no safe fork it computes one request itself, and ends.

A request is one line of JSON on standard input: the name of the work, its values, environment and working folder. Every
answer is one line of JSON:

    {"pid": 123}                                  the process that computes
    {"step": ["Calibrating", 3, 40, 1.5]}         stage, done, total, seconds
    {"result": ...}                               what the work returned
    {"refused": ["what happened", "what to do"]}  an error that a person can put right
    {"failed": "Traceback ..."}                   any other
    {"ended": -9}                                 exit status; minus the signal's number where one ended it
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NoReturn, TextIO

from gaprune_viz.analysis.making import analyze
from gaprune_viz.calibration.progress import Progress, iterate
from gaprune_viz.config import RunSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.sweep import SweepPlan, sweep
from gaprune_viz.models.memory import enough_memory

LIBRARIES = ("sentence_transformers", "sklearn.cluster", "pyarrow.parquet")
# macOS has fork, but its own libraries do not stand it.
FORKS = sys.platform == "linux"
# Of the system's priorities, 0 to 19: whoever moves a slider meanwhile comes first. The last one gets next to nothing
# where others compute, so that it is only for pages of many people.
NICENESS, LAST = 10, 19


def main() -> None:
    """Answer requests until standard input is closed."""
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Ctrl-C at a terminal reaches all its processes; the page that asked decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _give_way(NICENESS)
    for name in LIBRARIES:
        importlib.import_module(name)
    while request := sys.stdin.readline():
        if not FORKS:
            tell(answers, pid=os.getpid())
            compute(json.loads(request), answers)
            return
        pid = os.fork()
        if not pid:
            _compute_and_leave(json.loads(request), answers)
        tell(answers, pid=pid)
        _, status = os.waitpid(pid, 0)
        tell(answers, ended=os.waitstatus_to_exitcode(status))


def _give_way(niceness: int) -> None:
    if hasattr(os, "nice"):
        os.nice(max(0, niceness - os.nice(0)))


def tell(answers: TextIO, **answer: Any) -> None:
    """Write one answer.

    Raises:
        OSError: nobody listens any more.
    """
    # The first line break ends what somebody was writing when he was killed.
    answers.write(f"\n{json.dumps(answer)}\n")
    answers.flush()


def _analysis(run: dict[str, Any]) -> Generator[Progress, None, str]:
    return str((yield from analyze(RunSpec.model_validate(run))))


def _sweep(folder: str, plan: dict[str, Any]) -> Generator[Progress, None, list[Any]]:
    return (yield from sweep(Path(folder), SweepPlan.of(plan))).to_dict(orient="records")


WORKS: dict[str, Callable[..., Generator[Progress, None, Any]]] = {"analysis": _analysis, "sweep": _sweep}


def compute(request: dict[str, Any], answers: TextIO) -> None:
    """Do some work and tell how it goes; an error that it raises is told too."""
    with _ErrorsTold(answers), enough_memory():
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["folder"])
        if request["gives_way"]:
            _give_way(LAST)
        result: list[Any] = []
        with closing(iterate(WORKS[request["work"]](**request["values"]), result)) as steps:
            for step in steps:
                tell(answers, step=[step.stage, step.done, step.total, step.seconds])
        tell(answers, result=result[0])


class _ErrorsTold:
    """Errors inside are told, and end there; asking a process to end is no error."""

    def __init__(self, answers: TextIO) -> None:
        self.answers = answers

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        # Where nobody listens any more, nobody is to be told.
        with suppress(OSError):
            if isinstance(error, GapruneError):
                tell(self.answers, refused=[error.message, error.hint])
            elif isinstance(error, Exception):
                tell(self.answers, failed="".join(traceback.format_exception(error)))
        return isinstance(error, Exception)


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
