"""Any content at all in collections, judgements and archives: an answer or one clear line, in five seconds."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import strategies as st

from gaprune_viz.data.beir import read_beir
from gaprune_viz.data.data_check import check_data
from gaprune_viz.data.preview import inspect_upload
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.task_sources import load_task
from tests.odd import FUZZ, TEXTS, VALUES, asked, given, json_bytes, mutated, plain

# zipfile itself writes no others.
NAMES = TEXTS.filter(lambda text: "\ud800" not in text and "\x00" not in text)


@st.composite
def archive(draw: st.DrawFn) -> bytes:
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w", zipfile.ZIP_DEFLATED) as file:
        for number, name in enumerate(draw(st.lists(NAMES, max_size=3))):
            file.writestr(f"{name}{number}", draw(st.binary(max_size=60)))
    return box.getvalue()


# None of them is a collection, whatever it calls itself.
ARCHIVES = st.tuples(st.sampled_from([".zip", ".jsonl", ".csv", ".parquet", ".npz", ""]), mutated(archive()))


def test_an_archive_of_any_content(tmp_path: Path) -> None:
    @FUZZ
    @given(ARCHIVES)
    def read(case: tuple[str, bytes]) -> None:
        path = tmp_path / f"upload{case[0]}"
        path.write_bytes(case[1])
        for reader in (lambda: load_triplets(str(path)), lambda: inspect_upload(path)):
            with pytest.raises(GapruneError) as caught:
                found = reader()
                raise GapruneError(getattr(found, "problem", "") or "It was taken.")
            plain(caught.value)
            assert "It was taken." not in str(caught.value)

    read()


def test_a_zip_of_any_collection(tmp_path: Path) -> None:
    path = tmp_path / "upload.zip"

    @FUZZ
    @given(mutated(collection()))
    def read(content: bytes) -> None:
        path.write_bytes(content)
        for reader in (lambda: load_task(str(path)), lambda: inspect_upload(path), lambda: check_data(str(path))):
            asked(reader)

    read()


@st.composite
def collection(draw: st.DrawFn) -> bytes:
    box = io.BytesIO()
    names = ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv", "corpus.tsv", "queries.tsv", "../x", "/etc/x"]
    with zipfile.ZipFile(box, "w", zipfile.ZIP_DEFLATED) as file:
        for name in draw(st.lists(st.sampled_from(names), unique=True)):
            content = draw(QRELS if "qrels" in name else LINES)
            # Of no hour: what is drawn from it must not change with the clock.
            place = zipfile.ZipInfo(f"{draw(st.sampled_from(['', 'sea/', 'sea/', 'other/']))}{name}")
            file.writestr(place, content)
    return box.getvalue()


TREC = st.lists(st.lists(st.sampled_from(["1", "2", "0", "1.0", "0.5", "x", "0017"]), max_size=5), max_size=5)
JUDGEMENTS = {
    "test.tsv": TREC.map(lambda rows: "\n".join("\t".join(row) for row in rows).encode()),
    "test.txt": TREC.map(lambda rows: "\n".join(" ".join(row) for row in rows).encode()),
    "test.json": st.one_of(VALUES.map(json_bytes), st.dictionaries(st.sampled_from("12"), VALUES).map(json_bytes)),
    "test.jsonl": st.lists(
        st.fixed_dictionaries({"query-id": VALUES, "corpus-id": VALUES, "score": VALUES}), max_size=4
    ).map(lambda rows: b"\n".join(map(json_bytes, rows))),
}


@pytest.mark.parametrize("name", JUDGEMENTS)
def test_judgements_of_any_content(name: str, tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    for file in ("corpus.jsonl", "queries.jsonl"):
        (tmp_path / file).write_bytes(b"\n".join(json_bytes({"_id": str(i), "text": f"text {i}"}) for i in range(3)))

    @FUZZ
    @given(mutated(JUDGEMENTS[name]))
    def read(content: bytes) -> None:
        (tmp_path / "qrels" / name).write_bytes(content)
        asked(lambda: read_beir(tmp_path))
        asked(lambda: load_task(str(tmp_path)))

    read()


LINES = st.lists(
    st.one_of(
        st.fixed_dictionaries({"_id": st.sampled_from(["1", "2", 3, "", "=1", None]), "text": TEXTS, "title": TEXTS}),
        st.dictionaries(st.sampled_from(["_id", "text", "title"]), VALUES),
        VALUES,
    ),
    max_size=5,
).map(lambda rows: b"\n".join(map(json_bytes, rows)))
QRELS = st.lists(st.lists(st.sampled_from(["1", "2", "3", "0", "-1", "x", "", "9" * 30]), max_size=4), max_size=5).map(
    lambda rows: "\n".join("\t".join(row) for row in rows).encode()
)


def test_a_beir_folder_of_any_content(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()

    @FUZZ
    @given(mutated(LINES), mutated(LINES), mutated(QRELS))
    def read(corpus: bytes, queries: bytes, qrels: bytes) -> None:
        for name, content in (("corpus.jsonl", corpus), ("queries.jsonl", queries), ("qrels/test.tsv", qrels)):
            (tmp_path / name).write_bytes(content)
        for reader in (lambda: read_beir(tmp_path), lambda: inspect_upload(tmp_path)):
            try:
                assert reader() is not None
            except GapruneError as error:
                plain(error)

    read()
