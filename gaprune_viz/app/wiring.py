"""Which event calls which handler. Light handlers answer sliders; heavy ones share one place in the queue."""

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
from gaprune_viz.app import run_handlers as runner
from gaprune_viz.app import runs_handlers as runs
from gaprune_viz.app import speed_handlers as speed
from gaprune_viz.app import sweep_handlers as sweeps
from gaprune_viz.app.access import visitor
from gaprune_viz.app.address import from_address, go, matrix_figure, opened, restored
from gaprune_viz.app.benchmark_wiring import wire_benchmark
from gaprune_viz.app.events import CARRIES, HEAVY, LIGHT, ONCE, arrived
from gaprune_viz.app.export_handlers import export_model
from gaprune_viz.app.page import Page
from gaprune_viz.app.sessions import closed
from gaprune_viz.app.study_handlers import wire_study
from gaprune_viz.app.tabs.runs import OPEN_JS, SURE_JS


def wire(page: Page, demo: gr.Blocks) -> None:
    """Connect every control."""
    _wire_address(page, demo)
    _wire_closing(demo)
    _wire_tuning(page)
    _wire_atlas(page)
    _wire_run(page)
    _wire_retrieval(page)
    _wire_export(page)
    _wire_data(page)
    _wire_sweep(page)
    wire_benchmark(page, LIGHT, HEAVY, _refresh(page))
    loaded = wire_study(page, LIGHT, CARRIES)
    criterion = page.tuning.controls[1]
    loaded.then(do.knobs, [criterion], list(page.tuning.controls), **LIGHT).then(**_refresh(page))
    _wire_inside(page)
    _wire_compare(page)
    _wire_runs(page)


def _wire_closing(demo: gr.Blocks) -> None:
    """A closed page leaves nothing behind."""

    def forget(request: gr.Request) -> None:
        jobs.forget(request)
        closed(demo, visitor().session, wholly=visitor().public)

    demo.unload(forget)


def _wire_address(page: Page, demo: gr.Blocks) -> None:
    """What is shown goes into the address, and comes out of it."""
    controls = list(page.tuning.controls)
    start = demo.load(from_address, [page.view], restored(page), **LIGHT)
    again = page.goto.select(  # type: ignore[attr-defined]
        go, [page.view], restored(page), **CARRIES
    )
    start.then(None, None, None, js="() => gv.begin()", api_visibility="private")
    for arrival, draw in ((start, {**_follow(page), "fn": opened}), (again, _follow(page))):
        arrival.then(do.knobs, [controls[1]], controls, **LIGHT)
        settled = arrival.then(**_refresh(page))
        settled.then(**arrived("gv-bell"))
        whole = settled.then(**draw).then(matrix_figure, [page.view, *controls], page.atlas.histogram, **LIGHT)
        whole.then(None, None, None, js="() => gv.settle()", api_visibility="private")
    browser: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    page.query.change(None, page.query, None, js="(query) => gv.write(query, 'settings')", **browser)
    page.look.change(None, page.look, None, js="(query) => gv.write(query, 'look')", **browser)
    search = page.retrieval
    for part, field in (("task", search.task), ("pick", search.pick), ("ask", search.text)):
        field.change(None, field, None, js=f"(value) => gv.part('{part}', value)", **browser)


def _moved(page: Page) -> list[Any]:
    """Whatever changes the settings by hand; `release` too, because `input` can lose a slider's last value."""
    events = [control.input for control in page.tuning.controls]
    return events + [slider.release for slider in page.tuning.sliders]


def _refresh(page: Page) -> dict[str, Any]:
    """What follows a slider; and heavy work too, because an exact mask says how far the preview was off."""
    return {
        "fn": do.refresh,
        "inputs": [page.view, *page.tuning.controls],
        "outputs": do.light_outputs(page),
        **LIGHT,
    }


def _follow(page: Page) -> dict[str, Any]:
    """What the open tab shows."""
    return {"fn": do.follow, "inputs": do.slow_inputs(page), "outputs": do.slow_outputs(page), **LIGHT}


def _wire_tuning(page: Page) -> None:
    tuning, controls = page.tuning, list(page.tuning.controls)
    refresh, follow = _refresh(page), _follow(page)
    # One after the other: a chart drawn first would hold up the headline.
    gr.on(_moved(page), **refresh).then(**follow)
    criterion = controls[1]
    criterion.input(do.knobs, [criterion], controls, **LIGHT)
    everything = [tuning.preset, *controls]
    for chain in (
        tuning.preset.input(do.load_preset, [tuning.preset], everything, **LIGHT),
        tuning.reset.click(do.reset, None, everything, **LIGHT),
    ):
        chain.then(do.knobs, [criterion], controls, **LIGHT)
        chain.then(**refresh).then(**follow)
    for tab in page.tabs:
        name = str(tab.id)
        part = "" if name == "atlas" else name
        tab.select(None, None, None, js=f"() => gv.part('tab', '{part}')", api_visibility="private")
        tab.select(lambda name=name: name, None, page.active, **LIGHT).then(**follow)


def _wire_atlas(page: Page) -> None:
    atlas, controls = page.atlas, list(page.tuning.controls)
    recolour = {
        "fn": do.recolour,
        "inputs": [page.view, atlas.metric, atlas.scale, atlas.grouping, *controls],
        "outputs": [page.view, atlas.heatmap, page.look],
    }
    gr.on([atlas.metric.input, atlas.scale.input, atlas.grouping.input], **recolour, **LIGHT)
    atlas.heatmap.select(  # type: ignore[attr-defined]
        do.select,
        [page.view, *controls],
        [page.view, atlas.heatmap, atlas.detail, atlas.histogram, page.look],
        **CARRIES,
    ).then(**arrived("gv-atlas")).then(**{**_follow(page), "fn": do.follow_selection})


def _wire_run(page: Page) -> None:
    sidebar = page.sidebar
    everything = [page.view, *runner.run_outputs(page)]
    sidebar.run.click(
        runner.run_analysis(page),
        [page.view, page.active, *sidebar.controls, *page.tuning.controls],
        everything,
        **HEAVY,
    )
    sidebar.cancel.click(jobs.stop, None, None, **LIGHT)
    sidebar.estimate.click(speed.estimate(page), list(sidebar.controls), [sidebar.progress], **HEAVY)


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
    ).then(**_refresh(page))
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
        ).then(**_refresh(page))
    tab.surprise.click(
        retrieval.surprise(page),
        [page.view, tab.task, *controls],
        [*common, tab.pick, tab.text, tab.ranking, tab.asked],
        **HEAVY,
    ).then(**_refresh(page))
    tab.measure.click(
        retrieval.measure(page),
        [page.view, tab.task, *controls],
        [*common, tab.metrics, *tab.per_query.values(), tab.per_query_table, *tab.maps.values(), tab.map_table],
        **HEAVY,
    ).then(**_refresh(page))
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
    ).then(**_refresh(page))


def _wire_export(page: Page) -> None:
    tab, controls = page.export, list(page.tuning.controls)
    tab.make.click(
        export_model(page),
        [page.view, *controls],
        [page.view, page.sidebar.current, tab.progress, tab.model],
        **HEAVY,
    ).then(**_refresh(page))
    tab.measure.click(
        speed.measure(page),
        [page.view, *controls],
        [page.view, page.sidebar.current, tab.progress, tab.speed],
        **HEAVY,
    ).then(**_refresh(page))
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
        settled = loaded.then(do.knobs, [controls[1]], controls, **LIGHT).then(**_refresh(page))
        settled.then(**arrived(str(part.elem_id)))
    compare = [tab.swept, tab.first, tab.second]
    gr.on([tab.first.input, tab.second.input], sweeps.compared, compare, tab.difference, **LIGHT)


def _wire_inside(page: Page) -> None:
    tab, controls = page.inside, list(page.tuning.controls)
    weight, follow = tab.weight, _refresh(page)
    common = [page.view, page.sidebar.current]
    seen = [*common, tab.progress, tab.picture, tab.units, tab.extremes, tab.window]
    card = [weight.box, weight.row, weight.column, weight.progress, weight.card]
    asked = [page.view, tab.what, tab.side, tab.window, *controls]
    gr.on([tab.look.click, tab.what.input, tab.side.input], inside.look(page), asked, seen, **HEAVY).then(**follow)
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
    ).then(**follow)
    tab.stop.click(jobs.stop, None, None, **LIGHT)


def _wire_compare(page: Page) -> None:
    tab, controls = page.compare, list(page.tuning.controls)
    drawn = [tab.board, tab.difference, tab.table]
    page.tuning.pin.click(
        compare.pin, [page.view, tab.pins, tab.metric, *controls], compare.outputs(page), **ONCE
    ).then(**_follow(page))
    tab.board.select(  # type: ignore[attr-defined]
        compare.drop, [tab.pins, tab.metric], compare.outputs(page), **CARRIES
    ).then(**_follow(page))
    gr.on(
        [tab.one.input, tab.other.input, tab.metric.input],
        compare.draw,
        [page.view, *tab.chosen, *controls],
        drawn,
        **LIGHT,
    )
    opened = next(t for t in page.tabs if t.id == "compare").select
    opened(compare.choices, [tab.pins], [tab.one, tab.other], **LIGHT)
    page.kinds.only.input(**_follow(page))


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
