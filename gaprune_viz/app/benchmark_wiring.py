"""Which event of the Benchmark tab calls which handler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from gaprune_viz.app import benchmark_handlers as benchmarks
from gaprune_viz.app import jobs
from gaprune_viz.app import retrain_handlers as retraining

if TYPE_CHECKING:
    from gaprune_viz.app.page import Page


def wire_benchmark(page: Page, light: dict[str, Any], heavy: dict[str, Any], refresh: dict[str, Any]) -> None:
    """Connect the tab.

    Args:
        light, heavy: options of an event that answers at once, and of one that stands in line.
        refresh: what follows heavy work, because an exact mask says how far the preview was off.
    """
    tab, panel, controls = page.benchmark, page.benchmark.training, list(page.tuning.controls)
    opened = next(one for one in page.tabs if one.id == "benchmark")
    gr.on(
        [opened.select, tab.own.submit, tab.own.blur, tab.retrained.input, *(one.input for one in tab.groups)],
        benchmarks.say_cost(page),
        [page.view, tab.retrained, *tab.pickers],
        tab.estimate,
        **light,
    )
    common = [page.view, page.sidebar.current]
    tab.run.click(
        benchmarks.run_benchmark(page),
        [page.view, panel.kept, tab.retrained, *tab.pickers, *controls],
        [*common, tab.progress, tab.figure, tab.table, tab.csv],
        **heavy,
    ).then(**refresh)
    panel.run.click(
        retraining.run_retraining(page),
        [page.view, page.retrieval.task, panel.control, *panel.controls, *controls],
        [*common, panel.progress, panel.loss, panel.quality, panel.table, panel.kept, tab.retrained],
        **heavy,
    ).then(**refresh)
    for stop in (tab.stop, panel.stop):
        stop.click(jobs.stop, None, None, **light)
