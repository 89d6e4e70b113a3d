"""The soak, scaled down: tabs that come and go leave nothing behind, and memory stays where it was."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

import pytest

from gaprune_viz.app import launch
from gaprune_viz.app.session import page_closing
from gaprune_viz.config import ServeSpec
from gaprune_viz.models.memory import release
from tests.app.served import Caller, open_tab, wait_for
from tests.reliability.load import check_answer, slider_value

ROUND = 16
# A session's figures take 1.5 MiB where nothing lets them go.
MOST_MIB_A_TAB = 0.4


def resident() -> float:
    """MiB of this process, what is free given back."""
    release()
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    assert found
    return int(found[1]) / 1024


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What closed tabs held is given back without the usual wait."""
    monkeypatch.setattr(page_closing, "RELEASE_SECONDS", 0.1)
    monkeypatch.setattr(page_closing, "LOOK_SECONDS", 0.1)


def test_tabs_that_come_and_go_leave_memory_as_it_was(at_once: None) -> None:
    serve = ServeSpec(public=True, pages_per_address=1_000)
    app, address, _ = launch(port=0, serve=serve, prevent_thread_lock=True, quiet=True)
    draw, wrong = random.Random(0), list[str]()

    def visit() -> None:
        caller = Caller(str(address), f"guest-{os.urandom(8).hex()}")
        event = caller.event("gv-sparsity", "input")
        with open_tab(str(address), caller.session):
            for _ in range(2):
                sparsity = slider_value(draw)
                wrong.extend(
                    check_answer(caller.call(event, caller.values(event, gv_sparsity=sparsity))["seen"], sparsity)
                )
        caller.http.close()

    def memory_after(tabs: int) -> float:
        for _ in range(tabs):
            visit()
        wait_for(lambda: not app.state_holder.session_data)
        return resident()

    # The first tabs fill the caches.
    first = memory_after(2 * ROUND)
    then = memory_after(ROUND)
    assert wrong == []
    assert then - first < ROUND * MOST_MIB_A_TAB, f"{first:.0f} MiB, then {then:.0f}"
