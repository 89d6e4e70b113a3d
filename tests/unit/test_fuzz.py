"""Anything at all, to every reader and parser: an answer or one clear line, in five seconds.

A small number of cases here; `make fuzz` asks for 10,000 a reader.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gaprune_viz.app.tabs.sweep import numbers
from gaprune_viz.app.tuning import FIELDS, settings_from
from gaprune_viz.app.url import settings_of
from gaprune_viz.config import CalibrationSpec, ModelSpec, ServeSpec, Settings, column_mapping
from gaprune_viz.data.hub import parse_hub
from gaprune_viz.data.preview import inspect_upload
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.errors import GapruneError
from gaprune_viz.figures import panels
from gaprune_viz.tables import escaped
from gaprune_viz.workspace import upload_path

CASES = int(os.environ.get("GAPRUNE_FUZZ", "40"))
FUZZ = settings(
    max_examples=CASES,
    deadline=5_000,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

ODD = st.sampled_from(
    ["", "=1+1", "<script>alert(1)</script>", "\x00", "\ud800", "‮", "../..", "NaN", "9" * 5_000, "'", '"', "\\", "\r"]
)
TEXTS = st.one_of(ODD, st.text(max_size=40))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)
KEYS = st.one_of(st.sampled_from(["query", "positive", "negative", "negatives", "negative_1", "anchor"]), TEXTS)
ROWS = st.lists(st.one_of(st.dictionaries(KEYS, VALUES, max_size=6), VALUES), max_size=6)
GOOD = {"query": "a", "positive": "b", "negative": "c"}


def json_bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True).encode()


@st.composite
def mutated(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """A file, some of its bytes changed, cut out or put in."""
    content = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 4))):
        where = draw(st.integers(0, len(content)))
        length = draw(st.integers(0, 8))
        content[where : where + length] = draw(st.binary(max_size=8))
    return bytes(content)


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


def plain(error: GapruneError) -> None:
    """One line, that says what to do, and can be shown."""
    assert "\n" not in str(error)
    assert error.message
    assert "Traceback" not in str(error)
    shown = panels.error_card(error.message, error.hint)
    assert "<script" not in shown


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


@FUZZ
@given(st.dictionaries(st.sampled_from([name.replace("_", "-") for _, name in FIELDS]), TEXTS, max_size=8))
def test_an_address_of_any_content(params: dict[str, str]) -> None:
    try:
        found = settings_of(params)
    except GapruneError as error:
        plain(error)
    else:
        assert found is None or isinstance(found, Settings)


@FUZZ
@given(st.lists(VALUES, min_size=len(FIELDS), max_size=len(FIELDS)))
def test_controls_of_any_content(values: list[Any]) -> None:
    try:
        assert isinstance(settings_from(values), Settings)
    except GapruneError as error:
        plain(error)


@FUZZ
@given(TEXTS | st.binary(max_size=40).map(lambda b: b.decode("latin-1")))
def test_names_of_any_content(text: str) -> None:
    for parse in (
        lambda: numbers(text, "α"),
        lambda: upload_path(f"upload:{text}"),
        lambda: parse_hub(f"hub:{text}"),
        lambda: column_mapping(CalibrationSpec.parse({"domain_columns": text}).domain_columns),
        lambda: ModelSpec.parse({"model": text, "device": text}),
        lambda: ServeSpec.parse({"models": text, "root_path": text}),
    ):
        try:
            parse()
        except GapruneError as error:
            plain(error)


@FUZZ
@given(TEXTS)
def test_a_cell_never_begins_a_formula(text: str) -> None:
    cell = str(escaped(text)).lstrip(" ")
    assert not cell.startswith(("=", "@", "\t", "\r")) or cell == ""
