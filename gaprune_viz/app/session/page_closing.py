"""What Gradio keeps of each page: let go of when the tab is closed.

Gradio holds the last value of every component for each of the last 10,000 sessions, for links that its own share button
makes. Figures are among them, about 1.5 MiB a session, so an open server would fill its memory.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import gradio as gr

from gaprune_viz.models.memory import release

# Pages whose values Gradio keeps at one time; the oldest goes first.
MOST_SESSIONS = 100
# Events that Gradio remembers for a table that nobody asks for here, made anew after every event.
MOST_EVENTS = "100"
# Memory is given back for all pages that were closed in this time at once: it holds everybody up for a moment.
RELEASE_SECONDS = 10.0
# Work of a closed page ends at its next batch: what it leaves is looked for this long, every so often.
LONGEST_END = 60.0
LOOK_SECONDS = 0.5


def keep_few_events() -> None:
    """Bound what Gradio counts of all events; called before its queue is made, which reads these variables."""
    os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", MOST_EVENTS)
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000000")


def closed(demo: gr.Blocks, session: str, *, wholly: bool) -> None:
    """Free what is held for a closed page, now and once more when its last event has ended.

    An event that was on its way makes Gradio build the session anew, and nothing would ever close that one.

    Args:
        wholly: also its state. Without it, a page that only lost its connection finds its state again.
    """
    let_go(demo, session, wholly=wholly)
    threading.Thread(target=_when_quiet, args=(demo, session, wholly), daemon=True).start()


def let_go(demo: gr.Blocks, session: str, *, wholly: bool) -> None:
    """Free what is held for a page."""
    holder = getattr(demo, "state_holder", None)
    state = holder.session_data.get(session) if holder is not None else None
    if holder is None or state is None:
        return
    state.config_values.clear()
    if wholly:
        holder.session_data.pop(session, None)
        holder.time_last_used.pop(session, None)


def _when_quiet(demo: gr.Blocks, session: str, wholly: bool) -> None:
    queue: Any = demo._queue
    until = time.monotonic() + LONGEST_END
    busy = True
    while busy and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
        busy = any(event.session_hash == session for event in list(queue.event_ids_to_events.values()))
    let_go(demo, session, wholly=wholly)
    queue.pending_event_ids_session.pop(session, None)
    if wholly and session in queue.pending_messages_per_session:
        del queue.pending_messages_per_session[session]
    _release_soon()


_releasing = threading.Lock()


def _release_soon() -> None:
    """Give memory back after a while, once for all that ask for it until then."""
    if not _releasing.acquire(blocking=False):
        return
    time.sleep(RELEASE_SECONDS)
    _releasing.release()
    release()
