"""The kinds of events, and how a handler is tied to what it reads and writes: by component, never by position.

A handler takes `Values`, what the page holds by component, and gives `Changes`, what becomes of it by component; what
it does not name stays as it is.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from gaprune_viz.jobs.job_queue import MOST_WAITING

Values = Mapping[Any, Any]
Changes = dict[Any, Any]
Steps = Generator[Changes, None, None]
Listener = dict[str, Any]
"""Arguments of a gradio listener: `button.click(**listener)`, `.then(**listener)`, `gr.on(triggers, **listener)`."""

COMPUTE = "compute"
# What comes while an event is at work is done after it, with the values of then: the last move is never lost.
LIGHT: dict[str, Any] = {
    "show_progress": "hidden",
    "concurrency_limit": 8,
    "api_visibility": "private",
    "trigger_mode": "always_last",
}
# An event that carries data of its own: `always_last` would send the data of the one that it waited for once more. The
# browser sends one at a time (`gv.send`) and is told when the answer has come (`arrived`).
CARRIES: dict[str, Any] = {**LIGHT, "trigger_mode": "multiple"}
ONCE: dict[str, Any] = {**LIGHT, "trigger_mode": "once"}
# Heavy work stands in a line of its own (`jobs.job_queue`), where its place is shown; gradio's queue lets all of it in.
HEAVY: dict[str, Any] = {
    "show_progress": "hidden",
    "concurrency_id": COMPUTE,
    "concurrency_limit": MOST_WAITING,
    "api_visibility": "private",
}
HEAVY_LAST: dict[str, Any] = {**HEAVY, "trigger_mode": "always_last"}


def listener(
    handler: Callable[..., Any], reads: Iterable[Any] = (), writes: Iterable[Any] = (), kind: Mapping[str, Any] = LIGHT
) -> Listener:
    """What ties a handler to components.

    Args:
        handler: takes `Values` where it reads anything, then `gr.Request` or an event's data where it asks for them;
            gives `Changes`, or yields them.
        reads: whose values it gets.
        writes: what its changes may name.
        kind: one of the kinds above.
    """
    places = list(dict.fromkeys(writes))
    seen = set(reads)
    return {"fn": _whole(handler, places), "inputs": seen or None, "outputs": places or None, **kind}


def _whole(handler: Callable[..., Any], places: list[Any]) -> Callable[..., Any]:
    """The same handler, its empty changes spelt out: gradio would take `{}` for a value. Its signature stays."""

    def whole(changes: Changes | None) -> Changes | None:
        return (changes or {places[0]: gr.skip()}) if places else None

    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def steps(*values: Any, **named: Any) -> Generator[Any, None, None]:
            work = handler(*values, **named)
            try:
                for changes in work:
                    yield whole(changes)
            finally:
                work.close()

        return steps

    @functools.wraps(handler)
    def once(*values: Any, **named: Any) -> Any:
        return whole(handler(*values, **named))

    return once


def report_progress_on(demo: gr.Blocks, component: Component) -> None:
    """Have gradio tell one component how far each event is, in place of all that the event writes.

    Our events hide gradio's progress. The browser would still, at each step of each event, look up every component that
    any event has written and hand it that state: half a second of a page's opening, and most of what a move cost it.
    """
    for event in demo.fns.values():
        event.show_progress_on = [component]


def script(code: str, reads: Any = None, writes: Any = None) -> Listener:
    """What the browser does by itself."""
    return {
        "fn": None,
        "inputs": reads,
        "outputs": writes,
        "js": code,
        "api_visibility": "private",
        "show_progress": "hidden",
    }


def arrived(lane: str) -> Listener:
    """What follows an event that the browser sent through a lane."""
    return script(f"() => gv.arrived('{lane}')")


def followed(what: str) -> Listener:
    """What follows when all that a move asked for is on screen: `drawn` the open tab, `ranked` the query on screen."""
    return script(f"() => gv.followed('{what}')")


def sent_with(event: gr.EventData) -> dict[str, Any]:
    """The data of an event, where it is an object. Browsers may send anything."""
    data: Any = getattr(event, "_data", None)
    return data if isinstance(data, dict) else {}
