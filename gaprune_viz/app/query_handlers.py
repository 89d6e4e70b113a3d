"""Going through the sample queries: the one before or after, and one that was clicked in a chart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from gaprune_viz.app.guard import warn
from gaprune_viz.app.searching import query_choices
from gaprune_viz.app.store import STORE
from gaprune_viz.errors import GapruneError

LONGEST = 2_000


def step(by: int) -> Callable[[str, str | None], list[Any]]:
    """The sample query `by` places on, round at the end; an empty text field, because typed text would go first."""

    def handler(source: str, pick: str | None) -> list[Any]:
        try:
            known = list(STORE.task(source).queries)
        except GapruneError as error:
            warn(error)
            return [gr.skip()] * 2
        if not known:
            return [gr.skip()] * 2
        place = known.index(pick) + by if pick in known else (0 if by > 0 else -1)
        return [known[place % len(known)], ""]

    return handler


def open_query(event: gr.EventData) -> list[Any]:
    """Task, sample query and empty text of a clicked bar. Browsers may send anything."""
    data: Any = getattr(event, "_data", None)
    data = data if isinstance(data, dict) else {}
    source, query = (str(data.get(key, ""))[:LONGEST] for key in ("source", "query"))
    try:
        if query not in STORE.task(source).queries:
            raise GapruneError("That query is not in the collection.", "Measure all sample queries again.")
        return [source, gr.update(choices=query_choices(source), value=query), ""]
    except GapruneError as error:
        warn(error)
        return [gr.skip()] * 3
