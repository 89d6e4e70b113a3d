"""Heavy work of a page: progress at its place, a stop flag, and the earlier state where it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import gradio as gr

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.session.access import visitor
from gaprune_viz.app.session.event_guard import session_of, warn
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View, run_line
from gaprune_viz.app.widgets.events import HEAVY, Changes, Listener, Steps, Values, listener
from gaprune_viz.calibration.progress import Progress
from gaprune_viz.config import RunSpec, Settings
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.figures.kit import panels
from gaprune_viz.figures.kit.progress import progress_html
from gaprune_viz.jobs import process, watched_work, zerogpu
from gaprune_viz.jobs.eta import Eta
from gaprune_viz.jobs.watched_work import Report, Work
from gaprune_viz.jobs.works.work_context import quiet
from gaprune_viz.storage.workspace import clean, workspace

Stopped = Callable[[], bool]
UNCHANGED = "Stopped. What was on screen is unchanged."


def begin(request: gr.Request | None) -> threading.Event:
    """A fresh stop flag for the work that this page starts now."""
    return watched_work.begin(session_of(request))


def stop(request: gr.Request) -> None:
    """Ask all work of this page to stop."""
    watched_work.stop(session_of(request))


def stopping() -> Listener:
    """What a stop button does."""
    return listener(stop)


def watched(work: Work[Any], flag: threading.Event) -> Generator[Progress, None, Any]:
    """`jobs.watched_work.watched` for whoever asks."""
    return watched_work.watched(work, flag, visitor().owner)


def steps(
    work: Generator[Progress, None, Any], flag: Any, place: Any, live: Callable[[], Changes] | None = None
) -> Generator[Changes, None, Any]:
    """Run a generator of progress, showing each step and what `live` gives; what the generator returns is returned."""
    eta = Eta()
    try:
        while True:
            if flag.is_set():
                raise Cancelled
            step = next(work)
            known = step.fraction if step.total > 1 else None
            yield {place: progress_html(step.stage, known, eta.told(step)), **_known(live)}
    except StopIteration as end:
        return end.value
    finally:
        work.close()


def analysis_of(run: RunSpec) -> Work[Path]:
    """The work of one analysis, in a process of its own.

    Raises:
        GapruneError: this server does not do such runs.
    """
    visitor().check_run(run)

    def work(report: Report, stopped: Stopped) -> Path:
        STORE.check_model(run.model)
        if zerogpu.available():
            making: Generator[Progress, None, Any] = zerogpu.analysis(run)
        else:
            making = process.analysis(run, stopped, gives_way=visitor().public)
        folder = Path(watched_work.driven(making, report, stopped))
        clean(workspace(), keep=folder, largest=visitor().access.spec.workspace_bytes)
        return folder

    return work


def asked(
    work: str,
    analysis: Analysis,
    settings: Settings,
    report: Report,
    stopped: Stopped,
    *,
    heard: Callable[[Any], None] = quiet,
    **values: Any,
) -> Any:
    """Have a work of `jobs.works.registry` done by the process that computes; what it returns is returned.

    What it has found out about exact masks is known to the page afterwards. That this visitor may read what `values`
    name has to be seen to before.

    Args:
        heard: called with each part of the result that is there before the end.
        values: what the work is given beside the analysis and the settings, as JSON has them.

    Raises:
        GapruneError: the visitor may not use the model; what the work raises; or the system ended the process.
        Cancelled: `stopped` said so.
    """
    STORE.check_model(analysis.run.model)
    given = {"analysis": str(analysis.folder), "settings": settings.model_dump(mode="json"), **values}
    making = process.lasting(work, given, stopped, gives_way=visitor().public, heard=heard)
    result, found = watched_work.driven(making, report, stopped)
    STORE.count(found)
    return result


def full(
    frame: Frame, view: View, flag: Any, place: Any, *, exact: bool = False
) -> Generator[Changes, None, tuple[View, Analysis]]:
    """The analysis with statistics of every weight; where it holds a sketch only, its run is made first.

    Args:
        exact: whether they must be as they were measured: the bundled analysis has compact ones.
    """
    analysis = STORE.analysis(view.analysis)
    if analysis.statistics.exact or (not exact and _near(analysis)):
        return view, analysis
    folder = yield from steps(watched(analysis_of(analysis.run), flag), flag, place)
    view = view.with_(analysis=visitor().admit(folder))
    analysis = STORE.analysis(view.analysis)
    yield {frame.view: view.model_dump(), frame.sidebar.current: run_line(analysis, view.analysis)}
    return view, analysis


def _near(analysis: Analysis) -> bool:
    """Whether there are compact statistics. Where they were altered, this is said, and the run is made instead."""
    if not analysis.statistics.has_tensors:
        return False
    try:
        analysis.statistics.check_compact()
    except GapruneError as error:
        warn(GapruneError(error.message, "The analysis is computed instead."))
        return False
    return True


def heavy_job(
    frame: Frame,
    place: Any,
    work: Callable[[View, Analysis, Settings, Report, Stopped], Any],
    show: Callable[[Any], Changes],
    values: Values,
    request: gr.Request,
    *,
    live: Callable[[], Changes] | None = None,
    stopped: str = UNCHANGED,
    exact: bool = False,
) -> Steps:
    """Heavy work on the full analysis with progress at `place`; `show` turns its result into changes.

    Args:
        exact: as for `full`.
        live: asked at every step, and when the work ends early, what of it can be shown already.
        stopped: what to say when the person stopped it.
    """
    flag = begin(request)
    yield {place: progress_html("Starting", None)}
    try:
        settings = frame.tuning.settings(values)
        shown, analysis = yield from full(frame, frame.view_of(values), flag, place, exact=exact)
        job = watched(lambda report, stopped: work(shown, analysis, settings, report, stopped), flag)
        result = yield from steps(job, flag, place, live)
        yield {place: "", **show(result)}
    except Cancelled:
        yield {**_known(live), place: panels.notice(stopped)}
    except GapruneError as error:
        yield {**_known(live), place: panels.error_card(error.message, error.hint)}


def heavy_listener(
    frame: Frame,
    handler: Callable[..., Steps],
    place: Any,
    reads: Iterable[Any] = (),
    writes: Iterable[Any] = (),
    kind: dict[str, Any] = HEAVY,
) -> Listener:
    """What ties a handler that ends in `heavy_job` to components: those that the work itself reads and writes, too."""
    changed = [frame.view, frame.sidebar.current, place, *writes]
    return listener(handler, [*frame.state, *reads], changed, kind)


def _known(live: Callable[[], Changes] | None) -> Changes:
    return live() if live is not None else {}
