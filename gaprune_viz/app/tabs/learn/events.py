"""What the lesson's buttons do: set the tuning bar, measure, tell, and set it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.long_work import asked, heavy_job, heavy_listener, stopping
from gaprune_viz.app.frame.tab import Wiring
from gaprune_viz.app.frame.updates import knobs
from gaprune_viz.app.session.view import View
from gaprune_viz.app.tabs.learn.layout import LearnTab
from gaprune_viz.app.tabs.learn.lesson_panel import Lesson
from gaprune_viz.app.tabs.learn.lesson_text import story_html
from gaprune_viz.app.widgets.events import ONCE, Changes, Steps, Values, listener
from gaprune_viz.config import Settings
from gaprune_viz.criteria.registry import settled
from gaprune_viz.errors import GapruneError
from gaprune_viz.jobs.works.lesson import CUT_WHOLE, FISHER_ALONE, Trial


def wire(tab: LearnTab, page: Wiring) -> None:
    """Connect the three buttons: the bar moves at once, then the work begins."""
    lesson, frame = tab.lesson, page.frame
    bar, greying = [frame.tuning.preset, *frame.tuning.all], knobs(frame)
    for button, settings in ((lesson.alone, FISHER_ALONE), (lesson.whole, CUT_WHOLE)):

        def enter(values: Values, settings: Settings = settings) -> Changes:
            return entered(lesson, frame, values, settings)

        moving = listener(enter, [*frame.state, lesson.before], [*bar, lesson.before, lesson.back], ONCE)
        measuring = heavy_listener(
            frame, step(lesson, frame, settings), lesson.progress, (), [lesson.story, lesson.whole]
        )
        moved = button.click(**moving).then(**greying).then(**page.refresh)
        moved.then(**measuring).then(**page.refresh).then(**page.follow)
    leaving = listener(lambda values: left(lesson, frame, values), [lesson.before], [*bar, lesson.before, lesson.back])
    lesson.back.click(**leaving).then(**greying).then(**page.refresh).then(**page.follow)
    lesson.stop.click(**stopping())


def entered(lesson: Lesson, frame: Frame, values: Values, settings: Settings) -> Changes:
    """The tuning bar at a step's settings; what it had before the lesson is kept."""
    changes = {frame.tuning.preset: "custom", **frame.tuning.set(settings)}
    try:
        held = frame.tuning.settings(values)
    except GapruneError:
        # What is no setting is not worth going back to.
        return changes
    if settled(held) in (FISHER_ALONE, CUT_WHOLE):
        return changes
    return {**changes, lesson.before: held.model_dump(mode="json"), lesson.back: gr.update(interactive=True)}


def left(lesson: Lesson, frame: Frame, values: Values) -> Changes:
    """The tuning bar as it was."""
    if not values[lesson.before]:
        return {}
    held = Settings.parse(values[lesson.before])
    return {**frame.tuning.set(held), lesson.before: {}, lesson.back: gr.update(interactive=False)}


def step(lesson: Lesson, frame: Frame, settings: Settings) -> Callable[..., Steps]:
    """Measure the first mask, and the second where that is the step; what is known already is not computed anew."""

    def handler(values: Values, request: gr.Request) -> Steps:
        def work(shown: View, analysis: Analysis, step_of: Settings, report: Any, stopped: Any) -> Trial:
            return asked("lesson", analysis, step_of, report, stopped, whole=step_of == CUT_WHOLE)

        def show(trial: Trial) -> Changes:
            return {lesson.story: story_html(trial), lesson.whole: gr.update(interactive=True)}

        # The step's own settings, wherever the bar has been moved meanwhile.
        yield from heavy_job(frame, lesson.progress, work, show, {**values, **frame.tuning.set(settings)}, request)

    return handler
