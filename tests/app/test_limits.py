"""A job of a page has a place in line and an end, and a page and an address have so many of them."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from gaprune_viz.app.frame import long_work
from gaprune_viz.app.session.access import Access, Visitor, visit
from gaprune_viz.app.session.limits import Limits, Window
from gaprune_viz.config import ServeSpec
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.jobs.job_queue import LINE, Line
from tests.app.served import ANN, BOB, wait_for


def test_a_page_has_one_job_and_an_address_a_few() -> None:
    line, access = Line(), Access(ServeSpec(public=True, pages_per_address=2))
    first = line.draw(Visitor(access, ANN, "10.0.0.1").owner)
    with pytest.raises(GapruneError, match="waiting or running already"):
        line.draw(Visitor(access, ANN, "10.0.0.1").owner)
    second = line.draw(Visitor(access, BOB, "10.0.0.1").owner)
    with pytest.raises(GapruneError, match="from this address"):
        line.draw(Visitor(access, "eve-0123456789", "10.0.0.1").owner)
    assert (line.ahead(first), line.ahead(second)) == (0, 1)
    line.leave(first)
    line.leave(first)
    assert line.ahead(second) == 0


def test_a_waiting_job_says_its_place_and_can_leave() -> None:
    release = threading.Event()
    running = long_work.watched(lambda report, stopped: release.wait(20), long_work.begin(None))
    thread = threading.Thread(target=lambda: list(running))
    thread.start()
    wait_for(lambda: len(LINE) == 1)
    request: Any = SimpleNamespace(session_hash=BOB)
    waiting = long_work.watched(lambda report, stopped: 1, long_work.begin(request))
    assert next(waiting).stage == "Waiting: 1 job is ahead of this one"
    long_work.stop(request)
    with pytest.raises(Cancelled):
        next(waiting)
    assert len(LINE) == 1
    release.set()
    thread.join()
    wait_for(lambda: not LINE)


def test_a_job_has_an_end() -> None:
    access = Access(ServeSpec(public=True, job_seconds=5).model_copy(update={"job_seconds": 0}))

    def endless(report: Any, stopped: Any) -> None:
        while not stopped():
            report("Working", 1, 2)

    with visit(Visitor(access, ANN)), pytest.raises(GapruneError, match="longer than the 0 s"):
        list(long_work.watched(endless, threading.Event()))
    wait_for(lambda: not LINE)


def test_limits_count_pages_and_addresses() -> None:
    now = [0.0]
    window = Window(2, 60, lambda: now[0])
    for _ in range(2):
        assert window.wait("a") == 0
        window.take("a")
    assert (window.wait("a"), window.wait("b")) == (60, 0)
    now[0] = 61
    assert window.wait("a") == 0
    limits = Limits(ServeSpec(public=True, jobs_per_hour=1, pages_per_address=2), lambda: now[0])
    access = Access(ServeSpec(public=True))
    for session in ("one", "two"):
        limits.take(Visitor(access, session, "10.0.0.1"), heavy=True)
    with pytest.raises(GapruneError, match="try again in"):
        limits.take(Visitor(access, "three", "10.0.0.1"), heavy=True)
    limits.take(Visitor(access, "three", "10.0.0.2"), heavy=True)
    for _ in range(9_999):
        Limits(ServeSpec()).take(Visitor(access, "one"), heavy=True)
