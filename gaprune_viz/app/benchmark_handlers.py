"""What the Benchmark tab does with tasks: say what they cost, run them, show every score as it comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from gaprune_viz.analysis import Analysis
from gaprune_viz.app import jobs
from gaprune_viz.app.heavy import Changes, Heavy, heavy_job, steps
from gaprune_viz.app.store import STORE
from gaprune_viz.app.tabs.benchmark import chosen_tasks, nothing_yet
from gaprune_viz.app.tabs.export import fresh
from gaprune_viz.app.views import View
from gaprune_viz.config import Settings
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.evaluation.benchmarks.estimate import estimate
from gaprune_viz.evaluation.benchmarks.report import frame
from gaprune_viz.evaluation.benchmarks.running import Failure, Score, run
from gaprune_viz.evaluation.benchmarks.variants import Variant, under_mask, whole
from gaprune_viz.figures import panels
from gaprune_viz.figures.benchmark import benchmark_figure, benchmark_table, estimate_text
from gaprune_viz.figures.progress import progress_html
from gaprune_viz.tables import csv_text

if TYPE_CHECKING:
    from gaprune_viz.app.page import Page

PARTIAL = "Stopped. The scores that were finished are below."


def say_cost(page: Page) -> Callable[..., Heavy]:
    """Say what the chosen tasks will cost, at the speed of the dense model of the analysis on screen.

    The speed is measured once, in line with all heavy work: texts encoded beside a calibration would get into it.
    """
    place = page.benchmark.estimate

    def handler(request: gr.Request, view: dict[str, Any], retrained: bool, *values: Any) -> Heavy:
        if not any(values):
            yield {place: nothing_yet()}
            return
        try:
            tasks = chosen_tasks(values)
            analysis = STORE.analysis(View.parse(view).analysis)
            if STORE.known_speed(analysis) is None:
                yield {place: progress_html("Measuring how fast the model reads", None)}
                flag = jobs.begin(request)
                measuring = jobs.watched(lambda report, stopped: STORE.speed(analysis), flag)
                yield from steps(measuring, flag, place)
            found = estimate(tasks, STORE.dense(analysis), 3 if retrained else 2, STORE.speed(analysis))
            yield {place: panels.notice(estimate_text(found))}
        except Cancelled:
            yield {place: ""}
        except GapruneError as error:
            yield {place: panels.error_card(error.message, error.hint)}

    return handler


def run_benchmark(page: Page) -> Callable[..., Heavy]:
    """Run the chosen tasks; what is finished is shown at once and stays, whatever happens after it."""
    tab = page.benchmark
    count = len(tab.pickers)

    def handler(request: gr.Request, view: dict[str, Any], kept: str, retrained: bool, *values: Any) -> Heavy:
        found: list[Score | Failure] = []
        shown = [0]

        def work(_: View, analysis: Analysis, settings: Settings, report: jobs.Report, stopped: Any) -> None:
            tasks = chosen_tasks(values[:count])
            report("Making the exact mask", 0, 0)
            versions = versions_of(analysis, settings, kept if retrained else "")
            found.extend(run(tasks, versions, report=report, stop=stopped))

        def live() -> Changes:
            scores = [one for one in list(found) if isinstance(one, Score)]
            if len(scores) == shown[0]:
                return {}
            shown[0] = len(scores)
            return drawn(page, scores)

        def show(_: None) -> Changes:
            failures = [one for one in found if isinstance(one, Failure)]
            said = "".join(panels.error_card(one.error.message, one.error.hint) for one in failures)
            scores = [one for one in found if isinstance(one, Score)]
            ended = {**drawn(page, scores), tab.csv: csv_of(scores)} if scores else {}
            return {**ended, tab.progress: said or panels.notice("Done.")}

        yield from heavy_job(page, tab.progress, work, show, view, values[count:], request, live=live, stopped=PARTIAL)

    return handler


def versions_of(analysis: Analysis, settings: Settings, kept: str) -> list[Variant]:
    """Dense, pruned, and the retrained model with this id.

    Raises:
        GapruneError: the retrained model is of other settings, or no longer there.
    """
    model = STORE.dense(analysis)
    masks = STORE.masks(analysis, settings).masks
    versions = [whole("dense", model), under_mask("pruned", model, STORE.scope(analysis)[1], masks, settings.key())]
    if kept:
        versions.append(whole("retrained", STORE.retrained(analysis, settings, kept), kept))
    return versions


def drawn(page: Page, scores: list[Score]) -> Changes:
    """Figure and table of some scores."""
    tab, found = page.benchmark, frame(scores)
    return {
        tab.figure: gr.update(value=benchmark_figure(found), visible=True),
        tab.table: gr.update(value=benchmark_table(found), visible=True),
    }


def csv_of(scores: list[Score]) -> Any:
    """The scores as a file to download."""
    place = fresh("benchmark.csv")
    place.write_text(csv_text(frame(scores)), encoding="utf-8")
    return gr.update(value=str(place), visible=True)
