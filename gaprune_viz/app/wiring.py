"""Which event calls which handler. Light handlers answer sliders; heavy ones share one place in the queue."""

from __future__ import annotations

from typing import Any

import gradio as gr

from gaprune_viz.app import handlers as do
from gaprune_viz.app import jobs
from gaprune_viz.app import run_handlers as runner
from gaprune_viz.app import speed_handlers as speed
from gaprune_viz.app.access import visitor
from gaprune_viz.app.address import from_address, go, matrix_figure, opened, restored
from gaprune_viz.app.benchmark_wiring import wire_benchmark
from gaprune_viz.app.events import CARRIES, HEAVY, LIGHT, arrived
from gaprune_viz.app.following import follow, refresh
from gaprune_viz.app.page import Page
from gaprune_viz.app.sessions import closed
from gaprune_viz.app.study_handlers import wire_study
from gaprune_viz.app.tab_wiring import wire_tabs


def wire(page: Page, demo: gr.Blocks) -> None:
    """Connect every control."""
    _wire_address(page, demo)
    _wire_closing(demo)
    _wire_tuning(page)
    _wire_atlas(page)
    _wire_run(page)
    wire_tabs(page)
    wire_benchmark(page, LIGHT, HEAVY, refresh(page))
    loaded = wire_study(page, LIGHT, CARRIES)
    criterion = page.tuning.controls[1]
    loaded.then(do.knobs, [criterion], list(page.tuning.controls), **LIGHT).then(**refresh(page))


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
    for arrival, draw in ((start, {**follow(page), "fn": opened}), (again, follow(page))):
        arrival.then(do.knobs, [controls[1]], controls, **LIGHT)
        settled = arrival.then(**refresh(page))
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


def _wire_tuning(page: Page) -> None:
    tuning, controls = page.tuning, list(page.tuning.controls)
    moved, drawn = refresh(page), follow(page)
    # One after the other: a chart drawn first would hold up the headline.
    gr.on(_moved(page), **moved).then(**drawn)
    criterion = controls[1]
    criterion.input(do.knobs, [criterion], controls, **LIGHT)
    everything = [tuning.preset, *controls]
    for chain in (
        tuning.preset.input(do.load_preset, [tuning.preset], everything, **LIGHT),
        tuning.reset.click(do.reset, None, everything, **LIGHT),
    ):
        chain.then(do.knobs, [criterion], controls, **LIGHT)
        chain.then(**moved).then(**drawn)
    for tab in page.tabs:
        name = str(tab.id)
        part = "" if name == "atlas" else name
        tab.select(None, None, None, js=f"() => gv.part('tab', '{part}')", api_visibility="private")
        tab.select(lambda name=name: name, None, page.active, **LIGHT).then(**drawn)


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
    ).then(**arrived("gv-atlas")).then(**{**follow(page), "fn": do.follow_selection})


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
