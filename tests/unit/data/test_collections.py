"""Every row of the last table of docs/data.md: a collection, and what becomes of it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gaprune_viz.data.beir import BeirData, read_beir
from gaprune_viz.data.collections import archives
from gaprune_viz.data.preview import inspect_upload
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.task_sources import load_task
from tests.unit.data.sea import (
    CORPUS,
    QRELS,
    QUERIES,
    corpus,
    json_lines,
    judged,
    make,
    qrels,
    queries,
    whole,
    write,
    zipped,
)
from tests.unit.data.test_beir import bag_of_words
from tests.unit.data.test_shapes import rows_of


def same(data: BeirData) -> None:
    assert (data.corpus, data.queries, data.qrels, data.split) == (CORPUS, QUERIES, QRELS, "test")


def same_said(*words: str) -> Callable[[BeirData], None]:
    def check(data: BeirData) -> None:
        same(data)
        assert all(word in " ".join(data.notes) for word in words), data.notes

    return check


def tables(ending: str, pack: Callable[[bytes], bytes] | None = None) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        qrels(folder)
        passages = pd.DataFrame([{"_id": id, "title": title, "text": text} for id, (title, text) in CORPUS.items()])
        asked = pd.DataFrame([{"_id": id, "text": text} for id, text in QUERIES.items()])
        for name, frame in (("corpus", passages), ("queries", asked)):
            place = folder / f"{name}.{ending}"
            place.parent.mkdir(exist_ok=True)
            if ending == "parquet":
                frame.to_parquet(place)
            elif ending in ("arrow", "feather"):
                frame.to_feather(place)
            elif ending in ("json", "jsonl"):
                frame.to_json(place, orient="records", lines=ending == "jsonl")
            else:
                frame.to_csv(place, index=False, sep="\t" if ending == "tsv" else ",")
            if pack is not None:
                place.with_name(f"{place.name}.gz").write_bytes(pack(place.read_bytes()))
                place.unlink()

    return make


def without_header(folder: Path) -> None:
    qrels(folder)
    write(folder, "collection.tsv", "\n".join(f"{id}\t{text}" for id, (_, text) in CORPUS.items()))
    write(folder, "queries.tsv", "\n".join(f"{id}\t{text}" for id, text in QUERIES.items()))


def pyserini(folder: Path) -> None:
    whole(folder, "corpus")
    write(folder, "documents.jsonl", json_lines([{"id": id, "contents": text} for id, (_, text) in CORPUS.items()]))


def document(value: object, name: str = "qrels/test.json") -> Any:
    return make(corpus, queries, lambda folder: write(folder, name, json.dumps(value)))


def missing(data: BeirData) -> None:
    assert data.qrels == {**QRELS, "q0": {"d0": 1, "gone": 1}}
    assert data.missing_documents == 1
    assert [note for note in data.notes if "not in the corpus ('gone')" in note] == list(data.notes)


def left_out(*words: str) -> Callable[[BeirData], None]:
    def check(data: BeirData) -> None:
        assert data.qrels == QRELS
        assert all(word in " ".join(data.notes) for word in words), data.notes

    return check


def dev(data: BeirData) -> None:
    assert (data.qrels, data.split) == (QRELS, "dev")


ROWS = [{"query-id": q, "corpus-id": d, "score": g} for q, grades in QRELS.items() for d, g in grades.items()]
CASES: dict[str, list[tuple[Callable[[Path], Any], Callable[[BeirData], None] | str]]] = {
    "BEIR": [(whole, same)],
    "zip": [(zipped, same)],
    "zip of something else": [
        (lambda folder: zipped(folder, {"a.txt": b"x"}), "holds no BEIR folder"),
        (lambda folder: zipped(folder, {"a/corpus.jsonl": b"{}", "b/corpus.jsonl": b"{}"}), "several collections"),
        (lambda folder: folder.write_bytes(b"no zip"), "no whole zip archive"),
    ],
    "corpus, queries": [
        *((tables(ending), same) for ending in ("jsonl", "json", "tsv", "csv", "parquet", "arrow", "feather")),
        (tables("jsonl", gzip.compress), same),
        (tables("tsv", gzip.compress), same),
    ],
    "corpus, queries without header": [(without_header, same_said("collection.tsv has no header", "_id, text"))],
    "Pyserini": [(pyserini, same)],
    "qrels": [
        (judged(head="query-id\tcorpus-id\tscore"), same),
        (judged("{q}\t{d}\t{g}.0"), same),
        (judged("{q},{d},{g}", head="query-id,corpus-id,score", name="qrels/test.csv"), same),
    ],
    "TREC qrels": [
        (judged("{q} 0 {d} {g}", name="qrels/test.txt"), same),
        (judged("{q}\tQ0\t{d}\t{g}"), same),
        (judged("{q}  0\t{d} {g}", name="qrels/test.trec"), "fields where"),
    ],
    "JSON qrels": [
        (document(QRELS), same),
        (document({q: list(grades) for q, grades in QRELS.items()}), same),
        (document(ROWS), same),
        (make(corpus, queries, lambda folder: write(folder, "qrels/test.jsonl", json_lines(ROWS))), same),
    ],
    "qrels beside the corpus": [
        (judged(name="qrels.tsv"), same),
        (judged(name="qrels.dev.tsv"), dev),
    ],
    "scores between": [(judged("{q}\t{d}\t0.5", "q0\td1\t1"), "the score '0.5' is no whole number")],
    "judged passages that the corpus lacks": [
        (judged("{q}\t{d}\t{g}", "q0\tgone\t1"), missing),
        (judged("{q}\t{d}\t{g}", "q0\tgone\t1", "q0\taway\t1"), "line 31: the passage 'gone' is not in corpus.jsonl"),
    ],
    "queries that are unknown, empty or null": [
        (judged("{q}\t{d}\t{g}", "who\td1\t1"), left_out("1 queries that are not there were left out ('who')")),
        (judged("{q}\t{d}\t{g}", "who\td1\t1", "what\td1\t1"), "line 31: the query 'who' is not in queries.jsonl"),
        (
            make(corpus, lambda f: queries(f, [{"_id": "e", "text": " "}]), lambda f: qrels(f, "e\td1\t1")),
            left_out("queries.jsonl, line 31: the query is empty: left out"),
        ),
        (make(corpus, lambda f: queries(f, [{"_id": "e", "text": None}]), qrels), left_out("line 31")),
        (
            make(corpus, lambda f: queries(f, [{"_id": x, "text": ""} for x in "ef"]), qrels),
            "queries.jsonl, line 31: the query is empty",
        ),
    ],
    "a row that is given twice": [
        (
            make(lambda f: corpus(f, [{"_id": "d3", "text": "text 3 of the sea"}]), queries, qrels),
            same_said("corpus.jsonl, line 31: the same as the row of 'd3' before: left out"),
        ),
    ],
    "one id, two texts or grades": [
        (make(lambda f: corpus(f, [{"_id": "d3", "text": "other"}]), queries, qrels), "the _id 'd3' is used twice"),
        (make(corpus, lambda f: queries(f, [{"_id": "q3", "text": "other"}]), qrels), "the _id 'q3' is used twice"),
        (judged("{q}\t{d}\t{g}", "q3\td3\t2"), "were given another score above"),
    ],
    "leading zeros": [
        (make(lambda f: corpus(f, [{"_id": "17", "text": "x"}]), queries, lambda f: qrels(f, *ZEROS)), "There is '17'"),
        (
            make(lambda f: corpus(f, [{"_id": "0018", "text": "x"}]), queries, lambda f: qrels(f, *BARE)),
            "There is '0018'",
        ),
    ],
}
ZEROS, BARE = ("q0\t0017\t1", "q1\t0016\t1", "q2\t0015\t1"), ("q0\t18\t1", "q1\t19\t1", "q2\t20\t1")
ALL = [(row, *case) for row, cases in CASES.items() for case in cases]


def test_every_row_of_the_document_is_tried() -> None:
    assert rows_of("Collections") == list(CASES)


@pytest.mark.parametrize(("row", "write_it", "expected"), ALL, ids=[f"{c[0]}-{i}" for i, c in enumerate(ALL)])
def test_a_collection(
    row: str, write_it: Callable[[Path], None], expected: Callable[[BeirData], None] | str, tmp_path: Path
) -> None:
    place = tmp_path / ("sea.zip" if row.startswith("zip") else "sea")
    write_it(place)
    readers: tuple[Callable[[], object], ...] = (
        lambda: load_task(str(place), split=("test", "dev")),
        lambda: load_triplets(str(place), embed=bag_of_words),
        lambda: inspect_upload(place),
    )
    if isinstance(expected, str):
        for reader in readers:
            with pytest.raises(GapruneError) as caught:
                reader()
            assert expected in str(caught.value)
            assert caught.value.hint
        return
    with archives.collection_folder(place) as folder:
        expected(read_beir(folder, ("test", "dev")))
    task, found, preview = (reader() for reader in readers)
    assert getattr(task, "qrels", None)
    assert getattr(found, "triplets", None)
    assert getattr(preview, "kept", None) == 30
    assert not list(Path(tmp_path).glob("gaprune-zip-*"))
