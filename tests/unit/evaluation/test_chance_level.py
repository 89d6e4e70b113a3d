"""A model that searches no better than chance is told of, where it is compared and where it was calibrated."""

from __future__ import annotations

import numpy as np
import pytest
import pytrec_eval

from gaprune_viz.analysis.loss_check import guessing_note
from gaprune_viz.data.schema import PlainText, Triplet
from gaprune_viz.evaluation.chance_level import LEAST_ARRANGEMENTS, LEVEL, _worth, chance_of, remark
from gaprune_viz.evaluation.comparison import comparison_document
from gaprune_viz.evaluation.retrieval import Passage, RetrievalTask, compare, evaluate


def a_task(queries: int, passages: int) -> RetrievalTask:
    return RetrievalTask.of(
        "a task",
        [Passage(f"p{i:03}", f"text {i}") for i in range(passages)],
        {f"q{i:03}": f"query {i}" for i in range(queries)},
        {f"q{i:03}": {f"p{i:03}": 1, f"p{(i * 7) % passages:03}": 2} for i in range(queries)},
    )


def rows(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_worth_is_ndcg_as_trec_eval_has_it() -> None:
    task, rng = a_task(12, 40), np.random.default_rng(0)
    found = evaluate(task, rows(rng.normal(size=(12, 8))), rows(rng.normal(size=(40, 8))))
    tops = [[id for id, _ in ranking[:10]] for ranking in found.rankings.values()]
    worth = _worth(tops, [task.qrels[query] for query in found.rankings])
    np.testing.assert_allclose(np.diag(worth), found.scores["ndcg_at_10"], atol=1e-9)
    for row, top in enumerate(tops):
        run = {query: {id: float(-rank) for rank, id in enumerate(top)} for query in task.queries}
        theirs = pytrec_eval.RelevanceEvaluator(task.qrels, {"ndcg_cut.10"}).evaluate(run)
        np.testing.assert_allclose(worth[row], [theirs[q]["ndcg_cut_10"] for q in task.queries], atol=1e-9)


def test_a_model_at_chance_is_told_of_and_a_good_one_is_not() -> None:
    task, rng = a_task(60, 300), np.random.default_rng(1)
    corpus = rows(rng.normal(size=(300, 24)))
    aimed = np.stack([corpus[i] + corpus[(i * 7) % 300] for i in range(60)])
    good = evaluate(task, rows(aimed + 0.3 * rng.normal(size=aimed.shape)), corpus)
    bad = evaluate(task, rows(rng.normal(size=(60, 24))), corpus)
    above, at = chance_of(task, good), chance_of(task, bad)
    assert above.is_clear and above.p_value < 0.01 and above.observed > 0.5
    assert not at.is_clear and at.p_value > 0.05
    assert remark(above) == ""
    assert "does not search clearly better than chance" in remark(at) and "another pooling" in remark(at)
    assert compare(task, good, bad).remarks == ()
    told = compare(task, bad, good)
    assert told.remarks == (remark(at),)
    assert comparison_document(told)["remarks"] == [remark(at)]
    assert chance_of(task, bad) == at


def test_a_handful_of_queries_says_nothing() -> None:
    task = a_task(3, 10)
    found = evaluate(task, rows(np.ones((3, 4))), rows(np.ones((10, 4))))
    assert chance_of(task, found).is_clear


@pytest.mark.parametrize(
    ("queries", "passages", "enough"), [(6, 3, False), (6, 6, True), (5, 5, False), (30, 1, False)]
)
def test_queries_with_one_answer_count_once(queries: int, passages: int, enough: bool) -> None:
    """A perfect model: six queries on three passages can be handed out in 90 ways, of which too many are as good."""
    task = RetrievalTask.of(
        "a task",
        [Passage(f"p{i}", f"text {i}") for i in range(12)],
        {f"q{i:02}": f"query {i}" for i in range(queries)},
        {f"q{i:02}": {f"p{i % passages}": 1} for i in range(queries)},
    )
    corpus = np.eye(12, dtype=np.float32)
    perfect = evaluate(task, corpus[[i % passages for i in range(queries)]], corpus)
    chance = chance_of(task, perfect)
    assert chance.observed == 1.0 and remark(chance) == ""
    assert (chance.arrangements >= LEAST_ARRANGEMENTS) is enough
    assert not enough or chance.p_value <= LEVEL


def test_few_queries_with_one_ranking_for_all_are_at_chance() -> None:
    """What a plain language model does: every text in one direction, so that all queries get one ranking."""
    task = a_task(30, 100)
    found = evaluate(task, rows(np.ones((30, 4))), rows(np.ones((100, 4))))
    chance = chance_of(task, found)
    assert chance.p_value == 1.0
    assert chance.observed == pytest.approx(chance.expected)


def sample(negatives: int) -> Triplet:
    return Triplet("a", "b", ("c",) * negatives)


def test_a_loss_of_guessing_is_told_of() -> None:
    rng, samples = np.random.default_rng(0), [sample(1 + i % 3) for i in range(40)]
    guesses = np.log1p([len(s.negatives) for s in samples])
    told = guessing_note("mine", guesses + 0.1 * rng.normal(size=40), samples)
    assert told.startswith(f"mine: the loss, {guesses.mean():.2f}"[:-1])
    assert f"that of guessing, {guesses.mean():.3f}" in told
    assert guessing_note("mine", guesses + 3, samples)
    assert guessing_note("mine", 0.3 * guesses, samples) == ""
    assert guessing_note("mine", guesses[:4], samples[:4]) == ""
    texts = [PlainText("a text")] * 40
    assert guessing_note("texts", np.full(40, np.nan), texts) == ""
