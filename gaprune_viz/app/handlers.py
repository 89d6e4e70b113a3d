"""What follows a slider, a preset, a click in the atlas: light work, its values in the order of the outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from gaprune_viz.app import compare_handlers, views
from gaprune_viz.app import searching as search
from gaprune_viz.app.access import visitor
from gaprune_viz.app.guard import warn
from gaprune_viz.app.reproduce import python_text, shell_text
from gaprune_viz.app.tabs.atlas import selected_from
from gaprune_viz.app.tabs.export import write_settings, write_table
from gaprune_viz.app.tabs.learn import live_formula
from gaprune_viz.app.tuning import CUSTOM, interactive_updates, preset_of, settings_from, values_of
from gaprune_viz.app.url import look_query, settings_query
from gaprune_viz.app.views import View
from gaprune_viz.errors import GapruneError
from gaprune_viz.figures import panels
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
