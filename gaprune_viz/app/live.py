"""Live re-ranking: while a query is on screen, a slider's move ranks the dense model's best passages anew.

A move that asks for other settings stops the re-ranking under way; what was on screen stays until the next is whole.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from gaprune_viz.analysis import Analysis
from gaprune_viz.app.heavy import Changes, Heavy, heavy_job
from gaprune_viz.app.searching import Asked, rerank_query
from gaprune_viz.app.tuning import settings_from
from gaprune_viz.app.views import View
from gaprune_viz.config import Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.figures.formatting import percent
from gaprune_viz.figures.ranking import ranking_html

if TYPE_CHECKING:
    from gaprune_viz.app.page import Page

_running: dict[str, tuple[str, threading.Event]] = {}
_lock = threading.Lock()


def _page_of(request: gr.Request | None) -> str:
    return str(getattr(request, "session_hash", None) or "direct")


def interrupt(request: gr.Request, *values: Any) -> None:
    """Stop this page's re-ranking where the controls ask for other settings by now."""
    with _lock:
        key, flag = _running.get(_page_of(request), ("", None))
    if flag is None:
        return
    try:
        if settings_from(values).key() == key:
            return
    except GapruneError:
        # What is no setting has no ranking either.
        pass
    flag.set()


def rerank(page: Page) -> Callable[..., Heavy]:
    """Re-rank the query on screen under the settings of the controls; nothing where there is none."""
    tab = page.retrieval

    def handler(
        request: gr.Request, view: dict[str, Any], active: str, wanted: bool, asked: Asked, *values: Any
    ) -> Heavy:
        if not wanted or active != "retrieval" or not asked:
            yield {tab.progress: gr.skip()}
            return
        moved, session = threading.Event(), _page_of(request)

        def work(shown: View, analysis: Analysis, settings: Settings, report: Any, stopped: Any) -> Any:
            with _lock:
                _running[session] = (settings.key(), moved)
            return settings, rerank_query(analysis, settings, asked, report, lambda: stopped() or moved.is_set())

        def show(result: Any) -> Changes:
            settings, (query, sides) = result
            return {tab.ranking: ranking_html(query, sides, note=live_note(sides.passages, settings))}

        try:
            yield from heavy_job(page, tab.progress, work, show, view, values, request)
        finally:
            with _lock:
                if _running.get(session, ("", None))[1] is moved:
                    del _running[session]

    return handler


def live_note(count: int, settings: Settings) -> str:
    """What a live ranking is, and what it is not."""
    mask = settings.mask
    cut = percent(mask.sparsity) if mask.pattern == "unstructured" else mask.pattern
    return (
        f"Live: the dense top {count} re-ranked under the exact mask at {cut}. Passages beyond them cannot come in; "
        "press Compare to search the whole collection."
    )
