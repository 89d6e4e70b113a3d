"""Run an analysis, and show it: the one on screen stays until the new one is whole. And what a run will take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from gaprune_viz.app.frame.address import look_query
from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.long_work import Stopped, analysis_of, begin, steps, stopping, watched
from gaprune_viz.app.frame.summary_row import headline_html
from gaprune_viz.app.frame.updates import Following
from gaprune_viz.app.session.access import visitor
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import Shown, run_line
from gaprune_viz.app.widgets.events import HEAVY, Changes, Steps, Values, listener
from gaprune_viz.calibration.memory_plan import Plan
from gaprune_viz.config import RefitSpec, RunSpec
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.figures.cost_estimate import plan_html
from gaprune_viz.figures.kit import panels
from gaprune_viz.figures.kit.progress import progress_html
from gaprune_viz.jobs import process
from gaprune_viz.jobs.watched_work import Report, Work, driven

DRAWN = ("at_once", "open", "on_matrix", "on_run")
"""What tabs draw of a new analysis; of `open` only the open tab."""


def run_analysis(frame: Frame, following: Following) -> Callable[..., Steps]:
    """Run the analysis that the sidebar describes."""
    side = frame.sidebar

    def handler(values: Values, request: gr.Request) -> Steps:
        flag = begin(request)
        idle = {side.run: gr.update(interactive=True), side.cancel: gr.update(interactive=False)}
        yield {
            side.run: gr.update(interactive=False),
            side.cancel: gr.update(interactive=True),
            side.progress: progress_html("Starting", None),
        }
        try:
            run = side.run_of(values)
            settings = frame.tuning.settings(values)
            folder = yield from steps(watched(analysis_of(run), flag), flag, side.progress)
            name = visitor().admit(folder)
            notes = STORE.analysis(name).statistics.document["notes"]
            shown = Shown(frame.view_of(values).with_(analysis=name), settings, values)
            done = panels.notice(f"Done. {' '.join(notes[:3])}")
            yield {**idle, side.progress: done, **on_screen(following, shown)}
        except Cancelled:
            text = "Cancelled. The analysis on screen is the one from before."
            yield {**idle, side.progress: panels.notice(text)}
        except GapruneError as error:
            yield {**idle, side.progress: panels.error_card(error.message, error.hint)}

    return handler


def on_screen(following: Following, shown: Shown) -> Changes:
    """Everything that a new analysis draws; what hidden tabs show is drawn when they are opened."""
    frame, analysis = following.frame, STORE.analysis(shown.view.analysis)
    changes: Changes = {
        frame.view: shown.view.model_dump(),
        frame.look: look_query(shown.view, analysis.statistics.matrices),
        frame.sidebar.current: run_line(analysis, shown.view.analysis),
    }
    try:
        now = shown.now
    except GapruneError as error:
        # Such settings as another model can have and this one cannot: the analysis is there all the same.
        return {**changes, frame.headline: panels.error_card(error.message, error.hint)}
    changes |= {frame.headline: headline_html(now), **frame.timing.follow(now)}
    for placed in following.tabs:
        for kind in DRAWN:
            if kind != "open" or placed.tab.name == shown.values[frame.active]:
                changes |= placed.draw(kind, shown)
    return changes


def estimate(frame: Frame) -> Callable[..., Steps]:
    """What the run that the sidebar describes will take, and the refit, where the tuning bar has it on."""
    side = frame.sidebar

    def handler(values: Values, request: gr.Request) -> Steps:
        flag = begin(request)
        yield {side.progress: progress_html("Estimating", None)}
        try:
            work = _planned(side.run_of(values), frame.tuning.settings(values).refit)
            found, more = yield from steps(watched(work, flag), flag, side.progress)
            yield {side.progress: plan_html(found, more)}
        except Cancelled:
            yield {side.progress: panels.notice("Stopped.")}
        except GapruneError as error:
            yield {side.progress: panels.error_card(error.message, error.hint)}

    return handler


def _planned(run: RunSpec, refit: RefitSpec) -> Work[tuple[Plan, str]]:
    """The work of one estimate: of the run, and in a sentence of the refit.

    Raises:
        GapruneError: this server does not do such runs.
    """
    visitor().check_run(run)

    def work(report: Report, stopped: Stopped) -> tuple[Plan, str]:
        STORE.check_model(run.model)
        given = {"run": run.model_dump(mode="json"), "refit": refit.model_dump(mode="json")}
        return driven(process.lasting("plan", given, stopped, gives_way=visitor().public), report, stopped)[0]

    return work


def wire_run(frame: Frame, following: Following) -> None:
    """Run, cancel, and what it will take."""
    side = frame.sidebar
    reads = [*frame.state, frame.active, *side.all]
    writes: list[Any] = [side.run, side.cancel, side.progress, side.current, frame.view, frame.look, frame.headline]
    writes += frame.timing.writes
    for placed in following.tabs:
        for kind in DRAWN:
            reads += placed.reads(kind)
            writes += placed.writes(kind)
    side.run.click(**listener(run_analysis(frame, following), reads, writes, HEAVY))
    side.cancel.click(**stopping())
    side.estimate.click(**listener(estimate(frame), [*side.all, *frame.tuning.all], [side.progress], HEAVY))
