"""Restoring a state of the page from an address: on opening it, on undo and redo, from a pin, the tour or a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from gaprune_viz.app import views
from gaprune_viz.app.guard import warn
from gaprune_viz.app.handlers import SLOW, follow
from gaprune_viz.app.searching import query_choices
from gaprune_viz.app.store import STORE
from gaprune_viz.app.tuning import FIELDS, settings_from, values_of
from gaprune_viz.app.url import LONGEST, analysis_at, look_query, matrix_at, params_of, settings_of, view_of
from gaprune_viz.app.views import View
from gaprune_viz.config import STARTER_DOMAINS, Settings
from gaprune_viz.errors import GapruneError

if TYPE_CHECKING:
    from gaprune_viz.app.page import Page

EXACT = "exact"
THEME = "__theme"
LONGEST_QUERY = 2_000


def restored(page: Page) -> list[Any]:
    """What an address sets; what follows from it is drawn by `refresh`, `follow` and `matrix_figure`."""
    atlas, search = page.atlas, page.retrieval
    return [
        page.view,
        page.look,
        page.sidebar.current,
        atlas.metric,
        atlas.scale,
        atlas.grouping,
        page.tab_box,
        search.task,
        search.pick,
        search.text,
        page.inside.weight.row,
        page.inside.weight.column,
        *page.tuning.controls,
    ]


def from_address(request: gr.Request, view: dict[str, Any]) -> list[Any]:
    """Set the page as the address says that it was opened with."""
    return _restore(dict(request.query_params), View.parse(view))


def go(event: gr.EventData, view: dict[str, Any]) -> list[Any]:
    """Set the page as a query says. `exact` before it means that settings it does not name are the paper's."""
    data: Any = getattr(event, "_data", None)
    query = str(data.get("query", "")) if isinstance(data, dict) else ""
    params = params_of(query)
    exact = query.startswith(f"{EXACT}&")
    return _restore(params, View.parse(view), exact=exact)


def _restore(params: dict[str, str], shown: View, *, exact: bool = False) -> list[Any]:
    """A wrong part of an address changes nothing and says why."""
    view = view_of(params, shown)
    try:
        name = analysis_at(params, shown)
        analysis = STORE.analysis(name)
        view = view.with_(analysis=name)
    except GapruneError as error:
        warn(error)
        analysis = STORE.analysis(view.analysis)
    matrices = analysis.statistics.matrices
    view = view.with_(selected=matrix_at(params.get("at", ""), matrices) or view.selected)
    try:
        settings = settings_of(params)
    except GapruneError as error:
        warn(error, "The address holds a setting that is not possible. ")
        settings = None
    if settings is None and exact:
        settings = Settings()
    values = [gr.skip()] * len(FIELDS) if settings is None else values_of(settings)
    ask, tab = params.get("ask", ""), params.get("tab", "")
    return [
        view.model_dump(),
        look_query(view, matrices),
        views.run_line(analysis, view.analysis),
        view.metric,
        view.scale,
        view.grouping,
        gr.Tabs(selected=tab[:LONGEST]) if tab else gr.skip(),
        *_search(params, analysis.run.calibration.domain, moved=view.analysis != shown.analysis),
        # A sample query and typed text at once would be two queries.
        ask[:LONGEST_QUERY] if ask else ("" if params.get("pick") else gr.skip()),
        *_weight(params.get("w", "")),
        *values,
    ]


def _weight(place: str) -> list[Any]:
    """Row and column of `12,300`."""
    row, _, column = place[:LONGEST].partition(",")
    whole = row.isdecimal() and column.isdecimal()
    return [int(row), int(column)] if whole else [gr.skip()] * 2


def _search(params: dict[str, str], domain: str, *, moved: bool) -> list[Any]:
    """The collection and the sample query that an address asks for."""
    task, pick = params.get("task", ""), params.get("pick", "")
    if not (task or pick or moved):
        return [gr.skip()] * 2
    task = task or domain
    if task not in STARTER_DOMAINS:
        return [gr.skip()] * 2
    known = pick in STORE.task(task).queries
    return [task, gr.update(choices=query_choices(task), value=pick if known else None)]


def opened(request: gr.Request, view: dict[str, Any], active: str, only: str, *rest: Any) -> list[Any]:
    """What the open tab shows, where the address asks for anything; the first paint stands as it is otherwise."""
    asked = set(request.query_params) - {THEME}
    return follow(view, active, only, *rest) if asked else [gr.skip()] * SLOW


def matrix_figure(view: dict[str, Any], *values: Any) -> Any:
    """The distributions of the selected matrix."""
    if not view["selected"]:
        return gr.skip()
    try:
        return views.detail_figure(views.live(View.parse(view), settings_from(values)), View.parse(view))
    except GapruneError:
        return gr.skip()
