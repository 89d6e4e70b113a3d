"""Every row of the last table of docs/data.md, and archives that mean harm."""

from __future__ import annotations

import gzip
import io
import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gaprune_viz.data.beir import BeirData, read_beir
from gaprune_viz.data.collections import opening
from gaprune_viz.data.mining import mine_rows
from gaprune_viz.data.preview import inspect_upload
from gaprune_viz.data.schema import Notes
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.retrieval import compare, evaluate
from gaprune_viz.evaluation.splits import split_by_topic
from gaprune_viz.evaluation.task_sources import load_task
from tests.unit.data.test_beir import bag_of_words
from tests.unit.data.test_shapes import rows_of

CORPUS = {f"d{i}": ("", f"text {i} of the sea") for i in range(30)}
QUERIES = {f"q{i}": f"text {i}" for i in range(30)}
QRELS = {f"q{i}": {f"d{i}": 1} for i in range(30)}


def json_lines(rows: list[dict[str, Any]]) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


def write(folder: Path, name: str, content: str | bytes) -> None:
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content if isinstance(content, bytes) else content.encode())


def corpus(folder: Path, extra: list[dict[str, Any]] = []) -> None:  # noqa: B006
    rows = [{"_id": id, "title": title, "text": text} for id, (title, text) in CORPUS.items()]
    write(folder, "corpus.jsonl", json_lines(rows + extra))


def queries(folder: Path, extra: list[dict[str, Any]] = []) -> None:  # noqa: B006
    write(folder, "queries.jsonl", json_lines([{"_id": id, "text": text} for id, text in QUERIES.items()] + extra))


def qrels(folder: Path, *more: str, name: str = "qrels/test.tsv", form: str = "{q}\t{d}\t{g}", head: str = "") -> None:
    lines = [form.format(q=q, d=d, g=g) for q, grades in QRELS.items() for d, g in grades.items()]
    write(folder, name, "\n".join([*([head] if head else []), *lines, *more]))


def whole(folder: Path, *skip: str) -> Path:
    for part in (corpus, queries, qrels):
        if part.__name__ not in skip:
            part(folder)
    return folder


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


def zipped(folder: Path, members: dict[str, bytes] | None = None) -> None:
    """The folder as one file of its name, which is what is given."""
    place = whole(folder.parent / "inside" / "beir-sea")
    files = {f"beir-sea/{f.relative_to(place).as_posix()}": f.read_bytes() for f in place.rglob("*") if f.is_file()}
    with zipfile.ZipFile(folder, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (files | {"__MACOSX/._x": b"x"} if members is None else members).items():
            archive.writestr(name, content)


def make(*parts: Callable[[Path], None]) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        for part in parts:
            part(folder)

    return run


def judged(form: str = "{q}\t{d}\t{g}", *more: str, head: str = "", name: str = "qrels/test.tsv") -> Any:
    return make(corpus, queries, lambda folder: qrels(folder, *more, form=form, head=head, name=name))


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
    with opening.collection_folder(place) as folder:
        expected(read_beir(folder, ("test", "dev")))
    task, found, preview = (reader() for reader in readers)
    assert getattr(task, "qrels", None)
    assert getattr(found, "triplets", None)
    assert getattr(preview, "kept", None) == 30
    assert not list(Path(tmp_path).glob("gaprune-zip-*"))


def climbing(name: str) -> bytes:
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w") as archive:
        archive.writestr("sea/corpus.jsonl", b"{}")
        archive.writestr(name, b"x")
    return box.getvalue()


@pytest.mark.parametrize("name", ["../x", "sea/../../x", "/etc/x", "C:/x", "sea\\..\\x", "sea/qrels/../../../x"])
def test_an_archive_with_a_path_that_leads_outside(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(climbing(name))
    with pytest.raises(GapruneError, match="leads outside"):
        load_task(str(tmp_path / "a.zip"))
    assert [f.name for f in tmp_path.iterdir()] == ["a.zip"]


def test_an_archive_with_a_link(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("sea/corpus.jsonl")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(GapruneError, match="a link"):
        load_task(str(tmp_path / "a.zip"))


def test_an_archive_that_gets_too_large_is_stopped_as_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zipped(tmp_path / "sea.zip")
    monkeypatch.setattr(opening, "MAX_FILE_BYTES", 500)
    with pytest.raises(GapruneError, match="when unpacked"):
        load_task(str(tmp_path / "sea.zip"))
    monkeypatch.undo()
    monkeypatch.setattr(opening, "MAX_UNCOMPRESSED_BYTES", 2_000)
    with pytest.raises(GapruneError, match="when unpacked"):
        load_task(str(tmp_path / "sea.zip"))


def test_an_archive_of_too_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zipped(tmp_path / "sea.zip")
    monkeypatch.setattr(opening, "MAX_MEMBERS", 2)
    with pytest.raises(GapruneError, match="more than 2 files"):
        load_task(str(tmp_path / "sea.zip"))
    monkeypatch.setattr(opening, "_DIRECTORY_BYTES", 100)
    with pytest.raises(GapruneError, match="lists more files"):
        load_task(str(tmp_path / "sea.zip"))


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
