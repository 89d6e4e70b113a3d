"""Does retraining win back what pruning cost? The pruned model retrained, beside the dense model taught the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from torch import Tensor

from gaprune_viz.calibration.batching import Sample
from gaprune_viz.calibration.progress import Phases, Progress, relayed
from gaprune_viz.config import RetrainSpec
from gaprune_viz.evaluation.embedding_cache import CachedEncoder, EmbeddingCache
from gaprune_viz.evaluation.retrieval import Evaluation, compare, evaluate
from gaprune_viz.evaluation.tasks import RetrievalTask, encode_task
from gaprune_viz.experiments.learned import refuse_learned
from gaprune_viz.experiments.tracked_retraining import EVALUATE_EVERY, Curve, Update, texts_of, train, training_texts
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target

# Versions of the model, in the order of the table.
DENSE, PRUNED, RETRAINED, CONTROL = "dense", "pruned", "retrained", "dense, retrained"
COLUMNS = ("version", "side", "task", "ndcg_at_10", "of_dense", "difference", "low", "high", "p_value")


@dataclass
class Trial:
    """What a trial has shown so far; it grows while the trial runs.

    Attributes:
        curves: version (`RETRAINED`, `CONTROL`) -> loss and retrieval over the steps.
        evaluations: version -> side -> retrieval.
        model: the retrained model, when it is finished.
    """

    curves: dict[str, Curve] = field(default_factory=dict)
    evaluations: dict[str, dict[str, Evaluation]] = field(default_factory=dict)
    model: EmbeddingModel | None = None

    def documents(self) -> dict[str, Any]:
        """The curves as plain values, by version."""
        return {version: curve.document() for version, curve in self.curves.items()}

    def table(self, tasks: Mapping[str, RetrievalTask]) -> pd.DataFrame:
        """One row per version and side, columns `COLUMNS`; differences are to the dense model before any training.

        `low` and `high` are the 95 % paired bootstrap interval of the difference; nan for the dense model itself.
        """
        rows = [
            _row(version, side, tasks[side], self.evaluations[DENSE][side], found)
            for version, sides in self.evaluations.items()
            for side, found in sides.items()
        ]
        return pd.DataFrame(rows, columns=list(COLUMNS))


def try_retraining(
    trial: Trial,
    model: EmbeddingModel,
    targets: Sequence[Target],
    masks: Mapping[str, Tensor],
    triplets: Sequence[Sample],
    spec: RetrainSpec,
    tasks: Mapping[str, RetrievalTask],
    cache: EmbeddingCache,
    *,
    weights: Mapping[str, Tensor] | None = None,
    smaller: EmbeddingModel | None = None,
    control: bool = True,
) -> Generator[Progress, None, Trial]:
    """Measure the dense and the pruned model, retrain the pruned one, and then the dense one as long.

    Closing the generator leaves in the trial what was found until then.

    Args:
        trial: is filled while this runs.
        model: the dense model; it is left alone.
        targets, masks: what is pruned, bool [out, in] by target name, True = kept.
        triplets: what both learn from.
        tasks: side ("domain", "general") -> task.
        cache: for the embeddings of the models that are not trained.
        weights: of a refit, from which the pruned one starts; None where the kept weights are the model's.
        smaller: the pruned model itself, where whole structures are gone and no mask says what stays.
        control: whether the dense model is retrained too.

    Returns:
        the trial.

    Raises:
        GapruneError: fewer triplets than a batch, a loss or an embedding that is not finite, or queries that are both
            learned from and asked.
    """
    refuse_learned(((task.name, task) for task in tasks.values()), [("the lessons", triplets)])
    every = max(1, min(EVALUATE_EVERY, spec.steps // 4))
    texts, lesson = sum(map(texts_of, tasks.values())), training_texts(spec, tasks, every)
    costs = {DENSE: texts, PRUNED: texts, RETRAINED: lesson, **({CONTROL: lesson} if control else {})}
    job = Phases(costs)
    masked = CachedEncoder(model, cache, targets, masks, weights)
    pruned = masked if smaller is None else CachedEncoder(smaller, cache)
    for version, encoder in ((DENSE, CachedEncoder(model, cache)), (PRUNED, pruned)):
        for number, (side, task) in enumerate(tasks.items()):
            yield job.at(version, f"Measuring {task.name}, {version}", number / len(tasks))
            found = evaluate(task, *encode_task(encoder, task))
            trial.evaluations.setdefault(version, {})[side] = found
    if smaller is None:
        taught = _train(trial, RETRAINED, model, targets, masks, triplets, spec, tasks, every, weights)
    else:
        taught = _train(trial, RETRAINED, smaller, (), {}, triplets, spec, tasks, every)
    yield from job.of(RETRAINED, taught)
    if control:
        yield from job.of(CONTROL, _train(trial, CONTROL, model, targets, {}, triplets, spec, tasks, every))
    return trial


def _train(
    trial: Trial,
    version: str,
    model: EmbeddingModel,
    targets: Sequence[Target],
    masks: Mapping[str, Tensor],
    triplets: Sequence[Sample],
    spec: RetrainSpec,
    tasks: Mapping[str, RetrievalTask],
    every: int,
    weights: Mapping[str, Tensor] | None = None,
) -> Generator[Progress, None, None]:
    work = train(model, targets, masks, triplets, spec, weights=weights, tasks=tasks, every=every)

    def told(update: Update) -> Progress:
        trial.curves[version] = update.curve
        return dataclasses.replace(update.progress, stage=f"{update.progress.stage}: {version}")

    found = yield from relayed(work, told)
    trial.evaluations[version] = found.evaluations
    if version == RETRAINED:
        trial.model = found.model


def _row(version: str, side: str, task: RetrievalTask, dense: Evaluation, found: Evaluation) -> dict[str, Any]:
    score, base = found.means["ndcg_at_10"], dense.means["ndcg_at_10"]
    known = {"version": version, "side": side, "task": task.name, "ndcg_at_10": score}
    known["of_dense"] = score / base if base > 0 else float("nan")
    if version == DENSE:
        return known
    compared = compare(task, dense, found)
    low, high = compared.intervals["ndcg_at_10"]
    return {
        **known,
        "difference": compared.delta["ndcg_at_10"],
        "low": low,
        "high": high,
        "p_value": compared.p_values["ndcg_at_10"],
    }
