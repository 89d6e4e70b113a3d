"""The works by name: each is a function of a desk and of values that JSON has.

Nearly all begin with the folder of an analysis and with settings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gaprune_viz.analysis.cost_estimate import outlined, predict
from gaprune_viz.analysis.sources.alignment import SourceAlignment, source_alignment
from gaprune_viz.calibration.memory_plan import Plan
from gaprune_viz.config import RefitSpec, RetrainSpec, RunSpec, Settings
from gaprune_viz.evaluation.mteb.estimate import Speed
from gaprune_viz.evaluation.mteb.running import Failure
from gaprune_viz.evaluation.timing.latency_curve import Curve
from gaprune_viz.experiments.cost_estimate import Foreseen
from gaprune_viz.experiments.registry import EXPERIMENTS
from gaprune_viz.jobs.works import benchmarking, exporting, lesson, matrix_window, searching
from gaprune_viz.jobs.works.memory_cache import KEPT
from gaprune_viz.jobs.works.work_context import Desk
from gaprune_viz.pruning.refit.cost_estimate import foresee
from gaprune_viz.sketch.inspection import Window

Given = dict[str, Any]


def _prepare(desk: Desk, analysis: str) -> None:
    searching.prepare(KEPT.analysis(analysis))
    # So that the page need not open the model for it when somebody chooses a structure.
    KEPT.outline(KEPT.analysis(analysis))


def _foresee(desk: Desk, analysis: str) -> None:
    searching.foresee(KEPT.analysis(analysis), desk.report, desk.stopped)


def _plan(desk: Desk, run: Given, refit: Given) -> tuple[Plan, str]:
    desk.report("Estimating", 0, 0)
    asked, spec = RunSpec.model_validate(run), RefitSpec.model_validate(refit)
    outline = outlined(asked)
    found = predict(asked, timed=True, outline=outline)
    return found, foresee(asked, spec, outline).sentence if spec.refit else ""


def _experiment_plan(desk: Desk, name: str, spec: Given) -> Foreseen:
    desk.report("Estimating", 0, 0)
    chosen = EXPERIMENTS[name]
    return chosen.foresee(chosen.spec.parse(spec))


def _compare(desk: Desk, analysis: str, settings: Given, source: str, pick: str | None, text: str) -> searching.Ranked:
    on = _on(analysis, settings)
    return searching.compare_query(*on, source, pick, text, desk.report, desk.stopped, desk.tell)


def _rerank(desk: Desk, analysis: str, settings: Given, asked: dict[str, str]) -> searching.Ranked:
    return searching.rerank_query(*_on(analysis, settings), asked, desk.report, desk.stopped)


def _surprise(desk: Desk, analysis: str, settings: Given, source: str) -> tuple[str, searching.Ranked]:
    return searching.surprise(*_on(analysis, settings), source, desk.report, desk.stopped)


def _measure(desk: Desk, analysis: str, settings: Given, sources: list[str]) -> list[searching.Measured]:
    return searching.measure_tasks(*_on(analysis, settings), sources, desk.report, desk.stopped)


def _sides(desk: Desk, analysis: str, settings: Given, source: str) -> Any:
    return searching.measure_sides(*_on(analysis, settings), source, desk.report, desk.stopped)


def _lesson(desk: Desk, analysis: str, settings: Given, whole: bool) -> lesson.Trial:
    return lesson.tried(KEPT.analysis(analysis), desk.report, desk.stopped, whole=whole)


def _look(
    desk: Desk, analysis: str, settings: Given, name: str, what: str, window: list[int] | None
) -> matrix_window.Look:
    desk.report("Making the exact mask", 0, 0)
    return matrix_window.look_inside(*_on(analysis, settings), name, what, Window(*window) if window else None)


def _explain(desk: Desk, analysis: str, settings: Given, name: str, row: int, column: int) -> dict[str, Any]:
    desk.report("Making the exact mask", 0, 0)
    return matrix_window.explain(*_on(analysis, settings), name, row, column)


def _export(desk: Desk, analysis: str, settings: Given, file: str) -> str:
    return exporting.packed(*_on(analysis, settings), file, desk.report, desk.stopped)


def _latency(desk: Desk, analysis: str, settings: Given) -> dict[str, Any]:
    return exporting.speed(*_on(analysis, settings), desk.report, desk.stopped)


def _timing(desk: Desk, analysis: str, settings: Given) -> Curve:
    return exporting.timing(*_on(analysis, settings), desk.report, desk.stopped)


def _speed(desk: Desk, analysis: str, settings: Given) -> Speed:
    return KEPT.speed(KEPT.analysis(analysis))


def _benchmark(desk: Desk, analysis: str, settings: Given, names: list[str], kept: str) -> list[Failure]:
    return benchmarking.benchmark(*_on(analysis, settings), names, kept, desk)


def _retrain(
    desk: Desk, analysis: str, settings: Given, spec: Given, source: str, control: bool
) -> benchmarking.Retrained:
    return benchmarking.retrain(*_on(analysis, settings), RetrainSpec.model_validate(spec), source, control, desk)


def _agreement(desk: Desk, analysis: str, settings: Given) -> SourceAlignment:
    desk.report("Reading the gradients of every source", 0, 0)
    return source_alignment(KEPT.analysis(analysis))


def _on(analysis: str, settings: Given) -> tuple[Any, Settings]:
    return KEPT.analysis(analysis), Settings.model_validate(settings)


WORKS: dict[str, Callable[..., Any]] = {
    "prepare": _prepare,
    "foresee": _foresee,
    "plan": _plan,
    "experiment_plan": _experiment_plan,
    "compare": _compare,
    "rerank": _rerank,
    "surprise": _surprise,
    "measure": _measure,
    "sides": _sides,
    "lesson": _lesson,
    "look": _look,
    "explain": _explain,
    "export": _export,
    "latency": _latency,
    "timing": _timing,
    "speed": _speed,
    "benchmark": _benchmark,
    "retrain": _retrain,
    "agreement": _agreement,
}
