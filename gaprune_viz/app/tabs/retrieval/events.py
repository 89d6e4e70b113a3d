"""What the Retrieval tab does: one query, the one that changed most, all of them; and again when settings move."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import gradio as gr

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.app.frame.address import settings_query
from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.long_work import asked, heavy_job, heavy_listener, stopping
from gaprune_viz.app.frame.tab import Wiring
from gaprune_viz.app.session.event_guard import session_of
from gaprune_viz.app.session.search_queries import LONGEST_QUERY
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.structures import cut_note
from gaprune_viz.app.session.view import View
from gaprune_viz.app.tabs.retrieval import live, queries
from gaprune_viz.app.tabs.retrieval.layout import RetrievalTab
from gaprune_viz.app.widgets.events import (
    CARRIES,
    HEAVY_LAST,
    LIGHT,
    Changes,
    Listener,
    Steps,
    Values,
    arrived,
    followed,
    listener,
)
from gaprune_viz.config import SIDES, Settings
from gaprune_viz.figures.kit import panels
from gaprune_viz.figures.retrieval.block_errors import block_errors_figure, block_errors_table
from gaprune_viz.figures.retrieval.geometry import geometry_html
from gaprune_viz.figures.retrieval.measures import measures_html, sides_html
from gaprune_viz.figures.retrieval.per_query import per_query_figure, per_query_table
from gaprune_viz.figures.retrieval.ranking import ranking_html
from gaprune_viz.figures.retrieval.spacemap import map_figure, map_table
from gaprune_viz.jobs.works.searching import Measured


def wire(tab: RetrievalTab, page: Wiring) -> None:
    """Connect the pickers, the buttons, and what follows a move of the settings."""
    frame, field = page.frame, [tab.pick, tab.text]
    tab.task.input(
        **listener(lambda values: queries.choose_task(tab, values[tab.task]), [tab.task], [tab.pick, tab.progress])
    )
    asking, ranked = [tab.task, *field, tab.live], [tab.ranking, tab.asked]
    comparing = heavy_listener(frame, compare_query(tab, frame), tab.progress, asking, ranked)
    gr.on([tab.compare.click, tab.text.submit], **comparing).then(**page.refresh)
    chosen = [
        tab.pick.input(**listener(lambda: {tab.text: ""}, (), [tab.text])),
        *(button.click(**_stepping(tab, by)) for button, by in tab.stepping),
        _wire_opener(tab),
    ]
    for event in chosen:
        event.then(**{**comparing, **HEAVY_LAST}).then(**page.refresh)
    tab.surprise.click(**heavy_listener(frame, surprise(tab, frame), tab.progress, [tab.task], [*field, *ranked])).then(
        **page.refresh
    )
    tab.measure.click(**heavy_listener(frame, measure(tab, frame), tab.progress, [tab.task], tab.measured)).then(
        **page.refresh
    )
    _wire_live(tab, page)
    _wire_asking(tab, page)
    tab.stop.click(**stopping())


def _stepping(tab: RetrievalTab, by: int) -> Listener:
    return listener(lambda values: queries.step(tab, values, by), [tab.task, tab.pick], [tab.pick, tab.text])


def _wire_opener(tab: RetrievalTab) -> Any:
    """A click on a bar of the chart of all queries."""

    def opened(event: gr.EventData) -> Changes:
        return queries.open_query(tab, event)

    found = tab.opener.select(  # type: ignore[attr-defined]
        **listener(opened, (), [tab.task, tab.pick, tab.text], CARRIES)
    )
    found.then(**arrived("gv-open"))
    return found


def _wire_live(tab: RetrievalTab, page: Wiring) -> None:
    """Other settings re-rank the query on screen; still others stop that, so that the last are those that are shown."""
    frame = page.frame
    frame.drawn.change(**listener(live.interrupt(frame), frame.tuning.all))
    reads = [frame.active, tab.live, tab.asked]
    frame.drawn.change(
        **heavy_listener(frame, live.rerank(tab, frame), tab.progress, reads, [tab.ranking], LIGHT)
    ).then(**page.refresh).then(**followed("ranked"))


def _wire_asking(tab: RetrievalTab, page: Wiring) -> None:
    """The chosen query is ranked at once: a part of the collection, in a fifth of the time of a comparison."""
    frame, asking = page.frame, [tab.task, tab.pick, tab.text]
    ranked = heavy_listener(
        frame, live.rerank(tab, frame), tab.progress, [frame.active, tab.live, tab.asked], [tab.ranking], LIGHT
    )
    tab.asking.select(  # type: ignore[attr-defined]
        **listener(lambda values: queries.ask(tab, values), asking, [tab.asked, tab.pick], CARRIES)
    ).then(**ranked).then(**page.refresh).then(**followed("ranked"))


def compare_query(tab: RetrievalTab, frame: Frame) -> Callable[..., Steps]:
    """One query, dense and pruned side by side: first among the dense model's best, then in the whole collection."""

    def handler(values: Values, request: gr.Request) -> Steps:
        source, pick, text = values[tab.task], values[tab.pick], values[tab.text]
        on_screen = {"source": source, "pick": pick or "", "text": text or ""}
        heard: list[tuple[Any, Analysis, Settings]] = []
        session, moved, takes_over = session_of(request), threading.Event(), threading.Event()

        def work(shown: View, analysis: Analysis, settings: Settings, report: Any, stopped: Any) -> Any:
            given = {"source": STORE.check_task(source), "pick": pick, "text": (text or "")[:LONGEST_QUERY]}
            first = lambda ranked: heard.append((ranked, analysis, settings))  # noqa: E731
            # Live mode can take over when it knows what is on screen.
            ended = lambda: stopped() or (moved.is_set() and takes_over.is_set())  # noqa: E731
            if values[tab.live]:
                live.begin(session, settings, moved)
            return asked("compare", analysis, settings, report, ended, heard=first, **given)

        def begin() -> Changes:
            if not heard:
                return {}
            if not moved.is_set():
                takes_over.set()
            return {tab.ranking: live.live_html(*heard.pop(), live.first_note), tab.asked: on_screen}

        def show(result: Any) -> Changes:
            settings = frame.tuning.settings(values)
            made, note = settings_query(settings), cut_note(settings)
            return {tab.ranking: ranking_html(*result, note=note, made_for=made), tab.asked: on_screen}

        said = "Stopped. A ranking on screen says what it is of."
        try:
            yield from heavy_job(frame, tab.progress, work, show, values, request, live=begin, stopped=said)
        finally:
            live.end(session, moved)

    return handler


def surprise(tab: RetrievalTab, frame: Frame) -> Callable[..., Steps]:
    """The sample query that pruning changed most."""

    def handler(values: Values, request: gr.Request) -> Steps:
        source = values[tab.task]

        def work(shown: View, analysis: Analysis, settings: Settings, report: Any, stopped: Any) -> Any:
            return asked("surprise", analysis, settings, report, stopped, source=STORE.check_task(source))

        def show(result: Any) -> Changes:
            query, ranking = result
            on_screen = {"source": source, "pick": query, "text": ""}
            settings = frame.tuning.settings(values)
            shown = ranking_html(*ranking, note=cut_note(settings), made_for=settings_query(settings))
            return {tab.pick: query, tab.text: "", tab.ranking: shown, tab.asked: on_screen}

        yield from heavy_job(frame, tab.progress, work, show, values, request)

    return handler


def measure(tab: RetrievalTab, frame: Frame) -> Callable[..., Steps]:
    """Every sample query of the task and of the general collection, side by side."""

    def handler(values: Values, request: gr.Request) -> Steps:
        def work(shown: View, analysis: Analysis, settings: Settings, report: Any, stopped: Any) -> Any:
            source = STORE.check_task(values[tab.task])
            return asked("sides", analysis, settings, report, stopped, source=source)

        def drawn(one: Measured) -> Any:
            return per_query_figure(one.comparison.per_query, name=one.name, source=one.source)

        def mapped(one: Measured) -> Any:
            return map_figure(one.map, f"Map of {one.name}")

        def show(found: Any) -> Changes:
            results, errors = found
            by_side: dict[str, Measured] = dict(zip(SIDES, results, strict=False))
            parts = [measures_html(r.comparison, r.name, r.mask_only) + geometry_html(r.geometry) for r in results]
            told = cut_note(frame.tuning.settings(values))
            sides = sides_html([(r.name, r.comparison, r.mask_only) for r in results], parts)
            return {
                tab.metrics: (panels.notice(told) if told else "") + sides,
                **_blocks(tab, errors),
                **{plot: _side(by_side.get(side), drawn) for side, plot in tab.per_query.items()},
                **{plot: _side(by_side.get(side), mapped) for side, plot in tab.maps.items()},
                tab.per_query_table: per_query_table({r.name: r.comparison.per_query for r in results}),
                tab.map_table: map_table({r.name: r.map for r in results}),
            }

        yield from heavy_job(frame, tab.progress, work, show, values, request)

    return handler


def _blocks(tab: RetrievalTab, errors: dict[str, list[float]] | None) -> Changes:
    """Where a refit takes the error back; nothing where there is none."""
    shown: Changes = {tab.blocks_box: gr.update(visible=errors is not None)}
    if errors is None:
        return {**shown, tab.blocks: gr.update(visible=False)}
    figure = gr.update(value=block_errors_figure(errors), visible=True)
    return {**shown, tab.blocks: figure, tab.blocks_table: block_errors_table(errors)}


def _side(one: Measured | None, draw: Callable[[Measured], Any]) -> Any:
    """A figure of one side, where there is one."""
    return gr.update(visible=False) if one is None else gr.update(value=draw(one), visible=True)
