"""Tasks from the starter collections and from BEIR folders, and how their texts are embedded."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from gaprune_viz.config import STARTER_DOMAINS
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.evaluation.retrieval import evaluate
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import Passage, RetrievalTask, TaskEmbeddings, encode_task
from tests.hand_made import angle


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
