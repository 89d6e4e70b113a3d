"""BEIR folders: the low-level reader, and mined hard negatives."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from gaprune_viz.data.beir import EVALUATION_SPLITS, read_beir
from gaprune_viz.data.mining import mine_rows
from gaprune_viz.data.preview import inspect_upload
from gaprune_viz.data.schema import Notes, Triplet
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.errors import GapruneError

CORPUS = [
    {"_id": "d1", "title": "Tea", "text": "black tea and green tea"},
    {"_id": "d2", "title": "", "text": "green tea leaves"},
    {"_id": "d3", "text": "a train to the sea"},
    {"_id": "d4", "title": "Empty", "text": ""},
]
QUERIES = [
    {"_id": "q1", "text": "black tea"},
    {"_id": "q2", "text": "train sea"},
    {"_id": "q3", "text": "never judged"},
]
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td3\t0\nq2\td3\t2\n"


def write_folder(
    folder: Path, corpus: Sequence[object] = CORPUS, queries: Sequence[object] = QUERIES, **qrels: str
) -> Path:
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    for name, rows in (("corpus", corpus), ("queries", queries)):
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
    for split, text in (qrels or {"test": QRELS}).items():
        (folder / "qrels" / f"{split}.tsv").write_text(text)
    return folder


def bag_of_words(texts: Sequence[str], kind: str) -> np.ndarray:
    """Unit rows that are near where texts share words: a small honest embedding."""
    assert kind in ("query", "passage")
    rows = np.zeros((len(texts), 512), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        row[0] = 0.01
        for word in re.findall(r"\w+", text.lower()):
            row[1 + zlib.crc32(word.encode()) % 511] += 1
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_reads_everything(tmp_path: Path) -> None:
    data = read_beir(write_folder(tmp_path), "test")
    assert data.corpus == {
        "d1": ("Tea", "black tea and green tea"),
        "d2": ("", "green tea leaves"),
        "d3": ("", "a train to the sea"),
        "d4": ("Empty", ""),
    }
    assert list(data.queries) == ["q1", "q2", "q3"]
    assert data.qrels == {"q1": {"d1": 1, "d3": 0}, "q2": {"d3": 2}}
    assert data.split == "test"


def test_splits_by_preference(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, dev=QRELS, test=QRELS)
    assert read_beir(folder).split == "dev"
    assert read_beir(folder, EVALUATION_SPLITS).split == "test"
    write_folder(tmp_path, train=QRELS)
    assert read_beir(folder).split == "train"
    with pytest.raises(GapruneError, match=r"none of other.tsv; it holds dev.tsv, test.tsv, train.tsv"):
        read_beir(folder, "other")
    with pytest.raises(GapruneError, match="no name of a split"):
        read_beir(folder, "../train")


def test_qrels_without_header_and_numeric_ids(tmp_path: Path) -> None:
    corpus = [{"_id": 1, "text": "x"}, {"_id": 2, "text": "y"}]
    data = read_beir(write_folder(tmp_path, corpus, [{"_id": 7, "text": "q"}], test="7\t1\t1\n7\t1\t1\n7\t2\t0"))
    assert data.qrels == {"7": {"1": 1, "2": 0}}


@pytest.mark.parametrize(
    ("qrels", "words"),
    [
        (QRELS + "q9\td1\t1", "line 5: the query 'q9' is not in queries.jsonl"),
        (QRELS + "q1\td9\t1", "line 5: the passage 'd9' is not in corpus.jsonl"),
        (QRELS + "q1\td1", "line 5: 2 fields"),
        (QRELS + "q1 d1 1", "line 5: 1 fields"),
        (QRELS + "q1\td1\tyes", "line 5: the score 'yes'"),
        (QRELS + "q1\td1\t3", "line 5: 'q1' and 'd1' were given another score"),
        ("query-id\tcorpus-id\tscore\nq1\td1\t0\n", "names no relevant passage"),
        ("query-id\tcorpus-id\tscore\n", "names no relevant passage"),
        ("", "test.tsv is empty"),
    ],
)
def test_bad_qrels(tmp_path: Path, qrels: str, words: str) -> None:
    with pytest.raises(GapruneError) as caught:
        read_beir(write_folder(tmp_path, test=qrels))
    assert words in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("corpus", "queries", "words"),
    [
        ([*CORPUS, {"_id": "d1", "text": "again"}], QUERIES, "corpus.jsonl, line 5: the _id 'd1' is used twice"),
        ([*CORPUS, {"text": "x"}], QUERIES, "corpus.jsonl, line 5: _id is missing"),
        ([*CORPUS, {"_id": "d5"}], QUERIES, "corpus.jsonl, line 5: text is missing"),
        ([*CORPUS, {"_id": "d5", "text": "x", "title": 3}], QUERIES, "line 5: title is a number"),
        ([*CORPUS, "{"], QUERIES, "corpus.jsonl, line 5: not valid JSON"),
        (["", ""], QUERIES, "corpus.jsonl holds no passages"),
        ([], QUERIES, "corpus.jsonl is empty"),
        (CORPUS, [*QUERIES, {"_id": "q4", "text": " "}], "queries.jsonl, line 4: the query is empty"),
        (CORPUS, [*QUERIES, {"_id": True, "text": "x"}], "queries.jsonl, line 4: _id is missing"),
        (CORPUS, [*QUERIES, {"_id": "q4", "text": "\ud800"}], "line 4: text holds half a character"),
        (CORPUS, ["\n"], "queries.jsonl holds no queries"),
    ],
)
def test_bad_corpus_and_queries(tmp_path: Path, corpus: list[object], queries: list[object], words: str) -> None:
    with pytest.raises(GapruneError) as caught:
        read_beir(write_folder(tmp_path, corpus, queries))
    assert words in caught.value.message
    assert caught.value.hint


def test_missing_files(tmp_path: Path) -> None:
    (write_folder(tmp_path) / "queries.jsonl").unlink()
    with pytest.raises(GapruneError, match=r"has no queries.jsonl"):
        read_beir(tmp_path)
    write_folder(tmp_path)
    (tmp_path / "qrels" / "test.tsv").unlink()
    with pytest.raises(GapruneError, match="it holds nothing"):
        read_beir(tmp_path)


def test_mined_triplets(tmp_path: Path) -> None:
    found = load_triplets(str(write_folder(tmp_path / "teas")), embed=bag_of_words)
    assert found.name == "teas"
    assert found.report.source == "teas (BEIR, split test, mined hard negatives)"
    assert found.triplets[0] == Triplet("black tea", "Tea black tea and green tea", ("green tea leaves",))
    assert found.triplets[1].positive == "a train to the sea"
    assert (found.report.rows, found.report.kept) == (2, 2)


def test_model_is_required(tmp_path: Path) -> None:
    with pytest.raises(GapruneError, match="found with a model"):
        load_triplets(str(write_folder(tmp_path)))


def test_queries_without_negatives_are_dropped_and_named(tmp_path: Path) -> None:
    # Nothing but passages as good as the positive (the same words): all of them may be relevant.
    corpus = [{"_id": f"d{i}", "text": text} for i, text in enumerate(["tea tea", "tea", "tea tea tea", "sea", "sky"])]
    queries = [{"_id": "q1", "text": "tea"}, {"_id": "q2", "text": "sea"}, {"_id": "q3", "text": "sky"}]
    data = read_beir(write_folder(tmp_path, corpus, queries, test="q1\td0\t1\nq2\td3\t1\nq3\td4\t1"))
    notes = Notes()
    rows = list(mine_rows(data, bag_of_words, notes))
    assert {row.query: row.negatives for row in rows}["tea"] in (["sea"], ["sky"])
    only_teas = read_beir(write_folder(tmp_path, corpus[:3], queries[:1], test="q1\td0\t1"))
    assert list(mine_rows(only_teas, bag_of_words, notes)) == []
    assert notes.all() == ("query q1: no other passage scores below 95% of its positive",)


def test_unusable_positives_are_noted(tmp_path: Path) -> None:
    corpus = [{"_id": "long", "text": "tea " * 6000}, {"_id": "void", "text": ""}, {"_id": "d", "text": "sea"}]
    queries = [{"_id": f"q{i}", "text": "tea"} for i in range(2)]
    data = read_beir(write_folder(tmp_path, corpus, queries, test="q0\tlong\t1\nq1\tvoid\t1"))
    notes = Notes()
    assert list(mine_rows(data, bag_of_words, notes)) == []
    assert notes.total == 2
    assert "longer than 20,000" in notes.lines[0]


@pytest.mark.parametrize("seed", range(5))
def test_negatives_are_never_relevant_and_always_below_the_margin(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    words = [f"w{i}" for i in range(40)]
    corpus = [{"_id": f"d{i}", "text": " ".join(rng.choice(words, 8))} for i in range(60)]
    corpus.append({"_id": "copy", "text": corpus[0]["text"]})
    queries = [{"_id": f"q{i}", "text": " ".join(corpus[i]["text"].split()[:3])} for i in range(20)]
    qrels = "\n".join(f"q{i}\td{j}\t1" for i in range(20) for j in (i, (i + 7) % 60))
    data = read_beir(write_folder(tmp_path, corpus, queries, test=qrels))
    rows = list(mine_rows(data, bag_of_words, Notes(), negatives=3, seed=seed))
    assert len(rows) >= 15
    assert rows == list(mine_rows(data, bag_of_words, Notes(), negatives=3, seed=seed))
    for row in rows:
        query = row.place.removeprefix("query ")
        relevant = {data.corpus[name][1] for name in data.qrels[query]}
        assert isinstance(row.negatives, list)
        assert isinstance(row.positive, str)
        assert row.positive in relevant
        assert relevant.isdisjoint(row.negatives)
        vectors = bag_of_words([str(row.query), row.positive, *row.negatives], "query")
        scores = vectors[1:] @ vectors[0]
        assert (scores[1:] < 0.95 * scores[0] + 1e-6).all()
        # Best first, and nothing better was passed over.
        assert (np.diff(scores[1:]) <= 1e-6).all()
        others = [text for _, text in data.corpus.values() if text not in relevant and text not in row.negatives]
        rest = bag_of_words(others, "passage") @ vectors[0]
        assert not ((rest > scores[-1] + 1e-6) & (rest < 0.95 * scores[0] - 1e-6)).any()


def test_infinite_embeddings(tmp_path: Path) -> None:
    def broken(texts: Sequence[str], kind: str) -> np.ndarray:
        return np.full((len(texts), 4), np.nan, dtype=np.float32)

    with pytest.raises(GapruneError, match="no finite numbers"):
        load_triplets(str(write_folder(tmp_path)), embed=broken)


def test_preview_of_a_folder(tmp_path: Path) -> None:
    preview = inspect_upload(write_folder(tmp_path / "teas"))
    assert (preview.name, preview.kind, preview.rows) == ("teas", "BEIR", 2)
    assert preview.table[0] == ("black tea", "Tea black tea and green tea")
    assert not preview.needs_mapping
    with pytest.raises(GapruneError, match="BEIR"):
        inspect_upload(tmp_path)
