"""Live re-ranking: while a query is on screen, a slider's move ranks the dense model's best passages anew.

A move that asks for other settings stops the re-ranking under way; what was on screen stays until the next is whole.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import gradio as gr

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.app.frame.address import settings_query
from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.long_work import asked, heavy_job
from gaprune_viz.app.session.event_guard import session_of
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.structures import cut_words
from gaprune_viz.app.session.view import View, mask_words
from gaprune_viz.app.tabs.retrieval.layout import RetrievalTab
from gaprune_viz.app.widgets.events import Changes, Steps, Values
from gaprune_viz.config import Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.figures.kit.formatting import percent
from gaprune_viz.figures.retrieval.ranking import ranking_html

_running: dict[str, tuple[str, threading.Event]] = {}
_lock = threading.Lock()


def interrupt(frame: Frame) -> Callable[..., None]:
    """Stop this page's re-ranking where the controls ask for other settings by now."""

    def handler(values: Values, request: gr.Request) -> None:
        with _lock:
            key, flag = _running.get(session_of(request), ("", None))
        if flag is None:
            return
        try:
            if frame.tuning.settings(values).key() == key:
                return
        except GapruneError:
            # What is no setting has no ranking either.
            pass
        flag.set()

    return handler


def begin(session: str, settings: Settings, moved: threading.Event) -> None:
    """From here on `moved` is set where this page's controls come to ask for other settings."""
    with _lock:
        _running[session] = (settings.key(), moved)


def end(session: str, moved: threading.Event) -> None:
    """From here on it is not."""
    with _lock:
        if _running.get(session, ("", None))[1] is moved:
            del _running[session]


def rerank(tab: RetrievalTab, frame: Frame) -> Callable[..., Steps]:
    """Re-rank the query on screen under the settings of the controls; nothing where there is none."""

    def handler(values: Values, request: gr.Request) -> Steps:
        on_screen = values[tab.asked]
        if not values[tab.live] or values[frame.active] != "retrieval" or not on_screen:
            yield {}
            return
        moved, session = threading.Event(), session_of(request)

        def work(shown: View, analysis: Analysis, settings: Settings, report: Any, stopped: Any) -> Any:
            begin(session, settings, moved)
            STORE.check_task(on_screen["source"])
            ended = lambda: stopped() or moved.is_set()  # noqa: E731
            # Finishing a cut takes far longer than a move: live ranks it as it is cut.
            ranked = settings.mask_only if settings.structure.whole else settings
            return analysis, settings, asked("rerank", analysis, ranked, report, ended, asked=on_screen)

        def show(result: Any) -> Changes:
            analysis, settings, ranked = result
            return {tab.ranking: live_html(ranked, analysis, settings, live_note)}

        try:
            yield from heavy_job(frame, tab.progress, work, show, values, request)
        finally:
            end(session, moved)

    return handler


def live_html(ranked: Any, analysis: Analysis, settings: Settings, note: Callable[..., str]) -> str:
    """The dense model's best passages, ranked anew.

    Args:
        note: `live_note` or `first_note`.
    """
    told = note(ranked.sides.passages, settings, mask_words(analysis))
    made = settings_query(settings)
    refitted = settings.refit.refit and not settings.structure.whole
    return ranking_html(*ranked, note=told, refitted=refitted, made_for=made)


def live_note(count: int, settings: Settings, mask_of: str) -> str:
    """What a live ranking is, and what it is not.

    Args:
        mask_of: `mask_words` of the analysis.
    """
    ranked = settings.mask_only if settings.structure.whole else settings
    return (
        f"Live: {_reranked(count, ranked, mask_of)}. Passages beyond them cannot come in; press Compare to search "
        "the whole collection."
    )


def first_note(count: int, settings: Settings, mask_of: str) -> str:
    """The same of what is on screen until a comparison has read the whole collection."""
    return (
        f"First {_reranked(count, settings, mask_of)}. Passages beyond them come in when the whole collection has been "
        "read with that model."
    )


def _reranked(count: int, settings: Settings, mask_of: str) -> str:
    mask = settings.mask
    if settings.structure.whole:
        finished = "finished as the settings ask" if settings.finished else "as it is cut"
        return f"the dense top {count} re-ranked by the smaller model {finished}, {cut_words(settings)}"
    cut = percent(mask.sparsity) if mask.pattern == "unstructured" else mask.pattern
    refit = ", refitted" if settings.refit.refit else ""
    return f"the dense top {count} re-ranked under the {mask_of} at {cut}{refit}"
