"""Going through the sample queries: another collection, the query before or after, one that was clicked in a chart."""

from __future__ import annotations

import gradio as gr

from gaprune_viz.app.session.event_guard import warn
from gaprune_viz.app.session.search_queries import query_choices
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.tabs.retrieval.layout import RetrievalTab
from gaprune_viz.app.widgets.events import Changes, Values, sent_with
from gaprune_viz.errors import GapruneError
from gaprune_viz.figures.kit import panels

LONGEST = 2_000


def choose_task(tab: RetrievalTab, source: str) -> Changes:
    """Another collection to search in."""
    try:
        return {tab.pick: gr.update(choices=query_choices(source), value=None), tab.progress: ""}
    except GapruneError as error:
        return {tab.progress: panels.error_card(error.message, error.hint)}


def step(tab: RetrievalTab, values: Values, by: int) -> Changes:
    """The sample query `by` places on, round at the end; an empty text field, because typed text would go first."""
    pick = values[tab.pick]
    try:
        known = list(STORE.task(values[tab.task]).queries)
    except GapruneError as error:
        warn(error)
        return {}
    if not known:
        return {}
    place = known.index(pick) + by if pick in known else (0 if by > 0 else -1)
    return {tab.pick: known[place % len(known)], tab.text: ""}


def ask(tab: RetrievalTab, values: Values) -> Changes:
    """The query that is chosen, or else the first sample query, as the one on screen, which live mode ranks."""
    source, pick, text = values[tab.task], values[tab.pick], values[tab.text] or ""
    try:
        known = STORE.task(source).queries
    except GapruneError as error:
        warn(error)
        return {}
    if not text.strip() and pick not in known:
        pick = next(iter(known), None)
    return {tab.asked: {"source": source, "pick": pick or "", "text": text}, tab.pick: pick}


def open_query(tab: RetrievalTab, event: gr.EventData) -> Changes:
    """Task, sample query and empty text of a clicked bar. Browsers may send anything."""
    data = sent_with(event)
    source, query = (str(data.get(key, ""))[:LONGEST] for key in ("source", "query"))
    try:
        if query not in STORE.task(source).queries:
            raise GapruneError("That query is not in the collection.", "Measure all sample queries again.")
        chosen = gr.update(choices=query_choices(source), value=query)
        return {tab.task: source, tab.pick: chosen, tab.text: ""}
    except GapruneError as error:
        warn(error)
        return {}
