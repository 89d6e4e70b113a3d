"""Retrieval metrics against pytrec_eval called directly, on random runs full of ties."""

from __future__ import annotations

import numpy as np
import pytest
import pytrec_eval

from gaprune_viz.evaluation.retrieval import evaluate
from gaprune_viz.evaluation.tasks import Passage, RetrievalTask

MEASURES = {"ndcg_cut_10", "recip_rank", "recall_10", "recall_100", "map"}
NAMES = {
    "ndcg_at_10": "ndcg_cut_10",
    "mrr_at_10": "recip_rank",
    "recall_at_10": "recall_10",
    "recall_at_100": "recall_100",
    "map": "map",
}


def random_run(seed: int) -> tuple[RetrievalTask, np.ndarray, np.ndarray]:
    """A task whose passages come in groups of one embedding, so that every ranking has ties, also across a cut."""
    rng = np.random.default_rng(seed)
    passages, queries = int(rng.integers(15, 260)), int(rng.integers(3, 30))
    ids = [f"d{i}" for i in rng.permutation(passages)]
    places = rng.normal(size=(max(2, passages // int(rng.integers(2, 30))), 8))
    corpus = places[rng.integers(0, len(places), passages)]
    asked = rng.normal(size=(queries, 8))
    qrels = {
        f"q{q}": {
            str(id): int(grade)
            for id, grade in zip(
                rng.choice(ids, size=min(passages, 12), replace=False), rng.integers(0, 4, 12), strict=False
            )
        }
        | {ids[q % passages]: 1}
        for q in range(queries)
    }
    task = RetrievalTask.of("random", [Passage(id, id) for id in ids], {q: q for q in qrels}, qrels)
    unit = [(x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32) for x in (asked, corpus)]
    return task, unit[0], unit[1]


def reference(task: RetrievalTask, queries: np.ndarray, corpus: np.ndarray) -> dict[str, dict[str, float]]:
    """pytrec_eval's own order and numbers.

    Of equal scores trec_eval takes the larger document id first, we the smaller: documents go in under names that turn
    the order of ids around. The evaluator reads single precision scores, as ours are kept.
    """
    ids = [passage.id for passage in task.corpus]
    turned = {id: f"{len(ids) - place:06d}" for place, id in enumerate(sorted(ids))}
    cosines = (queries.astype(np.float64) @ corpus.T.astype(np.float64)).astype(np.float32)
    run = {
        q: {turned[id]: float(score) for id, score in zip(ids, row, strict=True)}
        for q, row in zip(task.queries, cosines, strict=True)
    }
    judged = {q: {turned[id]: grade for id, grade in grades.items()} for q, grades in task.qrels.items()}
    found = pytrec_eval.RelevanceEvaluator(judged, MEASURES).evaluate(run)
    # MRR@10: nothing where the first hit lies beyond the tenth place.
    return {
        q: {name: row[theirs] if name != "mrr_at_10" or row[theirs] >= 0.1 else 0.0 for name, theirs in NAMES.items()}
        for q, row in found.items()
    }


@pytest.mark.parametrize("seed", range(25))
def test_metrics_equal_pytrec_eval_on_runs_with_ties(seed: int) -> None:
    task, queries, corpus = random_run(seed)
    ours = evaluate(task, queries, corpus)
    theirs = reference(task, queries, corpus)
    assert list(ours.scores.index) == list(theirs)
    for query, expected in theirs.items():
        assert ours.scores.loc[query].to_dict() == pytest.approx(expected, abs=1e-12), query
    for name in NAMES:
        assert ours.means[name] == pytest.approx(np.mean([row[name] for row in theirs.values()]), abs=1e-12)


def test_the_runs_have_ties_at_the_cuts() -> None:
    """Else the test above would say nothing of ties."""
    across = 0
    for seed in range(25):
        _, queries, corpus = random_run(seed)
        if len(corpus) > 10:
            ranked = -np.sort(-(queries.astype(np.float64) @ corpus.T.astype(np.float64)).astype(np.float32), axis=1)
            across += int((ranked[:, 9] == ranked[:, 10]).sum())
    assert across > 50
