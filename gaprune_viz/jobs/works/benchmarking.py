"""mteb's tasks with the versions of a model, and retraining, whose curve is told while it grows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.config import STARTER_DOMAINS, RetrainSpec, Settings
from gaprune_viz.criteria.registry import settled
from gaprune_viz.data.triplets import calibration_triplets
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.evaluation.mteb.catalogue import BenchmarkTask, find_tasks
from gaprune_viz.evaluation.mteb.model_versions import Variant, under_mask, whole
from gaprune_viz.evaluation.mteb.running import Failure, run
from gaprune_viz.evaluation.tasks import RetrievalTask
from gaprune_viz.experiments.retraining_trial import DENSE, Trial, try_retraining
from gaprune_viz.jobs.works.memory_cache import KEPT
from gaprune_viz.jobs.works.work_context import Desk, Report, Stopped

# A curve is sent whole, so more often would cost more than it shows.
TELL_SECONDS = 1.0
MOST_TASKS = 40


def benchmark(analysis: Analysis, settings: Settings, names: list[str], kept: str, desk: Desk) -> list[Failure]:
    """Do tasks with every version; each `Score` is told as soon as it is there.

    Args:
        names: of the tasks, as `find_tasks` takes them.
        kept: id of a retrained model; empty for none.

    Returns:
        the tasks that could not be done.
    """
    tasks = tasks_named(names)
    desk.report("Making the exact mask", 0, 0)
    failures = []
    for found in run(
        tasks, versions_of(analysis, settings, kept, desk.report, desk.stopped), report=desk.report, stop=desk.stopped
    ):
        if isinstance(found, Failure):
            failures.append(found)
        else:
            desk.tell(found)
    return failures


def tasks_named(names: Sequence[str]) -> tuple[BenchmarkTask, ...]:
    """The tasks of some names, as `find_tasks` takes them.

    Raises:
        GapruneError: none is named, one is unknown, or there are too many for the page.
    """
    tasks = find_tasks(names)
    if len(tasks) > MOST_TASKS:
        raise GapruneError(
            f"{len(tasks)} tasks are too many for the page.",
            f"Choose at most {MOST_TASKS}, or use `gaprune-viz benchmark`.",
        )
    return tasks


def versions_of(analysis: Analysis, settings: Settings, kept: str, report: Report, stopped: Stopped) -> list[Variant]:
    """Dense, pruned, refitted where the settings ask for it, and the retrained model with this id.

    Raises:
        GapruneError: the retrained model is of other settings, or no longer there.
    """
    make = _cut_versions if settings.structure.whole else _masked_versions
    versions = make(analysis, settings, report, stopped)
    if kept:
        versions.append(whole("retrained", KEPT.retrained(analysis, settings, kept), kept))
    return versions


def _masked_versions(analysis: Analysis, settings: Settings, report: Report, stopped: Stopped) -> list[Variant]:
    """Dense, pruned, and refitted where the settings ask for it."""
    model, targets = KEPT.dense(analysis), KEPT.scope(analysis)[1]
    made = KEPT.pruned(analysis, settings, report, stopped)
    alone = settled(settings.mask_only).key()
    versions = [whole("dense", model), under_mask("pruned", model, targets, made.masks, alone)]
    if made.weights is not None:
        key = settled(settings).key()
        versions.append(under_mask("refitted", model, targets, made.masks, key, made.weights))
    return versions


def _cut_versions(analysis: Analysis, settings: Settings, report: Report, stopped: Stopped) -> list[Variant]:
    """Dense, as cut, and finished where the settings ask for it; each smaller model has a hash of its own."""
    versions = [whole("dense", KEPT.dense(analysis))]
    versions.append(whole("pruned", KEPT.smaller(analysis, settings.mask_only, report, stopped)))
    if settings.finished:
        versions.append(whole("finished", KEPT.smaller(analysis, settings, report, stopped)))
    return versions


@dataclass(frozen=True)
class Curves:
    """What a retraining has shown so far.

    Attributes:
        curves: by version, losses and retrieval over the steps, as `Curve.document` gives them.
        dense: nDCG@10 of the dense model by side.
    """

    curves: dict[str, Any]
    dense: dict[str, float]


@dataclass(frozen=True)
class Retrained:
    """A finished retraining: the id of its model, its curves, and what all versions reach."""

    kept: str
    curves: Curves
    table: pd.DataFrame


def retrain(
    analysis: Analysis, settings: Settings, spec: RetrainSpec, source: str, control: bool, desk: Desk
) -> Retrained:
    """Retrain the pruned model, and the dense one as its control; the curves are told while they grow.

    Under a mask zeros stay zero; of a model without its structures all that is left is trained.

    Args:
        source: the collection on which the domain is measured.

    Raises:
        GapruneError: as `try_retraining`, and where the texts or the collection cannot be read.
        Cancelled: it was asked to stop.
    """
    trial, tasks = Trial(), tasks_of(analysis, source)
    model = KEPT.dense(analysis)
    desk.report("Reading the triplets", 0, 0)
    triplets = calibration_triplets(analysis.run.calibration, "domain", model.directions).triplets
    given = (triplets, spec, tasks, KEPT.disk)
    if settings.structure.whole:
        desk.report("Cutting the model", 0, 0)
        smaller = KEPT.smaller(analysis, settings, desk.report, desk.stopped)
        steps = try_retraining(trial, model, (), {}, *given, smaller=smaller, control=control)
    else:
        desk.report("Making the exact mask", 0, 0)
        made, targets = KEPT.pruned(analysis, settings, desk.report, desk.stopped), KEPT.scope(analysis)[1]
        steps = try_retraining(trial, model, targets, made.masks, *given, weights=made.weights, control=control)
    last = 0.0
    try:
        for step in steps:
            desk.report(step.stage, step.done, step.total, step.seconds)
            if desk.stopped():
                raise Cancelled
            if trial.curves and time.monotonic() - last >= TELL_SECONDS:
                last = time.monotonic()
                desk.tell(_curves(trial))
    finally:
        steps.close()
    assert trial.model is not None
    return Retrained(KEPT.keep_retrained(analysis, settings, trial.model), _curves(trial), trial.table(tasks))


def tasks_of(analysis: Analysis, source: str) -> dict[str, RetrievalTask]:
    """What is measured on the way: the collection, and general knowledge."""
    general = analysis.run.calibration.general
    other = general if general in STARTER_DOMAINS else "general"
    return {"domain": KEPT.task(source), **({} if other == source else {"general": KEPT.task(other)})}


def _curves(trial: Trial) -> Curves:
    dense = {side: found.means["ndcg_at_10"] for side, found in trial.evaluations.get(DENSE, {}).items()}
    return Curves(trial.documents(), dense)
