"""Work that a handler watches: its steps, what it gives, its errors, and its end when somebody stops it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest

from gaprune_viz.app.frame import long_work
from gaprune_viz.calibration.progress import Progress
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.jobs.outcome import Unforeseen


def test_watched_work_reports_and_raises() -> None:
    def good(report: Any, stopped: Any) -> int:
        report("Half", 1, 2)
        return 7

    steps, box = [], []

    def drive(job: Iterator[Progress]) -> Iterator[Progress]:
        box.append((yield from job))  # type: ignore[misc]

    flag = long_work.begin(None)
    steps.extend(drive(long_work.watched(good, flag)))
    assert box == [7]

    def bad(report: Any, stopped: Any) -> int:
        raise GapruneError("No.", "Try again.")

    with pytest.raises(GapruneError, match="No"):
        list(long_work.watched(bad, flag))

    def endless(report: Any, stopped: Any) -> int:
        while not stopped():
            report("Working", 1, 2)
            time.sleep(0.01)
        time.sleep(1)
        return 1

    flag = long_work.begin(None)
    job = long_work.watched(endless, flag)
    next(job)
    flag.set()
    with pytest.raises(Cancelled):
        list(job)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(2, "No such file or directory"), "FileNotFoundError: [Errno 2]"),
        (Unforeseen("ValueError: not so\nand more"), "not foreseen: ValueError: not so"),
        (gr.Error("You have no seconds left."), "You have no seconds left."),
    ],
)
def test_what_was_not_foreseen_is_told_in_its_place(error: Exception, said: str, caplog: Any) -> None:
    def broken(report: Any, stopped: Any) -> None:
        raise error

    with pytest.raises(GapruneError) as raised:
        list(long_work.watched(broken, long_work.begin(None)))
    assert said in raised.value.message
    assert raised.value.hint
    assert "Traceback" in caplog.text
