"""A closed tab leaves nothing behind: neither one that was idle, nor one whose work was still going on."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gaprune_viz.app import launch
from gaprune_viz.app.session.page_closing import MOST_EVENTS, MOST_SESSIONS
from gaprune_viz.config import ServeSpec
from gaprune_viz.jobs.job_queue import LINE
from tests.app.served import Caller, open_tab, wait_for

TAB = "tab-0123456789"


@pytest.fixture(scope="module", params=[True, False], ids=["public", "private"])
def served(request: pytest.FixtureRequest, tiny_bert: Path) -> Iterator[tuple[Any, str, ServeSpec]]:
    serve = ServeSpec(public=request.param, models=("default", str(tiny_bert)))
    app, address, _ = launch(port=0, serve=serve, prevent_thread_lock=True, quiet=True)
    yield app, str(address), serve
    app.state_holder.session_data.clear()


def held(app: Any) -> tuple[bool, bool]:
    """Whether gradio still has values of the tab, and whether its queue still knows it."""
    state, queue = app.state_holder.session_data.get(TAB), app.get_blocks()._queue
    known = TAB in queue.pending_event_ids_session
    return bool(state and state.config_values), known


def test_an_idle_tab_is_let_go_with_its_figures(served: tuple[Any, str, ServeSpec]) -> None:
    app, address, serve = served
    with open_tab(address, TAB):
        caller = Caller(address, TAB)
        event = caller.event("gv-only", "input")
        assert caller.call(event, caller.values(event))["success"]
        assert held(app) == (True, True)
        state = weakref.ref(app.state_holder.session_data[TAB])
        figures = [c["props"].get("value") for c in state().components if c["type"] == "plot"]  # type: ignore[union-attr]
        assert any(figures)
        figures.clear()
    wait_for(lambda: held(app) == (False, False))
    # At home a page that lost its connection only finds its analysis again; of strangers nothing is kept.
    gc.collect()
    assert (TAB in app.state_holder.session_data) is not serve.public
    assert (state() is None) is serve.public


def test_a_tab_that_is_closed_under_its_job_is_let_go_when_the_job_has_stopped(
    served: tuple[Any, str, ServeSpec], tiny_bert: Path
) -> None:
    app, address, serve = served
    with open_tab(address, TAB):
        caller = Caller(address, TAB)
        event = caller.event("gv-run", "click")
        data = caller.values(event, gv_model=str(tiny_bert), gv_samples=400, gv_sampling="random", gv_seed=5)
        caller.join(event, data).raise_for_status()
        wait_for(lambda: LINE)
    wait_for(lambda: not LINE and held(app) == (False, False))
    assert (TAB in app.state_holder.session_data) is not serve.public
    assert not app.iterators


def test_what_is_kept_of_pages_and_events_is_bounded(served: tuple[Any, str, ServeSpec]) -> None:
    app, _, _ = served
    queue = app.get_blocks()._queue
    assert app.state_holder.capacity == MOST_SESSIONS
    assert int(MOST_EVENTS) == queue.ANALYTICS_MAX_EVENTS
