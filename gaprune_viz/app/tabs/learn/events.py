"""What the lesson's buttons do: set the tuning bar, measure, tell, and set it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gradio as gr

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.following import knobs
from gaprune_viz.app.frame.tab import Wiring
from gaprune_viz.app.frame.work import heavy_job, heavy_listener, stopping
from gaprune_viz.app.session import searching as search
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View
from gaprune_viz.app.tabs.learn.layout import LearnTab
from gaprune_viz.app.tabs.learn.lesson import CUT_WHOLE, FISHER_ALONE, Lesson
from gaprune_viz.app.tabs.learn.story import Searched, Trial, story_html
from gaprune_viz.app.widgets.events import ONCE, Changes, Steps, Values, listener
from gaprune_viz.config import Settings
from gaprune_viz.criteria.registry import settled
from gaprune_viz.errors import GapruneError
from gaprune_viz.masking.neurons import mlps_of, waking


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
        def work(shown: View, analysis: Analysis, asked: Settings, report: Any, stopped: Any) -> Trial:
            return tried(analysis, report, stopped, whole=asked == CUT_WHOLE)

        def show(trial: Trial) -> Changes:
            return {lesson.story: story_html(trial), lesson.whole: gr.update(interactive=True)}

        # The step's own settings, wherever the bar has been moved meanwhile.
        yield from heavy_job(frame, lesson.progress, work, show, {**values, **frame.tuning.set(settings)}, request)

    return handler


def tried(analysis: Analysis, report: Any, stopped: Any, *, whole: bool) -> Trial:
    """Search with the first mask, and with the second where `whole`."""
    source = search.collection_of(analysis)
    first = search.measure_tasks(analysis, FISHER_ALONE, [source], report, stopped)[0]
    query = search.most_changed_query(first.comparison)
    text, alone = _searched(analysis, FISHER_ALONE, first, query, report, stopped)
    losses, matrices = alone.losses, analysis.statistics.matrices
    trial = Trial(
        task=first.task.name,
        query=text,
        alone=alone,
        by_layer=losses.waking_by_layer(matrices),
        loudest=_loudest(analysis),
        neurons=bool(losses.waking),
        biased=_biased(analysis),
    )
    if not whole:
        return trial
    second = search.measure_tasks(analysis, CUT_WHOLE, [source], report, stopped)[0]
    _, cut = _searched(analysis, CUT_WHOLE, second, query, report, stopped)
    one, other = (STORE.masks(analysis, settings).masks for settings in (FISHER_ALONE, CUT_WHOLE))
    differ = sum(int((one[name] != other[name]).sum()) for name in one)
    return replace(trial, whole=cut, differ=(differ, sum(m.size for m in matrices)))


def _searched(
    analysis: Analysis, settings: Settings, measured: search.Measured, query: str, report: Any, stopped: Any
) -> tuple[str, Searched]:
    text, sides, _ = search.compare_query(analysis, settings, measured.source, query, "", report, stopped)
    table = measured.comparison.per_query
    row = table[table["qid"] == query].iloc[0].to_dict()
    scores = (float(row["dense_ndcg_at_10"]), float(row["pruned_ndcg_at_10"]))
    return text, Searched(measured.comparison, STORE.losses(analysis, settings), scores, sides)


def _loudest(analysis: Analysis) -> tuple[int, int, int, int] | None:
    """The woken neuron that keeps most outputs: layer, neuron, outputs, of how many; None where none wakes."""
    masks, matrices = STORE.masks(analysis, FISHER_ALONE).masks, analysis.statistics.matrices
    layer_of = {matrix.name: matrix.layer for matrix in matrices}
    found = []
    for down, woken in waking(masks, matrices).items():
        kept = masks[down].sum(dim=0) * woken
        neuron = int(kept.argmax())
        found.append((int(kept[neuron]), layer_of[down], neuron, len(masks[down])))
    kept, layer, neuron, of = max(found, default=(0, 0, 0, 0))
    return (layer, neuron, kept, of) if kept else None


def _biased(analysis: Analysis) -> bool:
    """Whether neurons of the scope have a bias of their own."""
    feeders = {name for mlp in mlps_of(analysis.statistics.matrices) for name in mlp.feeders}
    _, targets = STORE.scope(analysis)
    return any(getattr(target.module, "bias", None) is not None for target in targets if target.name in feeders)
