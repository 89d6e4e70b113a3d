"""Any file at all, to every reader of uploads: an answer or one clear line, in five seconds.

A small number of cases here; `make fuzz` asks for 10,000 a reader.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from gaprune_viz.data.beir import read_beir
from gaprune_viz.data.preview import inspect_upload
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.study.document import open_study
from gaprune_viz.storage.csv_tables import escaped
from tests.odd import FUZZ, TEXTS, VALUES, given, json_bytes, mutated, plain

KEYS = st.one_of(st.sampled_from(["query", "positive", "negative", "negatives", "negative_1", "anchor"]), TEXTS)
ROWS = st.lists(st.one_of(st.dictionaries(KEYS, VALUES, max_size=6), VALUES), max_size=6)
GOOD = {"query": "a", "positive": "b", "negative": "c"}


@st.composite
def parquet(draw: st.DrawFn) -> bytes:
    names = draw(st.lists(st.sampled_from(["query", "positive", "negative", "x", "="]), min_size=1, unique=True))
    length = draw(st.integers(0, 5))
    column = st.one_of(
        st.lists(st.one_of(st.none(), st.text(max_size=9)), min_size=length, max_size=length),
        st.lists(st.integers(-9, 9), min_size=length, max_size=length),
        st.lists(st.binary(max_size=9), min_size=length, max_size=length),
        st.lists(st.lists(st.text(max_size=4), max_size=3), min_size=length, max_size=length),
    )
    table = pa.table({name: draw(column) for name in names})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression=draw(st.sampled_from(["none", "snappy", "zstd"])))
    return sink.getvalue()


NESTED = st.integers(0, 60_000).map(lambda depth: b'{"a":' * depth)
SEPARATORS = st.sampled_from([",", ";", "\t"])
FILES: dict[str, st.SearchStrategy[bytes]] = {
    ".jsonl": st.one_of(
        st.binary(max_size=300),
        mutated(st.lists(VALUES, max_size=6).map(lambda rows: b"\n".join(map(json_bytes, [GOOD, GOOD, *rows])))),
        ROWS.map(lambda rows: b"\n".join(map(json_bytes, rows))),
        st.integers(0, 60_000).map(lambda depth: b"[" * depth),
    ),
    ".json": st.one_of(
        st.binary(max_size=300),
        mutated(ROWS.map(lambda rows: json_bytes([GOOD, GOOD, *rows]))),
        ROWS.map(json_bytes),
        st.integers(0, 60_000).map(lambda depth: b'[{"a":' * depth),
    ),
    ".csv": st.one_of(
        st.binary(max_size=300),
        mutated(
            st.tuples(SEPARATORS, st.lists(st.lists(TEXTS, max_size=5), max_size=5)).map(
                lambda case: "\n".join(
                    case[0].join(row) for row in [["query", "positive", "negative"], *case[1]]
                ).encode("utf-8", "surrogatepass")
            )
        ),
        st.sampled_from([b"\xff\xfeq\x00,\x00", b'"' * 4_000, b"a,b\n" + b"x," * 40_000]),
    ),
    ".parquet": st.one_of(mutated(parquet()), parquet(), st.binary(max_size=200).map(lambda b: b"PAR1" + b + b"PAR1")),
}
FILES[".tsv"] = FILES[".csv"]


# zipfile itself writes no others.
NAMES = TEXTS.filter(lambda text: "\ud800" not in text and "\x00" not in text)


@st.composite
def archive(draw: st.DrawFn) -> bytes:
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w", zipfile.ZIP_DEFLATED) as file:
        for number, name in enumerate(draw(st.lists(NAMES, max_size=3))):
            file.writestr(f"{name}{number}", draw(st.binary(max_size=60)))
    return box.getvalue()


# No archive is ever opened, whatever it calls itself.
ARCHIVES = st.tuples(st.sampled_from([".zip", ".jsonl", ".csv", ".parquet", ".npz", ""]), mutated(archive()))


@pytest.mark.parametrize("ending", FILES)
def test_a_file_of_any_content(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"upload{ending}"

    @FUZZ
    @given(FILES[ending])
    def read(content: bytes) -> None:
        path.write_bytes(content)
        for reader in (lambda: load_triplets(str(path)), lambda: inspect_upload(path)):
            try:
                found = reader()
            except GapruneError as error:
                plain(error)
            else:
                assert found is not None

    read()


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


def test_a_study_of_any_content(tmp_path: Path) -> None:
    whole = (Path(__file__).resolve().parents[3] / "assets" / "study" / "finance.json").read_bytes()
    path = tmp_path / "study.json"

    @FUZZ
    @given(st.one_of(mutated(st.just(whole)), VALUES.map(json_bytes), st.binary(max_size=200), NESTED))
    def read(content: bytes) -> None:
        path.write_bytes(content)
        try:
            assert open_study(path)["rows"]
        except GapruneError as error:
            plain(error)

    read()


@FUZZ
@given(TEXTS)
def test_a_cell_never_begins_a_formula(text: str) -> None:
    cell = str(escaped(text)).lstrip(" ")
    assert not cell.startswith(("=", "@", "\t", "\r")) or cell == ""
