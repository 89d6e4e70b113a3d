"""Retrain an analysed model under a mask, with a curve of loss and retrieval; save what comes out."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from gaprune_viz.calibration.batching import Sample
from gaprune_viz.calibration.progress import Progress
from gaprune_viz.config import RetrainSpec, Settings
from gaprune_viz.evaluation.retrieval import Evaluation, evaluate
from gaprune_viz.evaluation.tasks import RetrievalTask, encode_task
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.applying import masked
from gaprune_viz.pruning.retraining import RetrainStep, clone, own_targets, retrain

EVALUATE_EVERY = 25
# A step takes as long for each triplet of its batch as encoding so many texts: three texts, forward and backward.
STEP_TEXTS = 7
# And what comes after the last batch of an analysis, as many.
WRITING_TEXTS = 700
TRAINING = "Retraining"


@dataclass(frozen=True)
class Point:
    """One place on the curve: after `step` steps, nDCG@10 of each task by its side (0..1)."""

    step: int
    ndcg_at_10: dict[str, float]


@dataclass
class Curve:
    """What a retraining run has shown so far.

    Attributes:
        losses: (step, mean loss of its batch).
        points: retrieval, beginning with step 0: the pruned model before it learns.
    """

    losses: list[tuple[int, float]] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "losses": [[step, loss] for step, loss in self.losses],
            "points": [{"step": p.step, "ndcg_at_10": p.ndcg_at_10} for p in self.points],
        }


@dataclass(frozen=True)
class Update:
    """News of a retraining run: how far it is, and the curve so far (the same object every time)."""

    progress: Progress
    curve: Curve


@dataclass(frozen=True)
class Trained:
    """A retrained model.

    Attributes:
        model: with weights of its own; the dense model is as before.
        curve: loss and retrieval over the steps.
        evaluations: of the finished model, by side.
    """

    model: EmbeddingModel
    curve: Curve
    evaluations: dict[str, Evaluation]


def train(
    model: EmbeddingModel,
    targets: Sequence[Target],
    masks: Mapping[str, Tensor],
    triplets: Sequence[Sample],
    spec: RetrainSpec,
    *,
    weights: Mapping[str, Tensor] | None = None,
    tasks: Mapping[str, RetrievalTask] | None = None,
    every: int = EVALUATE_EVERY,
    checkpoint: Path | None = None,
) -> Generator[Update, None, Trained]:
    """Retrain a copy of a model under a mask, and measure it on the way.

    Args:
        model: the dense model; it is left alone.
        targets: its weight matrices that the masks belong to.
        masks: bool [out, in] by target name, True = kept; {} for the dense control.
        triplets: what it learns from.
        weights: of a refit, from which it starts, by target name; None to start from the model's own.
        tasks: side ("domain", "general") -> task, measured before the first step, after every `every` steps and at
            the end.
        checkpoint: where the state is kept, so that a run that was stopped goes on.

    Yields:
        Update after every step and every measurement.

    Raises:
        GapruneError: as `core.retraining.retrain`, or an embedding that is not finite.
    """
    with masked(model, targets, masks, weights):
        student = clone(model)
    cost = _Cost(spec, tasks or {}, every)
    curve, evaluations = Curve(), dict[str, Evaluation]()
    steps = retrain(student, own_targets(student, targets), masks, triplets, spec, checkpoint=checkpoint)
    try:
        for step in steps:
            if not math.isnan(step.loss):
                curve.losses.append((step.step, step.loss))
            yield Update(cost.told(step), curve)
            if tasks and _is_measured(step, every):
                for side, task in tasks.items():
                    yield Update(cost.told(step, f"Measuring {task.name}"), curve)
                    evaluations[side] = evaluate(task, *encode_task(student, task))
                    cost.measured += texts_of(task)
                curve.points.append(Point(step.step, {s: e.means["ndcg_at_10"] for s, e in evaluations.items()}))
                yield Update(cost.told(step), curve)
    finally:
        steps.close()
    return Trained(student, curve, evaluations)


def training_texts(spec: RetrainSpec, tasks: Mapping[str, RetrievalTask], every: int = EVALUATE_EVERY) -> int:
    """What a training with `train` costs, in texts that are encoded in the same time."""
    measured = 1 + (spec.steps // every + (spec.steps % every > 0) if every > 0 else 1)
    return spec.steps * STEP_TEXTS * spec.batch_size + measured * sum(map(texts_of, tasks.values()))


def analysis_texts(samples: int) -> int:
    """What an analysis costs, with so many samples a side, in texts that are encoded in the same time."""
    return 2 * STEP_TEXTS * samples + WRITING_TEXTS


def finishing_texts(settings: Settings) -> int:
    """What the retraining after a cut costs, in texts that are encoded in the same time; 0 where there is none."""
    return STEP_TEXTS * RetrainSpec().batch_size * settings.structure.steps if settings.structure.whole else 0


def texts_of(task: RetrievalTask) -> int:
    """How many texts a task has to be encoded."""
    return len(task.queries) + len(task.corpus)


class _Cost:
    """How much of a training is done, in texts."""

    def __init__(self, spec: RetrainSpec, tasks: Mapping[str, RetrievalTask], every: int) -> None:
        self.step_texts, self.measured = STEP_TEXTS * spec.batch_size, 0
        self.texts, self.every = sum(map(texts_of, tasks.values())), every
        self.total = training_texts(spec, tasks, every)

    def told(self, step: RetrainStep, stage: str = TRAINING) -> Progress:
        """The whole training at some step."""
        if step.resumed and not self.measured:
            # What was measured before the run was stopped; where it goes on is measured anew.
            self.measured = self.texts * (1 + (step.resumed - 1) // self.every if self.every > 0 else 1)
        done = step.step * self.step_texts + self.measured
        return Progress(stage, min(done, self.total), self.total, step.seconds)


def _is_measured(step: RetrainStep, every: int) -> bool:
    first = step.step == step.resumed and math.isnan(step.loss)
    return first or step.step == step.total or (every > 0 and step.step % every == 0)
