"""What the Retrieval tab does: one query, the one that changed most, all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from gaprune_viz.analysis import Analysis
from gaprune_viz.app import searching as search
from gaprune_viz.app.heavy import Changes, Heavy, heavy_job
from gaprune_viz.app.views import View
from gaprune_viz.config import SIDES, Settings
from gaprune_viz.figures.geometry import geometry_html
from gaprune_viz.figures.measures import metrics_html, sides_html
from gaprune_viz.figures.per_query import per_query_figure, per_query_table
from gaprune_viz.figures.ranking import ranking_html
from gaprune_viz.figures.spacemap import map_figure, map_table

if TYPE_CHECKING:
    from gaprune_viz.app.page import Page


def compare_query(page: Page) -> Callable[..., Heavy]:
    """One query, dense and pruned side by side."""
    tab = page.retrieval

    def handler(request: gr.Request, view: dict[str, Any], source: str, pick: str, text: str, *values: Any) -> Heavy:
        def work(shown: View, analysis: Analysis, settings: Settings, report: Any, stopped: Any) -> Any:
            return search.compare_query(analysis, settings, source, pick, text or "", report, stopped)

        def show(result: Any) -> Changes:
            asked = {"source": source, "pick": pick or "", "text": text or ""}
            return {tab.ranking: ranking_html(*result), tab.asked: asked}

        yield from heavy_job(page, tab.progress, work, show, view, values, request)

    return handler


def surprise(page: Page) -> Callable[..., Heavy]:
    """The sample query that pruning changed most."""
    tab = page.retrieval

    def handler(request: gr.Request, view: dict[str, Any], source: str, *values: Any) -> Heavy:
        def work(shown: View, analysis: Analysis, settings: Settings, report: Any, stopped: Any) -> Any:
            measured = search.measure_tasks(analysis, settings, [source], report, stopped)[0]
            query = search.most_changed_query(measured.comparison)
            return query, search.compare_query(analysis, settings, source, query, "", report, stopped)

        def show(result: Any) -> Changes:
            query, ranking = result
            asked = {"source": source, "pick": query, "text": ""}
            return {tab.pick: query, tab.text: "", tab.ranking: ranking_html(*ranking), tab.asked: asked}

        yield from heavy_job(page, tab.progress, work, show, view, values, request)

    return handler


def _side(one: search.Measured | None, draw: Callable[[search.Measured], Any]) -> Any:
    """A figure of one side, where there is one."""
    return gr.update(visible=False) if one is None else gr.update(value=draw(one), visible=True)


def measure(page: Page) -> Callable[..., Heavy]:
    """Every sample query of the task and of the general collection, side by side."""
    tab = page.retrieval

    def handler(request: gr.Request, view: dict[str, Any], source: str, *values: Any) -> Heavy:
        def work(shown: View, analysis: Analysis, settings: Settings, report: Any, stopped: Any) -> Any:
            return search.measure_tasks(analysis, settings, search.both_sides(analysis, source), report, stopped)

        def drawn(one: search.Measured) -> Any:
            return per_query_figure(one.comparison.per_query, name=one.task.name, source=one.source)

        def mapped(one: search.Measured) -> Any:
            return map_figure(one.map, f"Map of {one.task.name}")

        def show(results: Any) -> Changes:
            by_side: dict[str, search.Measured] = dict(zip(SIDES, results, strict=False))
            parts = (metrics_html(r.comparison, r.task.name) + geometry_html(r.geometry) for r in results)
            return {
                tab.metrics: sides_html([(r.task.name, r.comparison) for r in results], list(parts)),
                **{plot: _side(by_side.get(side), drawn) for side, plot in tab.per_query.items()},
                **{plot: _side(by_side.get(side), mapped) for side, plot in tab.maps.items()},
                tab.per_query_table: per_query_table({r.task.name: r.comparison.per_query for r in results}),
                tab.map_table: map_table({r.task.name: r.map for r in results}),
            }

        yield from heavy_job(page, tab.progress, work, show, view, values, request)

    return handler
