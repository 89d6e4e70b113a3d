"""Who asks while something is prepared waits for it, and is known to wait."""

from __future__ import annotations

import threading

import pytest

from gaprune_viz.errors import Cancelled
from gaprune_viz.jobs.preloading import Preparation


def test_nobody_waits_where_nothing_is_prepared() -> None:
    preparation = Preparation()
    assert list(preparation.waited(lambda: False, 60)) == []
    assert not preparation.is_awaited()


def test_who_waits_is_told_until_it_is_over() -> None:
    preparation, seen = Preparation(), threading.Event()

    def wait() -> None:
        for _ in preparation.waited(lambda: False, 0.01):
            assert preparation.is_awaited()
            seen.set()

    with preparation.under_way():
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert seen.wait(10)
    waiting.join(10)
    assert not waiting.is_alive() and not preparation.is_awaited()


def test_who_stops_waits_no_more() -> None:
    preparation = Preparation()
    with preparation.under_way():
        with pytest.raises(Cancelled):
            list(preparation.waited(lambda: True, 0.01))
        assert not preparation.is_awaited()


def test_a_preparation_that_failed_is_over() -> None:
    preparation = Preparation()
    with pytest.raises(ZeroDivisionError), preparation.under_way():
        raise ZeroDivisionError
    assert list(preparation.waited(lambda: False, 60)) == []
