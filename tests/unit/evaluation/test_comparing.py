"""Two rankings set side by side, against numbers worked by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gaprune_viz.evaluation.ranking import side_by_side, similarity
from gaprune_viz.evaluation.retrieval import METRICS, compare, evaluate
from gaprune_viz.evaluation.tasks import Passage
from tests.hand_made import angle, random_task, task_of, unit


def test_compare_with_itself_finds_nothing() -> None:
    task = random_task()
    found = evaluate(task, unit(20, 16, 1), unit(150, 16, 2))
    same = compare(task, found, found)
    assert list(same.dense) == list(same.delta) == list(same.intervals) == list(same.p_values) == list(METRICS)
    assert METRICS[:3] == ("ndcg_at_10", "mrr_at_10", "recall_at_10")
    assert set(same.delta.values()) == {0.0}
    assert set(same.intervals.values()) == {(0.0, 0.0)}
    assert set(same.p_values.values()) == {1.0}
    assert same.overlap_at_10 == 1


def test_compare_by_hand() -> None:
    ids = [f"p{i:02}" for i in range(1, 21)]
    task = task_of(ids, {"q": {"p01": 1}, "r": {"p20": 1}})
    # For q the pruned order is turned round; for r it stays.
    dense = evaluate(task, angle(0, 21), angle(*range(1, 21)))
    pruned = evaluate(task, angle(21, 21), angle(*range(1, 21)))
    found = compare(task, dense, pruned)
    assert found.dense["ndcg_at_10"] == 1
    assert found.pruned["ndcg_at_10"] == 0.5
    assert found.delta["mrr_at_10"] == -0.5
    assert found.delta["map"] == pytest.approx((1 / 20 - 1) / 2)
    # Two differences, -1 and 0: flipping the sign of -1 reaches the same size always.
    assert found.p_values["ndcg_at_10"] == 1
    assert found.intervals["ndcg_at_10"] == (-1, 0)
    # The first ten and the last ten share nothing.
    assert found.overlap_at_10 == 0.5
    expected = pd.DataFrame(
        {
            "qid": ["q", "r"],
            "query": ["query q", "query r"],
            "dense_ndcg_at_10": [1.0, 1.0],
            "pruned_ndcg_at_10": [0.0, 1.0],
            "delta_ndcg_at_10": [-1.0, 0.0],
            "overlap_at_10": [0.0, 1.0],
            "dense_first_relevant": pd.array([1, 1], dtype="Int64"),
            "pruned_first_relevant": pd.array([20, 1], dtype="Int64"),
        }
    )
    pd.testing.assert_frame_equal(found.per_query, expected, check_dtype=False)


def test_overlap_in_a_small_corpus_counts_what_is_there() -> None:
    task = task_of(["a", "b", "c"], {"q": {"a": 1}})
    corpus = angle(1, 2, 3)
    assert compare(task, evaluate(task, angle(0), corpus), evaluate(task, angle(9), corpus)).overlap_at_10 == 1


def test_a_real_loss_is_told_from_noise() -> None:
    task = task_of([f"p{i:03}" for i in range(100)], {f"q{i}": {f"p{i:03}": 1} for i in range(100)})
    corpus = unit(100, 8, 1)
    rng = np.random.default_rng(2)

    def noisy(size: float) -> np.ndarray:
        x = corpus + rng.normal(scale=size, size=corpus.shape)
        return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)

    dense = evaluate(task, noisy(0.2), corpus)
    worse = compare(task, dense, evaluate(task, noisy(0.8), corpus), seed=3)
    assert worse.intervals["ndcg_at_10"][1] < 0
    assert worse.p_values["ndcg_at_10"] < 0.001
    alike = compare(task, dense, evaluate(task, noisy(0.2), corpus), seed=3)
    assert alike.intervals["ndcg_at_10"][0] < 0 < alike.intervals["ndcg_at_10"][1]
    assert alike.p_values["ndcg_at_10"] > 0.05
    assert compare(task, dense, evaluate(task, corpus, corpus), seed=3).delta["ndcg_at_10"] > 0


def test_other_queries_cannot_be_compared() -> None:
    one, other = task_of(["a"], {"q": {"a": 1}}), task_of(["a"], {"r": {"a": 1}})
    with pytest.raises(ValueError, match="different queries"):
        compare(one, evaluate(one, angle(0), angle(0)), evaluate(other, angle(0), angle(0)))


def test_side_by_side_by_hand() -> None:
    passages = [Passage(id, f"text {id}", f"title {id}", f"topic {id}") for id in "dcba"]
    # Dense order: a (0.9), then b and c (0.5 both), then d. Pruned order: d, b, c, a.
    found = side_by_side(np.array([0.1, 0.5, 0.5, 0.9]), np.array([0.8, 0.3, 0.4, 0.2]), passages, {"b"}, k=2)
    assert [(p.id, p.dense_rank, p.pruned_rank, p.move) for p in found.dense] == [("a", 1, 4, -3), ("b", 2, 2, 0)]
    assert [(p.id, p.dense_rank, p.pruned_rank, p.move) for p in found.pruned] == [("d", 4, 1, 3), ("b", 2, 2, 0)]
    assert [p.relevant for p in found.dense] == [False, True]
    assert found.overlap == 0.5
    assert found.dense[0].score_change == pytest.approx(-0.7)
    assert (found.pruned[0].title, found.pruned[0].text, found.pruned[0].topic) == ("title d", "text d", "topic d")


def test_side_by_side_agrees_with_evaluate() -> None:
    task = random_task(40, 5)
    before, after, corpus = unit(5, 8, 1), unit(5, 8, 2), np.tile(unit(20, 8, 3), (2, 1))
    dense, pruned = evaluate(task, before, corpus), evaluate(task, after, corpus)
    for row, query in enumerate(task.queries):
        # One query alone, as when somebody types it.
        lines = similarity(before[row : row + 1], corpus)[0], similarity(after[row : row + 1], corpus)[0]
        found = side_by_side(*lines, task.corpus, task.relevant(query))
        assert [(p.id, p.dense_score) for p in found.dense] == dense.rankings[query][:10]
        assert [(p.id, p.pruned_score) for p in found.pruned] == pruned.rankings[query][:10]
        everything = side_by_side(*lines, task.corpus, task.relevant(query), k=40)
        assert min(p.pruned_rank for p in everything.dense if p.relevant) == pruned.first_relevant[query]


def test_side_by_side_refuses_what_does_not_fit() -> None:
    passages = [Passage("a", "A"), Passage("b", "B")]
    fine = np.array([0.1, 0.2])
    for dense, pruned, k in ((fine, fine[:1], 1), (fine[:1], fine[:1], 1), (fine, fine, 0), (fine, fine * np.nan, 1)):
        with pytest.raises(ValueError, match="side_by_side needs"):
            side_by_side(dense, pruned, passages, k=k)
