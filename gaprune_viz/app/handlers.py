"""What the page does when something is clicked or moved.

Light handlers return values in the order of their outputs. Heavy ones are generators that yield dictionaries of the
components that change, stop when the page's flag is set, and leave what was there where they fail.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from gaprune_viz.app import compare_handlers, jobs, views
from gaprune_viz.app import searching as search
from gaprune_viz.app.access import visitor
from gaprune_viz.app.guard import warn
from gaprune_viz.app.heavy import Changes, Heavy, analysis_of, heavy_job, steps
from gaprune_viz.app.reproduce import python_text, shell_text
from gaprune_viz.app.sidebar import run_from
from gaprune_viz.app.store import STORE
from gaprune_viz.app.tabs.atlas import selected_from
from gaprune_viz.app.tabs.export import (
    exported,
    write_settings,
    write_table,
    zipped,
)
from gaprune_viz.app.tabs.learn import live_formula
from gaprune_viz.app.tuning import CUSTOM, interactive_updates, preset_of, settings_from, values_of
from gaprune_viz.app.url import look_query, settings_query
from gaprune_viz.app.views import View
from gaprune_viz.config import SIDES, STARTER_DOMAINS, Settings
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.figures import panels
from gaprune_viz.figures.geometry import geometry_html
from gaprune_viz.figures.progress import progress_html
from gaprune_viz.figures.retrieval import metrics_html, per_query_figure, per_query_table, ranking_html, sides_html
from gaprune_viz.figures.spacemap import map_figure, map_table
from gaprune_viz.pipeline import Analysis
from gaprune_viz.presets import preset
from gaprune_viz.saved import find_preset

if TYPE_CHECKING:
    from gaprune_viz.app.page import Page

TUNED = 12
SLOW = 18


def light_outputs(page: Page) -> list[Any]:
    """What follows a slider at once."""
    return [page.tuning.preset, page.headline, page.atlas.heatmap, page.atlas.detail, page.query]


def refresh(view: dict[str, Any], *values: Any) -> list[Any]:
    """Answer a slider at once: figures, sentence, heatmap, the selected matrix."""
    try:
        settings = settings_from(values)
        shown = View.parse(view)
        now = views.live(shown, settings)
        return [
            preset_of(settings),
            views.headline_html(now),
            views.atlas_html(now, shown),
            views.detail_html(now, shown),
            settings_query(settings),
        ]
    except GapruneError as error:
        return [gr.skip(), panels.error_card(error.message, error.hint), *[gr.skip()] * 3]


def slow_outputs(page: Page) -> list[Any]:
    """What follows a slider where it is in sight."""
    tab = page.export
    return [
        *page.plots,
        page.atlas.profile,
        page.atlas.table,
        page.atlas.overlaps,
        tab.table,
        tab.settings,
        tab.shell,
        tab.python,
        page.formula,
        page.kinds.figure,
        page.kinds.table,
        page.compare.difference,
        page.compare.table,
        page.atlas.reasons,
    ]


def slow_inputs(page: Page) -> list[Any]:
    """What the tabs read beside the settings."""
    return [page.view, page.active, page.kinds.only, *page.compare.chosen, *page.tuning.controls]


def follow(view: dict[str, Any], active: str, only: str, *rest: Any) -> list[Any]:
    """Redraw what the open tab shows; the other tabs are redrawn when they are opened."""
    skip: list[Any] = [gr.skip()] * SLOW
    chosen, values = rest[:-TUNED], rest[-TUNED:]
    try:
        settings = settings_from(values)
        shown = View.parse(view)
        now = views.live(shown, settings)
    except GapruneError:
        # `refresh` shows the error; what is drawn here stays.
        return skip
    out = list(skip)
    if active == "distributions":
        out[:5] = [*views.distribution_figures(now), views.scatter_figure(now, shown, only)]
        out[13:15] = [views.kinds_figure_of(now, shown, only), views.kinds_html(now, shown, only)]
    elif active == "atlas":
        out[5:8] = [views.profile_figure(now), views.matrix_table(now), views.overlap_table(now)]
        out[17] = views.reasons_html(now)
    elif active == "export":
        run = now.analysis.run
        out[8:12] = [write_table(now), write_settings(now), shell_text(run, settings), python_text(run, settings)]
    elif active == "learn":
        out[12] = live_formula(now, shown)
    elif active == "compare":
        out[15:17] = compare_handlers.follow(view, chosen, values)
    return out


def follow_selection(view: dict[str, Any], active: str, only: str, *rest: Any) -> list[Any]:
    """Redraw a tab that was opened before the matrix selected in the atlas was known; the atlas itself shows it."""
    return [gr.skip()] * SLOW if active == "atlas" else follow(view, active, only, *rest)


def knobs(criterion_name: str) -> list[Any]:
    """Grey out what the criterion does not read."""
    try:
        return interactive_updates(criterion_name)
    except KeyError:
        return [gr.skip()] * TUNED


def load_preset(name: str) -> list[Any]:
    """All controls at once; `custom` changes nothing."""
    if name == CUSTOM:
        return [gr.skip()] * (TUNED + 1)
    try:
        found = preset(name) if visitor().public else find_preset(name)
    except GapruneError as error:
        warn(error)
        return [gr.skip()] * (TUNED + 1)
    return [name, *values_of(found.settings)]


def reset() -> list[Any]:
    """Back to the paper."""
    return load_preset("paper")


def recolour(view: dict[str, Any], metric: str, scale: str, grouping: str, *values: Any) -> list[Any]:
    """Another metric, scale or grouping in the atlas."""
    shown = View.parse({**view, "metric": metric, "scale": scale, "grouping": grouping})
    try:
        settings = settings_from(values)
        now = views.live(shown, settings)
        return [
            shown.model_dump(),
            views.atlas_html(now, shown),
            look_query(shown, now.analysis.statistics.matrices),
        ]
    except GapruneError as error:
        return [gr.skip(), panels.error_card(error.message, error.hint), gr.skip()]


def select(event: gr.EventData, view: dict[str, Any], *values: Any) -> list[Any]:
    """Another matrix; everything below the heatmap follows."""
    shown = View.parse(view)
    name = selected_from(event, shown)
    if name is None:
        return [gr.skip()] * 5
    shown = shown.with_(selected=name)
    now = views.live(shown, settings_from(values))
    return [
        shown.model_dump(),
        views.atlas_html(now, shown),
        views.detail_html(now, shown),
        views.detail_figure(now, shown),
        look_query(shown, now.analysis.statistics.matrices),
    ]


def choose_task(source: str) -> list[Any]:
    """Another collection to search in."""
    try:
        return [gr.update(choices=search.query_choices(source), value=None), ""]
    except GapruneError as error:
        return [gr.skip(), panels.error_card(error.message, error.hint)]


def run_outputs(page: Page) -> list[Any]:
    """What a new analysis changes."""
    side, atlas = page.sidebar, page.atlas
    return [
        side.run,
        side.cancel,
        side.progress,
        side.current,
        page.look,
        page.headline,
        atlas.heatmap,
        atlas.reasons,
        atlas.detail,
        atlas.histogram,
        atlas.profile,
        atlas.table,
        atlas.overlaps,
        *page.plots,
        page.retrieval.task,
        page.retrieval.pick,
    ]


def run_analysis(page: Page) -> Callable[..., Heavy]:
    """Run the analysis that the sidebar describes; the one on screen stays until the new one is whole."""
    side = page.sidebar

    def handler(request: gr.Request, view: dict[str, Any], active: str, *values: Any) -> Heavy:
        flag = jobs.begin(request)
        count = len(side.controls)
        idle = {side.run: gr.update(interactive=True), side.cancel: gr.update(interactive=False)}
        yield {
            side.run: gr.update(interactive=False),
            side.cancel: gr.update(interactive=True),
            side.progress: progress_html("Starting", None),
        }
        try:
            run = run_from(values[:count])
            settings = settings_from(values[count:])
            folder = yield from steps(jobs.watched(analysis_of(run), flag), flag, side.progress)
            name = visitor().admit(folder)
            notes = STORE.analysis(name).statistics.document["notes"]
            shown = View.parse({**view, "analysis": name})
            done = panels.notice(f"Done. {' '.join(notes[:3])}")
            yield {**idle, side.progress: done, **_shown(page, shown, settings)}
        except Cancelled:
            text = "Cancelled. The analysis on screen is the one from before."
            yield {**idle, side.progress: panels.notice(text)}
        except GapruneError as error:
            yield {**idle, side.progress: panels.error_card(error.message, error.hint)}

    return handler


def _shown(page: Page, view: View, settings: Settings) -> Changes:
    """Everything that a new analysis draws."""
    now = views.live(view, settings)
    atlas = page.atlas
    changes: Changes = {
        page.view: view.model_dump(),
        page.look: look_query(view, now.analysis.statistics.matrices),
        page.sidebar.current: views.run_line(now.analysis, view.analysis),
        page.headline: views.headline_html(now),
        atlas.heatmap: views.atlas_html(now, view),
        atlas.reasons: views.reasons_html(now),
        atlas.detail: views.detail_html(now, view),
        atlas.histogram: views.detail_figure(now, view),
        atlas.profile: views.profile_figure(now),
        atlas.table: views.matrix_table(now),
        atlas.overlaps: views.overlap_table(now),
        **dict(
            zip(page.plots, [*views.distribution_figures(now), views.scatter_figure(now, view, "scope")], strict=True)
        ),
    }
    domain = now.analysis.run.calibration.domain
    if domain in STARTER_DOMAINS:
        changes[page.retrieval.task] = domain
        changes[page.retrieval.pick] = gr.update(choices=search.query_choices(domain), value=None)
    return changes


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


def export_model(page: Page) -> Callable[..., Heavy]:
    """Write the pruned model and offer it as one file."""
    tab = page.export

    def handler(request: gr.Request, view: dict[str, Any], *values: Any) -> Heavy:
        def work(shown: View, analysis: Analysis, settings: Settings, report: Any, stopped: Any) -> str:
            place = exported(views.live(shown, settings), report)
            report("Packing", 0, 0)
            return zipped(place)

        def show(path: str) -> Changes:
            text = "The pruned model is ready to download."
            return {tab.model: gr.update(value=path, interactive=True), tab.progress: panels.notice(text)}

        yield from heavy_job(page, tab.progress, work, show, view, values, request)

    return handler
