"""Versions of a model and their scores, for tests of the benchmark."""

from __future__ import annotations

from gaprune_viz.evaluation.mteb.catalogue import BenchmarkTask
from gaprune_viz.evaluation.mteb.model_versions import Variant, under_mask
from gaprune_viz.evaluation.mteb.running import Failure, Score, run
from gaprune_viz.evaluation.retrieval import Evaluation, evaluate
from gaprune_viz.evaluation.tasks import RetrievalTask, encode_task
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import inventory


def half_pruned(model: EmbeddingModel) -> Variant:
    """The smaller half of every linear weight set to zero."""
    targets = inventory(model).targets
    masks = {t.name: t.weight.detach().abs() > t.weight.detach().abs().median() for t in targets}
    return under_mask("pruned", model, targets, masks, "half of each matrix")


def smaller(task: RetrievalTask, passages: int, queries: int) -> RetrievalTask:
    """The first queries of a task, the passages that answer them, and others up to a number."""
    asked = list(task.queries)[:queries]
    answers = {id for query_id in asked for id in task.relevant(query_id)}
    others = [p for p in task.corpus if p.id not in answers][: passages - len(answers)]
    corpus = [p for p in task.corpus if p.id in answers or p in others]
    return RetrievalTask.of(task.name, corpus, {i: task.queries[i] for i in asked}, {i: task.qrels[i] for i in asked})


def own_path(variant: Variant, task: RetrievalTask) -> Evaluation:
    with variant.applied():
        return evaluate(task, *encode_task(variant.model, task))


def scores_of(*tasks: BenchmarkTask, variants: list[Variant]) -> list[Score]:
    found = list(run(tasks, variants))
    assert not [f for f in found if isinstance(f, Failure)], found
    return [f for f in found if isinstance(f, Score)]
