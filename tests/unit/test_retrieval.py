"""Tasks, rankings and comparisons against numbers worked by hand, pytrec_eval and scikit-learn."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import pytrec_eval
from sklearn.metrics import ndcg_score

from gaprune_viz.config import STARTER_DOMAINS
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.evaluation import ranking, retrieval
from gaprune_viz.evaluation.retrieval import (
    METRICS,
    Passage,
    RetrievalTask,
    TaskEmbeddings,
    compare,
    encode_task,
    evaluate,
    load_task,
    side_by_side,
    similarity,
)
from gaprune_viz.evaluation.significance import paired_bootstrap, sign_flip_test


def angle(*degrees: float) -> np.ndarray:
    turns = np.radians(degrees)
    return np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)


def unit(n: int, d: int, seed: int) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def task_of(ids: Sequence[str], qrels: dict[str, dict[str, int]]) -> RetrievalTask:
    return RetrievalTask.of(
        "test", [Passage(id, f"text of {id}") for id in ids], {q: f"query {q}" for q in qrels}, qrels
    )


def random_task(passages: int = 150, queries: int = 20, seed: int = 0) -> RetrievalTask:
    rng = random.Random(seed)
    ids = [f"p{i}" for i in range(passages)]
    return task_of(
        ids, {f"q{i}": {id: rng.randint(0, 3) for id in rng.sample(ids, 8)} | {ids[i]: 1} for i in range(queries)}
    )


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


class Table:
    """Embeddings looked up in a table, two texts at a time."""

    def __init__(self, rows: dict[tuple[str, str], np.ndarray]) -> None:
        self.rows = rows

    def encode(
        self,
        texts: Sequence[str],
        kind: str = "passage",
        *,
        progress: Callable[[int, int], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> np.ndarray:
        out = []
        for start in range(0, len(texts), 2):
            if stop is not None and stop():
                raise Cancelled
            out += [self.rows[kind, text] for text in texts[start : start + 2]]
            if progress is not None:
                progress(len(out), len(texts))
        return np.array(out)


def small_task() -> tuple[RetrievalTask, Table]:
    corpus = [Passage("a", "alpha", "A"), Passage("b", "beta", "B", title_is_searched=False), Passage("c", "gamma")]
    task = RetrievalTask.of("small", corpus, {"q": "what", "r": "why"}, {"q": {"a": 1}, "r": {"c": 1}})
    table = {
        ("query", "what"): 0,
        ("query", "why"): 1,
        ("passage", "A alpha"): 2,
        ("passage", "beta"): 3,
        ("passage", "gamma"): 4,
    }
    return task, Table({key: angle(degree)[0] for key, degree in table.items()})


def test_encode_task_uses_the_right_texts_and_counts_them_all() -> None:
    task, table = small_task()
    calls: list[tuple[int, int]] = []
    embeddings = encode_task(table, task, progress=lambda done, total: calls.append((done, total)))
    np.testing.assert_array_equal(embeddings.queries, angle(0, 1))
    np.testing.assert_array_equal(embeddings.corpus, angle(2, 3, 4))
    assert calls == [(2, 5), (4, 5), (5, 5)]
    assert isinstance(embeddings, TaskEmbeddings)
    assert evaluate(task, *embeddings).scores["mrr_at_10"].to_list() == pytest.approx([1, 1 / 3])


def test_encode_task_stops_when_told() -> None:
    task, table = small_task()
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 2

    with pytest.raises(Cancelled):
        encode_task(table, task, stop=stop)
    assert len(asked) == 3


def test_encode_task_refuses_what_is_no_number() -> None:
    task, table = small_task()
    table.rows["passage", "gamma"] = np.array([np.nan, 1], dtype=np.float32)
    with pytest.raises(GapruneError, match="'gamma' is not finite"):
        encode_task(table, task)


def test_hash_is_of_the_content() -> None:
    def hash_of(
        name: str = "n", text: str = "A", query: str = "Q", grade: int = 1, order: int = 1, whole: bool = True
    ) -> str:
        corpus = [Passage("a", text, "T", title_is_searched=whole), Passage("b", "B")][::order]
        return RetrievalTask.of(name, corpus, {"q": query}, {"q": {"a": grade, "b": 0}}).content_hash

    assert len(hash_of()) == 64
    assert hash_of() == hash_of(name="other")
    changed = {
        hash_of(),
        hash_of(text="A."),
        hash_of(query="Q?"),
        hash_of(grade=2),
        hash_of(order=-1),
        hash_of(whole=False),
    }
    assert len(changed) == 6


def test_tasks_that_cannot_be() -> None:
    one = Passage("a", "A")
    with pytest.raises(ValueError, match="same id"):
        RetrievalTask.of("t", [one, one], {"q": "Q"}, {})
    with pytest.raises(ValueError, match="without a query"):
        RetrievalTask.of("t", [one], {"q": "Q"}, {"r": {"a": 1}})
    for corpus, queries in (([], {"q": "Q"}), ([one], {})):
        with pytest.raises(GapruneError, match="Empty evaluation"):
            RetrievalTask.of("t", corpus, queries, {})


@pytest.mark.parametrize("domain", STARTER_DOMAINS)
def test_starter_task_asks_about_evaluation_topics_in_the_whole_domain(domain: str) -> None:
    task = load_task(domain)
    topics = {passage.id: passage.topic for passage in task.corpus}
    asked = {topics[id] for query in task.queries for id in task.relevant(query)}
    assert len(task.corpus) >= 160
    assert 0 < len(asked) < len(set(topics.values()))
    assert all(len(task.relevant(query)) == 1 for query in task.queries)
    assert len(set(task.queries.values())) == len(task.queries)
    # Titles name the answer.
    assert all(passage.title and passage.embedding_text == passage.text for passage in task.corpus)
    assert load_task(domain).content_hash == task.content_hash


def beir_folder(folder: Path, split: str = "test") -> Path:
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": "d1", "title": "One", "text": "first"}, {"_id": "d2", "title": "", "text": "second"}]
    queries = [{"_id": "other", "text": "of another split"}, {"_id": "q1", "text": "which"}]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "qrels" / f"{split}.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq1\td2\t2\nq1\td1\t0\n", encoding="utf-8"
    )
    return folder


def test_beir_folder(tmp_path: Path) -> None:
    task = load_task(str(beir_folder(tmp_path / "mine")))
    assert task.name == "mine"
    assert [passage.embedding_text for passage in task.corpus] == ["One first", "second"]
    assert task.queries == {"q1": "which"}
    assert task.qrels == {"q1": {"d2": 2, "d1": 0}}
    assert task.relevant("q1") == {"d2"}


def test_beir_folder_without_a_test_split_says_which_it_read(tmp_path: Path) -> None:
    assert load_task(str(beir_folder(tmp_path / "mine", "dev"))).name == "mine (dev)"


@pytest.mark.parametrize("source", ["finanse", "", "  ", "missing/folder", "."])
def test_unknown_source_says_what_there_is(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # An empty name is not the working directory, even where that could be read.
    monkeypatch.chdir(tmp_path if source == "." else beir_folder(tmp_path))
    with pytest.raises(GapruneError) as caught:
        load_task(source)
    for word in (*STARTER_DOMAINS, "corpus.jsonl", "queries.jsonl", "qrels"):
        assert word in caught.value.hint
