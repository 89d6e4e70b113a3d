"""Which event of a tab calls which handler."""

from __future__ import annotations

from typing import Any

import gradio as gr

from gaprune_viz.app import compare_handlers as compare
from gaprune_viz.app import data_handlers as data
from gaprune_viz.app import handlers as do
from gaprune_viz.app import inside_handlers as inside
from gaprune_viz.app import jobs, live
from gaprune_viz.app import query_handlers as queries
from gaprune_viz.app import retrieval_handlers as retrieval
from gaprune_viz.app import runs_handlers as runs
from gaprune_viz.app import speed_handlers as speed
from gaprune_viz.app import sweep_handlers as sweeps
from gaprune_viz.app.events import CARRIES, HEAVY, LIGHT, ONCE, arrived
from gaprune_viz.app.export_handlers import export_model
from gaprune_viz.app.following import follow, refresh
from gaprune_viz.app.page import Page
from gaprune_viz.app.tabs.runs import OPEN_JS, SURE_JS


def wire_tabs(page: Page) -> None:
    """Connect the controls of the tabs that need no more than the page."""
    _wire_retrieval(page)
    _wire_export(page)
    _wire_data(page)
    _wire_sweep(page)
    _wire_inside(page)
    _wire_compare(page)
    _wire_runs(page)


def _wire_retrieval(page: Page) -> None:
    tab, controls = page.retrieval, list(page.tuning.controls)
    tab.task.input(do.choose_task, [tab.task], [tab.pick, tab.progress], **LIGHT)
    common = [page.view, page.sidebar.current, tab.progress]
    gr.on(
        [tab.compare.click, tab.text.submit],
        retrieval.compare_query(page),
        [page.view, tab.task, tab.pick, tab.text, *controls],
        [*common, tab.ranking, tab.asked],
        **HEAVY,
    ).then(**refresh(page))
    field = [tab.pick, tab.text]
    back, ahead = (button.click(queries.step(by), [tab.task, tab.pick], field, **LIGHT) for button, by in tab.stepping)
    opened = tab.opener.select(queries.open_query, None, [tab.task, *field], **CARRIES)  # type: ignore[attr-defined]
    opened.then(**arrived("gv-open"))
    for chosen in (tab.pick.input(lambda: "", None, tab.text, **LIGHT), back, ahead, opened):
        chosen.then(
            retrieval.compare_query(page),
            [page.view, tab.task, tab.pick, tab.text, *controls],
            [*common, tab.ranking, tab.asked],
            **{**HEAVY, "trigger_mode": "always_last"},
        ).then(**refresh(page))
    tab.surprise.click(
        retrieval.surprise(page),
        [page.view, tab.task, *controls],
        [*common, tab.pick, tab.text, tab.ranking, tab.asked],
        **HEAVY,
    ).then(**refresh(page))
    tab.measure.click(
        retrieval.measure(page),
        [page.view, tab.task, *controls],
        [*common, tab.metrics, *tab.per_query.values(), tab.per_query_table, *tab.maps.values(), tab.map_table],
        **HEAVY,
    ).then(**refresh(page))
    _wire_live(page, common)
    tab.stop.click(jobs.stop, None, None, **LIGHT)


def _wire_live(page: Page, common: list[Any]) -> None:
    """Other settings re-rank the query on screen; still others stop that, so that the last are those that are shown.

    `page.query` changes whenever the settings do, whatever changed them.
    """
    tab, controls = page.retrieval, list(page.tuning.controls)
    page.query.change(live.interrupt, controls, None, **LIGHT)
    page.query.change(
        live.rerank(page),
        [page.view, page.active, tab.live, tab.asked, *controls],
        [*common, tab.ranking],
        **LIGHT,
    ).then(**refresh(page))


def _wire_export(page: Page) -> None:
    tab, controls = page.export, list(page.tuning.controls)
    tab.make.click(
        export_model(page),
        [page.view, *controls],
        [page.view, page.sidebar.current, tab.progress, tab.model],
        **HEAVY,
    ).then(**refresh(page))
    tab.measure.click(
        speed.measure(page),
        [page.view, *controls],
        [page.view, page.sidebar.current, tab.progress, tab.speed],
        **HEAVY,
    ).then(**refresh(page))
    tab.stop.click(jobs.stop, None, None, **LIGHT)


def _wire_data(page: Page) -> None:
    model = page.sidebar.controls[0]
    for side, tab in page.data.items():
        shown = [*tab.columns, tab.report, tab.rows, tab.use]
        tab.upload.upload(data.on_upload, [tab.upload, model], shown, **LIGHT)
        tab.upload.clear(data.on_clear, None, shown, **LIGHT)
        gr.on(
            [column.input for column in tab.columns],
            data.on_columns,
            [tab.upload, model, *tab.columns],
            [tab.report, tab.rows, tab.use],
            **LIGHT,
        )
        source, columns = page.sidebar.source(side)
        tab.use.click(data.on_use, [tab.upload, *tab.columns], [source, columns, tab.report], **LIGHT)


def _wire_sweep(page: Page) -> None:
    tab, controls = page.sweep, list(page.tuning.controls)
    tab.kind.input(sweeps.show_kind, [tab.kind], [tab.rows, tab.values, tab.columns, tab.about], **LIGHT)
    tab.run.click(
        sweeps.run_sweep(page),
        [page.view, page.retrieval.task, tab.kind, tab.rows, tab.values, tab.columns, *controls],
        [page.view, page.sidebar.current, *sweeps.outputs(page)],
        **HEAVY,
    )
    tab.stop.click(jobs.stop, None, None, **LIGHT)
    chosen = {"inputs": [tab.swept, tab.second], "outputs": sweeps.load_outputs(page), **CARRIES}
    for part in (*tab.maps.values(), tab.table):
        clicked = sweeps.clicked_row if part is tab.table else sweeps.clicked_cell
        loaded = part.select(clicked, **chosen)  # type: ignore[attr-defined]
        settled = loaded.then(do.knobs, [controls[1]], controls, **LIGHT).then(**refresh(page))
        settled.then(**arrived(str(part.elem_id)))
    compare = [tab.swept, tab.first, tab.second]
    gr.on([tab.first.input, tab.second.input], sweeps.compared, compare, tab.difference, **LIGHT)


def _wire_inside(page: Page) -> None:
    tab, controls = page.inside, list(page.tuning.controls)
    weight, after = tab.weight, refresh(page)
    common = [page.view, page.sidebar.current]
    seen = [*common, tab.progress, tab.picture, tab.units, tab.extremes, tab.window]
    card = [weight.box, weight.row, weight.column, weight.progress, weight.card]
    asked = [page.view, tab.what, tab.side, tab.window, *controls]
    gr.on([tab.look.click, tab.what.input, tab.side.input], inside.look(page), asked, seen, **HEAVY).then(**after)
    tab.out.click(inside.out(page), asked, seen, **HEAVY)
    clicked = tab.picture.select  # type: ignore[attr-defined]
    clicked(inside.click(page), asked, [*seen, *card], **HEAVY)
    again = {**HEAVY, "trigger_mode": "always_last"}
    shown = next(t for t in page.tabs if t.id == "inside").select
    gr.on([shown, page.query.change], inside.follow(page), [page.active, *asked], seen, **again)
    tab.extremes.select(inside.explain_line(page), [page.view, tab.extremes, *controls], [*common, *card], **HEAVY)
    gr.on(
        [weight.explain.click, weight.row.submit, weight.column.submit],
        inside.explain(page),
        [page.view, weight.row, weight.column, *controls],
        [*common, weight.progress, weight.card],
        **HEAVY,
    ).then(**after)
    tab.stop.click(jobs.stop, None, None, **LIGHT)


def _wire_compare(page: Page) -> None:
    tab, controls = page.compare, list(page.tuning.controls)
    drawn = [tab.board, tab.difference, tab.table]
    page.tuning.pin.click(
        compare.pin, [page.view, tab.pins, tab.metric, *controls], compare.outputs(page), **ONCE
    ).then(**follow(page))
    tab.board.select(  # type: ignore[attr-defined]
        compare.drop, [tab.pins, tab.metric], compare.outputs(page), **CARRIES
    ).then(**follow(page))
    gr.on(
        [tab.one.input, tab.other.input, tab.metric.input],
        compare.draw,
        [page.view, *tab.chosen, *controls],
        drawn,
        **LIGHT,
    )
    opened = next(t for t in page.tabs if t.id == "compare").select
    opened(compare.choices, [tab.pins], [tab.one, tab.other], **LIGHT)
    page.kinds.only.input(**follow(page))


def _wire_runs(page: Page) -> None:
    tab = page.runs
    listed = [tab.pick, tab.table]
    words = [tab.name, tab.note]
    opened = next(t for t in page.tabs if t.id == "runs").select
    opened(runs.opened, [tab.pick, page.view], [*listed, *words], **LIGHT)
    tab.table.select(runs.clicked, None, [tab.pick, *words], **CARRIES)
    tab.pick.input(runs.chosen, [tab.pick], words, **LIGHT)
    tab.open.click(None, [tab.pick], None, js=OPEN_JS, api_visibility="private")
    tab.save.click(runs.save, [tab.pick, tab.name, tab.note], [tab.said, *listed], **ONCE)
    tab.delete.click(runs.delete, [tab.pick, page.view], [tab.said, *listed], js=SURE_JS, **ONCE)
