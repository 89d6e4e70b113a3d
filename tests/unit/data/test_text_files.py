"""Every row of the second table of docs/data.md: files saved, packed and encoded in every way, and none too large."""

from __future__ import annotations

import bz2
import gzip
import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather
import pytest

from gaprune_viz.data.schema import Triplet, TripletSet
from gaprune_viz.data.triplets import load_samples, load_triplets
from gaprune_viz.errors import GapruneError
from tests.unit.data.two_triplets import (
    A,
    B,
    check_both_ways,
    content,
    excel,
    lines,
    named,
    packed,
    packed_feather,
    packed_parquet,
    parquet,
    passed,
    said,
    saved,
    stream,
    table,
    zstd,
)

CSV = table("query,positive,negative", A, B)
ACCENTS = [("où est la mer", "près de la forêt", "l'été"), ("qui paye", "la société", "l'hôtel")]
FRENCH = table("query,positive,negative", *ACCENTS).decode()
GREEK = table("query,positive,negative", ("τι είναι", "θάλασσα", "δάνειο"), B).decode()


def french(*words: str) -> Callable[[TripletSet], None]:
    def check(found: TripletSet) -> None:
        assert found.triplets == tuple(Triplet(q, p, (n,)) for q, p, n in ACCENTS)
        assert all(word in " ".join(found.report.remarks) for word in words)
        assert bool(words) == bool(found.report.remarks)

    return check


FILES: dict[str, list[tuple[str, Callable[[Path], None], Any]]] = {
    "`.json`, `.jsonl`, `.csv`, `.tsv`, `.parquet`": [
        ("a.json", content(json.dumps(named("query", "positive", "negative")).encode()), passed),
        ("a.jsonl", content(lines(*named("query", "positive", "negative"))), passed),
        ("a.csv", content(CSV), passed),
        ("a.tsv", content(table("query\tpositive\tnegative", A, B, mark="\t")), passed),
        ("a.parquet", parquet, passed),
    ],
    "`.arrow`, `.feather`": [
        ("a.arrow", stream, passed),
        *(("a.feather", packed_feather(packing), passed) for packing in ("uncompressed", "lz4", "zstd")),
    ],
    "a folder of `datasets` `save_to_disk`": [
        ("set", saved(False), passed),
        ("splits", saved(True), said("train is read")),
    ],
    "`.xlsx`": [("a.xlsx", excel, passed)],
    "`.txt`": [("a.txt", content(b"one text\nanother text\n"), "plain texts have no positives")],
    "`.gz`, `.bz2`, `.zst` behind any of these": [
        ("a.jsonl.gz", packed(gzip.compress), passed),
        ("a.csv.bz2", packed(bz2.compress, CSV), passed),
        ("a.jsonl.zst", packed(zstd), passed),
        ("a.parquet.gz", packed_parquet, passed),
        ("a.jsonl.gz", packed(lambda c: gzip.compress(c)[:-9]), "cannot be unpacked"),
        ("a.jsonl.bz2", packed(gzip.compress), "cannot be unpacked"),
        ("a.jsonl.zst", packed(lambda c: zstd(c)[:9]), "cannot be unpacked"),
    ],
    "packed, but not named so": [
        ("a.csv", packed(gzip.compress, CSV), "begins as a .gz file does: name it so"),
        ("a.jsonl", packed(zstd), "begins as a .zst file does: name it so"),
    ],
    "UTF-8, with or without mark": [
        ("a.csv", content(FRENCH.encode()), french()),
        ("a.csv", content(FRENCH.encode("utf-8-sig")), french()),
    ],
    "UTF-16, UTF-32 with mark": [
        ("a.csv", content(FRENCH.encode("utf-16")), french("UTF-16")),
        ("a.csv", content(FRENCH.encode("utf-32")), french("UTF-32")),
        ("a.json", content(json.dumps(named("query", "positive", "negative")).encode("utf-16")), said("UTF-16")),
    ],
    "UTF-16 without mark": [("a.csv", content(CSV.decode().encode("utf-16-le")), "UTF-16 without its mark")],
    "Windows-1252, Latin-1": [
        ("a.csv", content(FRENCH.encode("cp1252")), french("Windows-1252", "because of line 2 (byte 0xf9)")),
        ("a.csv.gz", packed(gzip.compress, FRENCH.encode("latin-1")), french("because of line 2")),
        (
            "a.json",
            content(
                json.dumps(
                    [dict(zip(("query", "positive", "negative"), row, strict=True)) for row in ACCENTS],
                    ensure_ascii=False,
                    indent=0,
                ).encode("cp1252")
            ),
            french("because of line 3"),
        ),
    ],
    "other 8-bit encodings": [
        ("a.csv", content(GREEK.encode("iso8859-7")), "line 2: not UTF-8"),
        ("a.csv", content(GREEK.encode("cp1253")), "line 2: not UTF-8"),
        ("a.csv", content(CSV + "\n水は何,水は,塩\n".encode("shift-jis")), "line 4: not UTF-8"),
        ("a.csv", content(FRENCH.encode() + "\nété,b,c".encode("latin-1")), "line 4: not UTF-8"),
    ],
}
FILE_CASES = [(row, *case) for row, cases in FILES.items() for case in cases]


@pytest.mark.parametrize(
    ("row", "name", "write", "expected"), FILE_CASES, ids=[f"{c[1]}-{i}" for i, c in enumerate(FILE_CASES)]
)
def test_a_file(row: str, name: str, write: Callable[[Path], None], expected: Any, tmp_path: Path) -> None:
    write(tmp_path / name)
    if name.endswith(".txt"):
        assert len(load_samples(str(tmp_path / name)).samples) == 2
        with pytest.raises(GapruneError, match=expected):
            load_triplets(str(tmp_path / name))
        return
    check_both_ways(tmp_path / name, expected)


def test_an_unpacked_size_is_counted_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gaprune_viz.data.readers import streams

    monkeypatch.setattr(streams, "MAX_FILE_BYTES", 50_000)
    many = lines(*({"query": f"q{i}", "positive": "b", "negative": "c"} for i in range(5_000)))
    for name, pack in (("a.jsonl.gz", gzip.compress), ("a.jsonl.bz2", bz2.compress), ("a.jsonl.zst", zstd)):
        (tmp_path / name).write_bytes(pack(many))
        with pytest.raises(GapruneError, match="when unpacked"):
            load_triplets(str(tmp_path / name))


def test_an_arrow_file_says_how_large_it_gets(tmp_path: Path) -> None:
    from gaprune_viz.data.readers.arrow_table import _measured

    whole = pa.table({"query": ["a" * 50_000] * 20})
    sizes = {}
    for packing in ("uncompressed", "lz4", "zstd"):
        feather.write_feather(whole, tmp_path / "a.feather", packing)  # type: ignore[arg-type]
        sizes[packing] = _measured(tmp_path / "a.feather")
    assert all(abs(size - 1_000_000) < 2_000 for size in sizes.values()), sizes
    assert (tmp_path / "a.feather").stat().st_size < 10_000


def test_an_arrow_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gaprune_viz.data.readers import arrow_table

    monkeypatch.setattr(arrow_table, "MAX_UNCOMPRESSED_BYTES", 100_000)
    feather.write_feather(pa.table({"query": ["a" * 50_000] * 20}), tmp_path / "a.feather", "zstd")
    with pytest.raises(GapruneError, match="when unpacked"):
        load_triplets(str(tmp_path / "a.feather"))


def test_a_saved_set_names_only_files_of_its_own(tmp_path: Path) -> None:
    saved(False)(tmp_path / "set")
    state = tmp_path / "set" / "state.json"
    document = json.loads(state.read_text())
    stream(tmp_path / "outside.arrow")
    for name in ("../outside.arrow", "/etc/passwd", None, "absent.arrow"):
        document["_data_files"] = [{"filename": name}]
        state.write_text(json.dumps(document))
        with pytest.raises(GapruneError, match=r"is damaged|is not there"):
            load_triplets(str(tmp_path / "set"))
    link = tmp_path / "set" / "link.arrow"
    link.symlink_to(tmp_path / "outside.arrow")
    document["_data_files"] = [{"filename": "link.arrow"}]
    state.write_text(json.dumps(document))
    with pytest.raises(GapruneError, match="is a link"):
        load_triplets(str(tmp_path / "set"))


def test_a_workbook_needs_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    excel(tmp_path / "a.xlsx")
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(GapruneError, match=re.escape("pip install 'gaprune-viz[excel]'")):
        load_triplets(str(tmp_path / "a.xlsx"))


def test_a_workbook_is_read_as_people_see_it(tmp_path: Path) -> None:
    import pandas as pd

    rows = [["what is 2", 2, 3.5], [None, None, None], ["what is 3", 3.0, "four"], ["what is 5", 5, None]]
    frame = pd.DataFrame(rows, columns=["query", "positive", "negative"])
    frame.to_excel(tmp_path / "a.xlsx", index=False)
    with pytest.raises(GapruneError, match="row 5: negative is empty"):
        load_triplets(str(tmp_path / "a.xlsx"))
    frame[:3].to_excel(tmp_path / "a.xlsx", index=False)
    assert load_triplets(str(tmp_path / "a.xlsx")).triplets == (
        Triplet("what is 2", "2", ("3.5",)),
        Triplet("what is 3", "3", ("four",)),
    )
    pd.DataFrame([["a", "b"]], columns=["query", "query"]).to_excel(tmp_path / "a.xlsx", index=False)
    with pytest.raises(GapruneError, match="two columns called 'query'"):
        load_triplets(str(tmp_path / "a.xlsx"))


@pytest.mark.parametrize("value", [2**24, 2**33, 2**46, -1])
def test_a_length_that_a_file_makes_up_is_one_line(value: int, tmp_path: Path) -> None:
    path = tmp_path / "altered.arrow"
    stream(path)
    whole = path.read_bytes()
    for place in range(0, len(whole) - 8, 8):
        path.write_bytes(whole[:place] + value.to_bytes(8, "little", signed=True) + whole[place + 8 :])
        with suppress(GapruneError):
            load_triplets(str(path))
