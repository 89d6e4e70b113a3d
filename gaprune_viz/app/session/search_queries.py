"""What is searched: the queries of a collection, and which collections belong to an analysis."""

from __future__ import annotations

from gaprune_viz.app.session.store import STORE

LONGEST_QUERY = 2_000


def query_choices(source: str) -> list[tuple[str, str]]:
    """(text, id) of the sample queries of a task."""
    return [(text, qid) for qid, text in STORE.task(source).queries.items()]
