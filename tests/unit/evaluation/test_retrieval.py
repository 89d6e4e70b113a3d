"""Rankings and their metrics against numbers worked by hand, pytrec_eval and scikit-learn."""

from __future__ import annotations

import math
import random

import numpy as np
import pandas as pd
import pytest
import pytrec_eval
from sklearn.metrics import ndcg_score

from gaprune_viz.config import STARTER_DOMAINS
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation import ranking, retrieval
from gaprune_viz.evaluation.ranking import similarity
from gaprune_viz.evaluation.retrieval import compare, evaluate
from gaprune_viz.evaluation.significance import paired_bootstrap, sign_flip_test
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import Passage, RetrievalTask
from tests.hand_made import angle, random_task, task_of, unit


def test_metrics_by_hand() -> None:
    # Passage p01 is at 1 degree, p02 at 2, ...: rank i is p<i>. Relevant are ranks 2 and 11 of 12.
    task = task_of([f"p{i:02}" for i in range(1, 13)], {"q": {"p02": 1, "p11": 1, "p01": 0}})
    found = evaluate(task, angle(0), angle(*range(1, 13)))
    row = found.scores.to_dict("index")["q"]
    assert row["ndcg_at_10"] == pytest.approx((1 / math.log2(3)) / (1 + 1 / math.log2(3)))
    assert row["mrr_at_10"] == pytest.approx(1 / 2)
    assert row["recall_at_10"] == pytest.approx(1 / 2)
    assert row["recall_at_100"] == 1
    assert row["map"] == pytest.approx((1 / 2 + 2 / 11) / 2)
    assert found.first_relevant["q"] == 2
    assert [id for id, _ in found.rankings["q"]] == [f"p{i:02}" for i in range(1, 13)]
    assert found.rankings["q"][4][1] == pytest.approx(math.cos(math.radians(5)), abs=1e-6)


def test_gain_is_linear_in_the_grade() -> None:
    task = task_of(["a", "b", "c"], {"q": {"b": 3, "c": 1}})
    found = evaluate(task, angle(0), angle(5, 20, 10))
    # Order a, c, b: gains 0, 1, 3; the ideal is 3, 1.
    gained, ideal = 1 / math.log2(3) + 3 / 2, 3 + 1 / math.log2(3)
    assert found.scores.at["q", "ndcg_at_10"] == pytest.approx(gained / ideal)


def test_reciprocal_rank_stops_after_ten() -> None:
    task = task_of([f"p{i:02}" for i in range(1, 15)], {"in": {"p10": 1}, "out": {"p11": 1}})
    scores = evaluate(task, angle(0, 0), angle(*range(1, 15))).scores
    assert scores["mrr_at_10"].to_list() == pytest.approx([1 / 10, 0])
    assert scores["map"].to_list() == pytest.approx([1 / 10, 1 / 11])


def test_ties_go_to_the_smaller_id() -> None:
    task = task_of(["b", "c", "a"], {"first": {"a": 1}, "last": {"c": 1}})
    found = evaluate(task, angle(0, 0), angle(40, 40, 40))
    assert [id for id, _ in found.rankings["first"]] == ["a", "b", "c"]
    # trec_eval would put the larger id first.
    assert found.scores["mrr_at_10"].to_list() == pytest.approx([1, 1 / 3])
    assert found.first_relevant.to_list() == [1, 3]


def test_ties_across_the_cut_go_to_the_smaller_ids() -> None:
    ids = [f"p{i:03}" for i in range(300)]
    random.Random(4).shuffle(ids)
    task = task_of(ids, {"q": {"p099": 1}, "r": {"p100": 1}, "s": {"p010": 1}})
    found = evaluate(task, np.tile(unit(1, 48, 1), (3, 1)), np.tile(unit(1, 48, 2), (300, 1)))
    assert [id for id, _ in found.rankings["q"]] == [f"p{i:03}" for i in range(100)]
    assert found.scores["recall_at_100"].to_list() == [1, 0, 1]
    assert found.scores["recall_at_10"].to_list() == [0, 0, 0]
    assert found.first_relevant.to_list() == [100, 101, 11]


def test_equal_to_pytrec_eval_on_the_cosines() -> None:
    task = random_task()
    queries, corpus = unit(20, 16, 1), unit(150, 16, 2)
    found = evaluate(task, queries, corpus).scores.to_dict("index")
    cosines = queries.astype(np.float64) @ corpus.T.astype(np.float64)
    assert all(len(np.unique(line)) == 150 for line in cosines)
    run = {
        q: {p.id: float(s) for p, s in zip(task.corpus, line, strict=True)}
        for q, line in zip(task.queries, cosines, strict=True)
    }
    theirs = pytrec_eval.RelevanceEvaluator(task.qrels, {"ndcg_cut_10", "recall_10", "recall_100", "map", "recip_rank"})
    for query, expected in theirs.evaluate(run).items():
        row = found[query]
        assert row["ndcg_at_10"] == pytest.approx(expected["ndcg_cut_10"], abs=1e-12)
        assert row["recall_at_10"] == pytest.approx(expected["recall_10"], abs=1e-12)
        assert row["recall_at_100"] == pytest.approx(expected["recall_100"], abs=1e-12)
        assert row["map"] == pytest.approx(expected["map"], abs=1e-12)
        full = expected["recip_rank"]
        assert row["mrr_at_10"] == pytest.approx(full if full >= 0.1 else 0, abs=1e-12)


def test_ndcg_equal_to_scikit_learn() -> None:
    task = random_task(seed=5)
    queries, corpus = unit(20, 16, 3), unit(150, 16, 4)
    grades = np.array([[task.qrels[q].get(p.id, 0) for p in task.corpus] for q in task.queries])
    found = evaluate(task, queries, corpus)
    assert found.means["ndcg_at_10"] == pytest.approx(ndcg_score(grades, queries @ corpus.T, k=10), abs=1e-9)


def test_order_of_the_corpus_does_not_matter() -> None:
    task = random_task(60, 10)
    queries, corpus = unit(10, 24, 1), np.tile(unit(12, 24, 2), (5, 1))
    shuffle = np.random.default_rng(0).permutation(60)
    other = RetrievalTask.of("test", [task.corpus[i] for i in shuffle], task.queries, task.qrels)
    first, second = evaluate(task, queries, corpus), evaluate(other, queries, corpus[shuffle])
    assert first.rankings == second.rankings
    pd.testing.assert_frame_equal(first.scores, second.scores)
    pd.testing.assert_series_equal(first.first_relevant, second.first_relevant)


def test_how_the_work_is_cut_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    task, queries, corpus = random_task(), unit(20, 16, 1), np.tile(unit(50, 16, 2), (3, 1))
    whole = evaluate(task, queries, corpus)
    monkeypatch.setattr(retrieval, "CELLS", 3 * 150)
    monkeypatch.setattr(ranking, "CORPUS_BLOCK", 17)
    pieces = evaluate(task, queries, corpus)
    assert whole.rankings == pieces.rankings
    pd.testing.assert_frame_equal(whole.scores, pieces.scores)


def test_only_the_first_hundred_are_kept_and_only_a_thousand_count() -> None:
    ids = [f"p{i:04}" for i in range(1, 1_101)]
    task = task_of(ids, {"near": {"p0900": 1}, "far": {"p1050": 1}, "gone": {"elsewhere": 1}})
    found = evaluate(task, angle(0, 0, 0), angle(*np.linspace(1, 170, 1_100)))
    assert [len(ranked) for ranked in found.rankings.values()] == [100, 100, 100]
    assert found.scores["map"].to_list() == pytest.approx([1 / 900, 0, 0])
    assert found.first_relevant.to_list()[:2] == [900, 1050]
    assert found.first_relevant.isna().to_list() == [False, False, True]


def test_queries_without_relevant_passages_are_left_out_and_counted() -> None:
    task = RetrievalTask.of(
        "test",
        [Passage("a", "A"), Passage("b", "B")],
        {"none": "n", "zero": "z", "good": "g"},
        {"zero": {"a": 0}, "good": {"b": 1}},
    )
    found = evaluate(task, angle(90, 90, 0), angle(5, 1))
    assert found.scores.index.to_list() == ["good"]
    assert found.excluded == 2
    # The embedding of the third query was used, not that of the first.
    assert found.means["mrr_at_10"] == 1
    comparison = compare(task, found, found)
    assert (comparison.queries, comparison.excluded, comparison.passages) == (1, 2, 2)
    assert all(math.isnan(end) for end in comparison.intervals["ndcg_at_10"])


def test_queries_with_the_same_answers_are_one_cluster() -> None:
    qrels = {"a": {"1": 1}, "b": {"2": 1, "3": 0}, "c": {"1": 2}, "d": {"1": 1, "4": 1}, "e": {"2": 3}}
    task = task_of(["1", "2", "3", "4"], qrels)
    assert task.clusters("abcde").tolist() == [0, 1, 0, 2, 1]
    assert task.clusters("ed").tolist() == [0, 1]


@pytest.mark.parametrize("domain", STARTER_DOMAINS)
def test_starter_queries_come_in_pairs(domain: str) -> None:
    task = load_task(domain)
    labels = task.clusters(task.queries)
    assert set(np.bincount(labels)) == {2}
    assert len({frozenset(task.relevant(q)) for q in task.queries}) == labels.max() + 1


def test_a_comparison_draws_whole_clusters() -> None:
    task = task_of(["1", "2", "3"], {"a": {"1": 1}, "b": {"1": 1}, "c": {"2": 1}, "d": {"3": 1}})
    corpus = angle(0, 40, 80)
    dense, pruned = (evaluate(task, angle(*at), corpus) for at in ((0, 0, 40, 80), (40, 40, 40, 0)))
    found = compare(task, dense, pruned)
    assert found.clusters == 3
    values = (pruned.scores["ndcg_at_10"] - dense.scores["ndcg_at_10"]).to_numpy()
    labels = np.array([0, 0, 1, 2])
    assert found.intervals["ndcg_at_10"] == paired_bootstrap(values, clusters=labels)
    assert found.intervals["ndcg_at_10"] != paired_bootstrap(values)
    assert found.p_values["ndcg_at_10"] == sign_flip_test(values, clusters=labels) == 0.5


def test_nothing_judged_is_an_empty_evaluation() -> None:
    with pytest.raises(GapruneError, match="Empty evaluation"):
        evaluate(task_of(["a"], {"q": {"a": 0}}), angle(0), angle(0))


def test_own_passage_can_be_ignored() -> None:
    task = task_of(["q", "b", "c"], {"q": {"c": 1}})
    queries, corpus = angle(0), angle(0, 10, 5)
    assert evaluate(task, queries, corpus).means["mrr_at_10"] == 1 / 2
    found = evaluate(task, queries, corpus, ignore_identical_ids=True)
    assert found.means["mrr_at_10"] == 1
    assert [id for id, _ in found.rankings["q"]] == ["c", "b"]
    assert found.first_relevant["q"] == 1


@pytest.mark.parametrize(("place", "named"), [("query", "query r"), ("corpus", "text of b")])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_embeddings_that_are_no_numbers_are_named(place: str, named: str, value: float) -> None:
    task = task_of(["a", "b", "c"], {"q": {"a": 1}, "r": {"b": 1}})
    queries, corpus = angle(0, 1), angle(0, 1, 2)
    (queries if place == "query" else corpus)[1, 0] = value
    with pytest.raises(GapruneError, match=named):
        evaluate(task, queries, corpus)


def test_a_model_that_embeds_everything_as_zero_is_scored() -> None:
    task = task_of(["a", "b"], {"q": {"b": 1}})
    zeros = np.zeros((2, 3), dtype=np.float32)
    assert evaluate(task, zeros[:1], zeros).means["mrr_at_10"] == 1 / 2


@pytest.mark.parametrize(
    ("queries", "corpus", "says"),
    [
        (angle(0), angle(0), "1 queries and 2 passages"),
        (angle(0, 1), angle(0, 1), "1 queries and 2 passages"),
        (angle(0), unit(2, 3, 0), "one dimension"),
        (angle(0)[0], angle(0, 1), "one dimension"),
        (3 * angle(0), angle(0, 1), "unit length"),
    ],
)
def test_embeddings_of_another_task_are_refused(queries: np.ndarray, corpus: np.ndarray, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        evaluate(task_of(["a", "b"], {"q": {"a": 1}}), queries, corpus)


def test_equal_passages_have_equal_cosines() -> None:
    corpus = np.tile(unit(1, 384, 1), (101, 1))
    for line in similarity(unit(7, 384, 2), corpus):
        assert len(np.unique(line)) == 1
