"""Any file at all, to every reader of uploads: an answer or one clear line, in five seconds.

A small number of cases here; `make fuzz` asks for 10,000 a reader.
"""

from __future__ import annotations

import bz2
import gzip
import io
import re
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from gaprune_viz.data.data_check import check_data
from gaprune_viz.data.preview import inspect_upload
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.study.document import open_study
from gaprune_viz.storage.csv_tables import escaped
from tests.odd import FUZZ, TEXTS, VALUES, asked, given, json_bytes, mutated, plain

KEYS = st.one_of(
    st.sampled_from(
        [
            *("query", "positive", "negative", "negatives", "negative_1", "anchor", "pos", "neg", "set", "texts"),
            *("question", "positive_ctxs", "negative_ctxs", "hard_negative_ctxs", "score", "sentence1", "sentence2"),
            *("positive_passages", "negative_passages", "relevant_passages", "hard_negatives"),
        ]
    ),
    TEXTS,
)
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
PASSAGES = st.one_of(VALUES, st.lists(st.fixed_dictionaries({"text": VALUES, "title": VALUES}), max_size=3))
LAYOUTS = st.sampled_from(
    [
        ("query", "pos", "neg"),
        ("anchor", "positive", "negative"),
        ("question", "positive_ctxs", "hard_negative_ctxs"),
        ("query", "positive_passages", "negative_passages"),
        ("anchor", "positive"),
        ("set",),
        ("texts",),
    ]
)
FILES["-nested.jsonl"] = mutated(
    LAYOUTS.flatmap(
        lambda names: st.lists(
            st.one_of(st.fixed_dictionaries(dict.fromkeys(names, PASSAGES)), st.lists(TEXTS, max_size=4)),
            max_size=5,
        )
    ).map(lambda rows: b"\n".join(map(json_bytes, rows)))
)
LETTERS = st.text(st.sampled_from('aé“€,;\t\n"α水\x00'), max_size=60)
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "cp1252", "latin-1", "cp1253"])
FILES["-encoded.csv"] = mutated(
    st.tuples(ENCODINGS, LETTERS).map(lambda case: ("query,positive,negative\n" + case[1]).encode(case[0], "replace"))
)
FILES["-triples.tsv"] = mutated(
    st.lists(st.lists(TEXTS, min_size=3, max_size=3), max_size=5).map(
        lambda rows: "\n".join("\t".join(row) for row in [["what is the sea?", "b", "c"], *rows]).encode(
            "utf-8", "surrogatepass"
        )
    )
)


@st.composite
def arrow(draw: st.DrawFn) -> bytes:
    names = draw(st.lists(st.sampled_from(["query", "positive", "negative", "x"]), min_size=1, unique=True))
    length = draw(st.integers(0, 5))
    column = st.one_of(
        st.lists(st.one_of(st.none(), st.text(max_size=9)), min_size=length, max_size=length),
        st.lists(st.lists(st.text(max_size=4), max_size=3), min_size=length, max_size=length),
    )
    table = pa.table({name: draw(column) for name in names})
    sink = io.BytesIO()
    packing = draw(st.sampled_from([None, "lz4", "zstd"]))
    kind = pa.ipc.new_file if draw(st.booleans()) else pa.ipc.new_stream
    with kind(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=packing)) as out:
        out.write_table(table)
    return sink.getvalue()


FILES[".arrow"] = st.one_of(arrow(), mutated(arrow()), st.binary(max_size=200).map(lambda b: b"ARROW1\0\0" + b))
FILES[".feather"] = FILES[".arrow"]
PACKED = {".gz": gzip.compress, ".bz2": bz2.compress, ".zst": lambda c: pa.compress(c, "zstd", asbytes=True)}
for _packing, _pack in PACKED.items():
    for _ending in (".jsonl", ".csv", ".parquet", ".arrow"):
        FILES[f"{_ending}{_packing}"] = st.one_of(mutated(FILES[_ending].map(_pack)), FILES[_ending].map(_pack))


@st.composite
def workbook(draw: st.DrawFn) -> bytes:
    import pandas as pd

    box, length = io.BytesIO(), draw(st.integers(0, 3))
    cells = st.one_of(
        st.none(), st.integers(-9, 9), st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]))
    )
    names = draw(st.lists(st.sampled_from(["query", "positive", "negative", "x"]), min_size=1, unique=True))
    frame = pd.DataFrame({n: draw(st.lists(cells, min_size=length, max_size=length)) for n in names})
    frame.to_excel(box, index=False)
    # The same at every hour; and a change inside a member, where no checksum finds it.
    changed = io.BytesIO()
    with zipfile.ZipFile(box) as old, zipfile.ZipFile(changed, "w", zipfile.ZIP_STORED) as new:
        struck = draw(st.sampled_from(["", *old.namelist()]))
        for name in old.namelist():
            content = re.sub(rb"\d{4}-\d\d-\d\dT[\d:]+Z", b"2000-01-01T00:00:00Z", old.read(name))
            new.writestr(zipfile.ZipInfo(name), draw(mutated(st.just(content))) if name == struck else content)
    return changed.getvalue()


FILES[".xlsx"] = st.one_of(workbook(), mutated(workbook()), st.binary(max_size=200))


@pytest.mark.parametrize("ending", FILES)
def test_a_file_of_any_content(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"upload{ending}"

    @FUZZ
    @given(FILES[ending])
    def read(content: bytes) -> None:
        path.write_bytes(content)
        for reader in (lambda: load_triplets(str(path)), lambda: inspect_upload(path), lambda: check_data(str(path))):
            try:
                found = reader()
            except GapruneError as error:
                plain(error)
            else:
                assert found is not None

    read()


def test_a_saved_set_of_any_content(tmp_path: Path) -> None:
    data = tmp_path / "data-00000-of-00001.arrow"
    state = {"_data_files": [{"filename": data.name}]}
    strange = st.fixed_dictionaries({"_data_files": VALUES}).map(json_bytes)

    @FUZZ
    @given(st.one_of(mutated(st.just(json_bytes(state))), strange, VALUES.map(json_bytes)), FILES[".arrow"])
    def read(document: bytes, content: bytes) -> None:
        (tmp_path / "state.json").write_bytes(document)
        data.write_bytes(content)
        asked(lambda: load_triplets(str(tmp_path)))
        asked(lambda: inspect_upload(tmp_path))

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
