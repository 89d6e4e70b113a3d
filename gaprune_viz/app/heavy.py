"""Heavy work of a page: progress at its place, a stop flag, and the earlier state where it fails."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from gaprune_viz import isolated
from gaprune_viz.analysis import Analysis
from gaprune_viz.app import jobs, views, zerogpu
from gaprune_viz.app.access import visitor
from gaprune_viz.app.store import STORE
from gaprune_viz.app.tuning import settings_from
from gaprune_viz.app.views import View
from gaprune_viz.config import RunSpec, Settings
from gaprune_viz.core.calibration import Progress
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.figures import panels
from gaprune_viz.figures.progress import progress_html
from gaprune_viz.workspace import clean, workspace

if TYPE_CHECKING:
    from gaprune_viz.app.page import Page

Changes = dict[Any, Any]
Heavy = Generator[Changes, None, None]
UNCHANGED = "Stopped. What was on screen is unchanged."


def steps(
    work: Generator[Progress, None, Any], flag: Any, place: Any, live: Callable[[], Changes] | None = None
) -> Generator[Changes, None, Any]:
    """Run a generator of progress, showing each step and what `live` gives; what the generator returns is returned."""
    try:
        while True:
            if flag.is_set():
                raise Cancelled
            step = next(work)
            known = step.fraction if step.total > 1 else None
            yield {place: progress_html(step.stage, known, step.eta), **_known(live)}
    except StopIteration as end:
        return end.value
    finally:
        work.close()


def analysis_of(run: RunSpec) -> jobs.Work[Any]:
    """The work of one analysis, in a process of its own.

    Raises:
        GapruneError: this server does not do such runs.
    """
    visitor().check_run(run)

    def work(report: jobs.Report, stopped: Callable[[], bool]) -> Path:
        STORE.hand_over(run.model)
        if zerogpu.available():
            steps = zerogpu.analysis(run)
        else:
            steps = isolated.analysis(run, stopped, gives_way=visitor().public)
        folder = Path(jobs.driven(steps, report, stopped))
        clean(workspace(), keep=folder, largest=visitor().access.spec.workspace_bytes)
        return folder

    return work


def full(page: Page, view: View, flag: Any, place: Any) -> Generator[Changes, None, tuple[View, Analysis]]:
    """The analysis with all its tensors: the bundled demo holds a sketch only, so its run is made first."""
    analysis = STORE.analysis(view.analysis)
    if analysis.statistics.has_tensors:
        return view, analysis
    folder = yield from steps(jobs.watched(analysis_of(analysis.run), flag), flag, place)
    view = view.with_(analysis=visitor().admit(folder))
    analysis = STORE.analysis(view.analysis)
    yield {page.view: view.model_dump(), page.sidebar.current: views.run_line(analysis, view.analysis)}
    return view, analysis


def heavy_job(
    page: Page,
    place: Any,
    work: Callable[[View, Analysis, Settings, jobs.Report, Callable[[], bool]], Any],
    show: Callable[[Any], Changes],
    view: dict[str, Any],
    values: tuple[Any, ...],
    request: gr.Request,
    *,
    live: Callable[[], Changes] | None = None,
    stopped: str = UNCHANGED,
) -> Heavy:
    """Heavy work on the full analysis with progress at `place`; `show` turns its result into changes.

    Args:
        live: asked at every step, and when the work ends early, what of it can be shown already.
        stopped: what to say when the person stopped it.
    """
    flag = jobs.begin(request)
    yield {place: progress_html("Starting", None)}
    try:
        settings = settings_from(values)
        shown, analysis = yield from full(page, View.parse(view), flag, place)
        watching = jobs.watched(lambda report, stopped: work(shown, analysis, settings, report, stopped), flag)
        result = yield from steps(watching, flag, place, live)
        yield {place: "", **show(result)}
    except Cancelled:
        yield {**_known(live), place: panels.notice(stopped)}
    except GapruneError as error:
        yield {**_known(live), place: panels.error_card(error.message, error.hint)}


def _known(live: Callable[[], Changes] | None) -> Changes:
    return live() if live is not None else {}
