"""What the Benchmark tab does with tasks: say what they cost, run them, show every score as it comes."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.long_work import Stopped, asked, begin, heavy_job, heavy_listener, steps, stopping, watched
from gaprune_viz.app.frame.tab import Wiring
from gaprune_viz.app.session.downloads import csv_button
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View
from gaprune_viz.app.tabs.benchmark.frontier_panel import wire_frontier
from gaprune_viz.app.tabs.benchmark.layout import BenchmarkTab
from gaprune_viz.app.tabs.benchmark.retraining_events import run_retraining
from gaprune_viz.app.tabs.benchmark.task_picker import chosen_names, chosen_tasks, nothing_yet
from gaprune_viz.app.widgets.events import Changes, Steps, Values, listener
from gaprune_viz.config import Settings
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.evaluation.mteb.estimate import estimate
from gaprune_viz.evaluation.mteb.report import frame as scores_frame
from gaprune_viz.evaluation.mteb.running import Failure, Score
from gaprune_viz.figures.experiments.benchmark import benchmark_figure, benchmark_table, estimate_text
from gaprune_viz.figures.kit import panels
from gaprune_viz.figures.kit.progress import progress_html
from gaprune_viz.jobs.watched_work import Report

PARTIAL = "Stopped. The scores that were finished are below."


def wire(tab: BenchmarkTab, page: Wiring) -> None:
    """Connect the pickers, the benchmark, and the retraining panel."""
    frame, panel = page.frame, tab.training
    pickers = [tab.own.submit, tab.own.blur, tab.retrained.input, *(one.input for one in tab.groups)]
    costing = listener(say_cost(tab, frame), [*frame.state, tab.retrained, *tab.pickers], [tab.estimate])
    # What opening the tab asks for is done in the order in which it is connected: what may take long comes last.
    wire_frontier(tab.frontier, page)
    gr.on([page.tab.select, *pickers], **costing)
    reads = [panel.kept, tab.retrained, *tab.pickers]
    tab.run.click(
        **heavy_listener(frame, run_benchmark(tab, frame), tab.progress, reads, [tab.figure, tab.table, tab.csv])
    ).then(**page.refresh)
    reads = [frame.collection, panel.control, *panel.controls.values()]
    writes = [panel.loss, panel.quality, panel.table, panel.kept, tab.retrained]
    panel.run.click(**heavy_listener(frame, run_retraining(tab, frame), panel.progress, reads, writes)).then(
        **page.refresh
    )
    for stop in (tab.stop, panel.stop):
        stop.click(**stopping())


def say_cost(tab: BenchmarkTab, frame: Frame) -> Callable[..., Steps]:
    """Say what the chosen tasks will cost, at the speed of the dense model of the analysis on screen.

    The speed is measured once, in line with all heavy work: texts encoded beside a calibration would get into it.
    """
    place = tab.estimate

    def handler(values: Values, request: gr.Request) -> Steps:
        picked = [values[picker] for picker in tab.pickers]
        if not any(picked):
            yield {place: nothing_yet()}
            return
        try:
            tasks = chosen_tasks(picked)
            analysis = STORE.analysis(frame.view_of(values).analysis)
            settings = frame.tuning.settings(values)
            speed = STORE.speed(analysis)
            if speed is None:
                yield {place: progress_html("Measuring how fast the model reads", None)}
                flag = begin(request)
                job = watched(lambda report, stopped: asked("speed", analysis, settings, report, stopped), flag)
                speed = yield from steps(job, flag, place)
                STORE.keep_speed(analysis, speed)
            found = estimate(tasks, 2 + bool(values[tab.retrained]) + settings.finished, speed)
            yield {place: panels.notice(estimate_text(found))}
        except Cancelled:
            yield {place: ""}
        except GapruneError as error:
            yield {place: panels.error_card(error.message, error.hint)}

    return handler


def run_benchmark(tab: BenchmarkTab, frame: Frame) -> Callable[..., Steps]:
    """Run the chosen tasks; what is finished is shown at once and stays, whatever happens after it."""

    def handler(values: Values, request: gr.Request) -> Steps:
        found: list[Score] = []
        shown = [0]

        def work(_: View, analysis: Analysis, settings: Settings, report: Report, stopped: Stopped) -> list[Failure]:
            names = chosen_names([values[picker] for picker in tab.pickers])
            kept = (values[tab.training.kept] or "") if values[tab.retrained] else ""
            given = {"names": names, "kept": kept}
            return asked("benchmark", analysis, settings, report, stopped, heard=found.append, **given)

        def live() -> Changes:
            scores = list(found)
            if len(scores) == shown[0]:
                return {}
            shown[0] = len(scores)
            return drawn(tab, scores)

        def show(failures: list[Failure]) -> Changes:
            said = "".join(panels.error_card(one.error.message, one.error.hint) for one in failures)
            scores = list(found)
            ended: Changes = {}
            if scores:
                ended = {**drawn(tab, scores), tab.csv: csv_button("benchmark.csv", scores_frame(scores))}
            return {**ended, tab.progress: said or panels.notice("Done.")}

        yield from heavy_job(frame, tab.progress, work, show, values, request, live=live, stopped=PARTIAL)

    return handler


def drawn(tab: BenchmarkTab, scores: list[Score]) -> Changes:
    """Figure and table of some scores."""
    found = scores_frame(scores)
    return {
        tab.figure: gr.update(value=benchmark_figure(found), visible=True),
        tab.table: gr.update(value=benchmark_table(found), visible=True),
    }
