"""The kinds of events: how each is sent, how many at a time, and what becomes of those that come meanwhile."""

from __future__ import annotations

from typing import Any

from gaprune_viz.app.guard import COMPUTE
from gaprune_viz.app.line import MOST_WAITING

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
# Heavy work stands in a line of its own (`app.line`), where its place is shown; gradio's queue lets all of it in.
HEAVY: dict[str, Any] = {
    "show_progress": "hidden",
    "concurrency_id": COMPUTE,
    "concurrency_limit": MOST_WAITING,
    "api_visibility": "private",
}


def arrived(lane: str) -> dict[str, Any]:
    """What follows an event that the browser sent through a lane."""
    return {"fn": None, "js": f"() => gv.arrived('{lane}')", "api_visibility": "private", "show_progress": "hidden"}
