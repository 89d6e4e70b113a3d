"""How fast and how large the pruned model is here, and what a run will take before it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from gaprune_viz.analysis import Analysis
from gaprune_viz.app import jobs, views
from gaprune_viz.app.access import visitor
from gaprune_viz.app.heavy import Changes, Heavy, heavy_job, steps
from gaprune_viz.app.sidebar import run_from
from gaprune_viz.app.tabs.export import exported
from gaprune_viz.app.views import View
from gaprune_viz.config import RunSpec, Settings
from gaprune_viz.data.starter import starter_passages
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.figures import panels
from gaprune_viz.figures.plan import plan_html
from gaprune_viz.figures.progress import progress_html
from gaprune_viz.figures.speed import speed_html
from gaprune_viz.pipeline import predict
from gaprune_viz.speed import TEXTS, measure_speed

if TYPE_CHECKING:
    from gaprune_viz.app.page import Page
    from gaprune_viz.core.plan import Plan


def measure(page: Page) -> Callable[..., Heavy]:
    """Encode the same texts with the dense and the pruned model, in turn."""
    tab = page.export

    def handler(request: gr.Request, view: dict[str, Any], *values: Any) -> Heavy:
        def work(shown: View, analysis: Analysis, settings: Settings, report: Any, stopped: Any) -> dict[str, Any]:
            place = exported(views.live(shown, settings), report)

            def tick(done: int, total: int) -> None:
                report("Encoding", done, total)
                if stopped():
                    raise Cancelled

            texts = [passage.text for passage in starter_passages("general")[:TEXTS]]
            return measure_speed(place, texts, tick=tick)

        def show(found: dict[str, Any]) -> Changes:
            return {tab.speed: speed_html(found)}

        yield from heavy_job(page, tab.progress, work, show, view, values, request)

    return handler


def estimate(page: Page) -> Callable[..., Heavy]:
    """What the run that the sidebar describes will take."""
    side = page.sidebar

    def handler(request: gr.Request, *values: Any) -> Heavy:
        flag = jobs.begin(request)
        yield {side.progress: progress_html("Estimating", None)}
        try:
            found = yield from steps(jobs.watched(_planned(run_from(values)), flag), flag, side.progress)
            yield {side.progress: plan_html(found)}
        except Cancelled:
            yield {side.progress: panels.notice("Stopped.")}
        except GapruneError as error:
            yield {side.progress: panels.error_card(error.message, error.hint)}

    return handler


def _planned(run: RunSpec) -> jobs.Work[Plan]:
    """The work of one estimate.

    Raises:
        GapruneError: this server does not do such runs.
    """
    visitor().check_run(run)

    def work(report: jobs.Report, stopped: Callable[[], bool]) -> Plan:
        visitor().check_model(run.model)
        report("Estimating", 0, 0)
        return predict(run, timed=True)

    return work
