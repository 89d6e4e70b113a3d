"""Queries that are passages themselves, and passages that the corpus lacks: what is searched, measured and mined."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gaprune_viz.data.beir import BeirData, read_beir
from gaprune_viz.data.mining import mine_rows
from gaprune_viz.data.schema import Notes
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.retrieval import compare, evaluate
from gaprune_viz.evaluation.splits import split_by_topic
from gaprune_viz.evaluation.task_sources import load_task
from tests.unit.data.sea import json_lines, judged, whole, write
from tests.unit.data.test_beir import bag_of_words


def own_documents(folder: Path, *, answered_by_itself: bool = False) -> Path:
    """Queries that are passages: each text is nearest to itself, and its answer is second."""
    texts = ["black tea", "black tea with milk", "green sea", "green sea with salt", "a far star"]
    rows = [{"_id": f"t{i}", "text": text} for i, text in enumerate(texts)]
    asked = [{"_id": "t0", "text": texts[0]}, {"_id": "t2", "text": texts[2]}]
    write(folder, "corpus.jsonl", json_lines(rows))
    write(folder, "queries.jsonl", json_lines(asked))
    write(folder, "qrels/test.tsv", "t0\tt1\t1\nt2\tt3\t1" + ("\nt2\tt2\t1" if answered_by_itself else ""))
    return folder


def scores(source: str) -> float:
    task = load_task(source)
    embedded = (
        bag_of_words(list(task.queries.values()), "query"),
        bag_of_words([p.embedding_text for p in task.corpus], "passage"),
    )
    found = evaluate(task, *embedded)
    comparison = compare(task, found, found)
    assert comparison.own_left_out == (2 if task.ignore_identical_ids else 0)
    assert comparison.overlap_at_10 == 1.0
    return found.means["ndcg_at_10"]


def test_a_query_that_is_a_passage_does_not_find_itself(tmp_path: Path) -> None:
    folder = str(own_documents(tmp_path / "tea"))
    second = 1 / np.log2(3)
    assert scores(folder) == 1.0
    assert scores(f"{folder}#identical-ids=leave-out") == 1.0
    assert scores(f"{folder}#identical-ids=keep") == pytest.approx(second)
    task = load_task(folder)
    assert task.name == "tea (own passages left out)"
    assert task.notes[-1].startswith("2 of 2 queries have the id of a passage, which is left out of what they find")
    kept = load_task(f"{folder}#identical-ids=keep")
    assert (kept.name, kept.ignore_identical_ids) == ("tea", False)
    assert kept.content_hash != task.content_hash
    with pytest.raises(GapruneError, match="no choice for identical ids"):
        load_task(f"{folder}#identical-ids=perhaps")


def test_ids_that_are_equal_by_chance_are_kept(tmp_path: Path) -> None:
    task = load_task(str(own_documents(tmp_path / "tea", answered_by_itself=True)))
    assert not task.ignore_identical_ids
    assert "is ranked like any other" in task.notes[-1]


def test_a_hash_of_a_collection_without_shared_ids_is_as_it_was(tmp_path: Path) -> None:
    task = load_task(str(whole(tmp_path / "sea")))
    assert task.own_passages == frozenset()
    assert load_task(f"{tmp_path / 'sea'}#identical-ids=leave-out").content_hash == task.content_hash


def test_the_parts_of_a_task_follow_it(tmp_path: Path) -> None:
    rows = [{"_id": f"t{i}", "text": f"word{i} tea"} for i in range(40)]
    write(tmp_path, "corpus.jsonl", json_lines(rows))
    write(tmp_path, "queries.jsonl", json_lines(rows[:20]))
    write(tmp_path, "qrels/test.tsv", "\n".join(f"t{i}\tt{i + 20}\t1" for i in range(20)))
    task = load_task(str(tmp_path))
    assert task.ignore_identical_ids
    assert all(part.ignore_identical_ids and part.notes == task.notes for part in split_by_topic(task))


def test_a_passage_that_is_missing_is_relevant_and_never_found(tmp_path: Path) -> None:
    folder = tmp_path / "sea"
    judged("{q}\t{d}\t{g}", "q0\tgone\t1")(folder)
    task = load_task(str(folder))
    embedded = (
        bag_of_words(list(task.queries.values()), "query"),
        bag_of_words([p.embedding_text for p in task.corpus], "passage"),
    )
    found = evaluate(task, *embedded).scores
    assert task.missing_documents == 1
    # One of two relevant passages can be found, as trec_eval counts it.
    assert found.loc["q0", "recall_at_10"] == 0.5
    assert found.loc["q0", "ndcg_at_10"] == pytest.approx(1 / (1 + 1 / np.log2(3)))


def test_mining_takes_neither_the_query_nor_its_own_passage(tmp_path: Path) -> None:
    data = read_beir(own_documents(tmp_path / "tea"))
    rows = list(mine_rows(data, bag_of_words, Notes(), negatives=3, margin=2.0))
    assert len(rows) == 2
    assert all(row.query not in (row.negatives, *list(row.negatives)) for row in rows)  # type: ignore[misc, call-overload]
    other = BeirData(
        {"a": ("", "black tea"), "b": ("", "black tea with milk"), "c": ("", "far")},
        {"q": "black tea"},
        {"q": {"b": 1}},
        "test",
    )
    (row,) = mine_rows(other, bag_of_words, Notes(), margin=2.0)
    assert row.negatives == ["far"]
