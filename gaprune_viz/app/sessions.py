"""What Gradio keeps of each page: let go of when the tab is closed.

Gradio holds the last value of every component for each of the last 10,000 sessions, for links that its own share button
makes. Figures are among them, about 1.5 MiB a session, so an open server would fill its memory.
"""

from __future__ import annotations

import gradio as gr

# Pages whose values Gradio keeps at one time; the oldest goes first.
MOST_SESSIONS = 100


def let_go(demo: gr.Blocks, session: str, *, wholly: bool) -> None:
    """Free what is held for a closed page.

    Args:
        wholly: also its state. Without it, a page that only lost its connection finds its state again.
    """
    holder = getattr(demo, "state_holder", None)
    state = holder.session_data.get(session) if holder is not None else None
    if holder is None or state is None:
        return
    state.config_values.clear()
    if wholly:
        holder.session_data.pop(session, None)
        holder.time_last_used.pop(session, None)
