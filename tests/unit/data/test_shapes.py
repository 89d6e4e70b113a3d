"""Every row of the first two tables of docs/data.md: a tiny file, and what becomes of it."""

from __future__ import annotations

import bz2
import gzip
import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from gaprune_viz.data.preview import inspect_upload
from gaprune_viz.data.schema import Triplet, TripletSet
from gaprune_viz.data.triplets import load_samples, load_triplets
from gaprune_viz.errors import GapruneError
from tests.unit.data.test_beir import bag_of_words

DOCUMENT = (Path(__file__).resolve().parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
A, B = (
    ("why is the sea salt", "rivers carry salt into the sea", "a loan is paid back"),
    (
        "what is a loan",
        "a loan is money that is paid back",
        "salt melts ice",
    ),
)
TRIPLETS = tuple(Triplet(q, p, (n,)) for q, p, n in (A, B))
PAIRED = {(A[0], A[1], B[1]), (B[0], B[1], A[1])}


def lines(*rows: object) -> bytes:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()


def table(header: str, *rows: tuple[str, ...], mark: str = ",") -> bytes:
    return "\n".join([*([header] if header else []), *(mark.join(row) for row in rows)]).encode()


def named(*names: str) -> list[dict[str, str]]:
    return [dict(zip(names, row, strict=False)) for row in (A, B)]


def ctx(*texts: str) -> list[dict[str, str]]:
    return [{"docid": f"d{i}", "title": "", "text": text} for i, text in enumerate(texts)]


def passed(found: TripletSet) -> None:
    assert found.triplets == TRIPLETS


def mined(found: TripletSet) -> None:
    assert {(t.query, t.positive, *t.negatives) for t in found.triplets} == PAIRED
    assert "hard negatives were mined" in " ".join(found.report.remarks)
    assert "mined" in found.report.source


def several(found: TripletSet) -> None:
    assert [t.positive for t in found.triplets] == [A[1], "the sea keeps the salt of rivers", B[1]]
    assert found.clusters.tolist() == [0, 0, 1]
    assert {t.negatives for t in found.triplets} == {(A[2],), (B[2],)}


def said(*words: str) -> Callable[[TripletSet], None]:
    def check(found: TripletSet) -> None:
        passed(found)
        assert all(word in " ".join(found.report.remarks) for word in words)

    return check


def quoted(found: TripletSet) -> None:
    assert found.triplets == (Triplet(A[0], f'"{A[1]}', (A[2],)), TRIPLETS[1])


def one_left_out(found: TripletSet) -> None:
    assert len(found.triplets) == 39
    assert found.report.left_out == 1
    assert found.report.dropped == ("line 8: negative is empty: left out",)


TITLED = [
    {
        "query": q,
        "positive_passages": [{"docid": "1", "title": p.split()[0], "text": p.split(" ", 1)[1]}],
        "negative_passages": ctx(n),
    }
    for q, p, n in (A, B)
]
MANY = [{"query": f"{q} {i}", "positive": p, "negative": n} for i in range(20) for q, p, n in (A, B)]
MANY[7]["negative"] = ""
# Row of the table -> file, content, and the check of what was read or the words of the refusal.
SHAPES: dict[str, list[tuple[str, bytes, Callable[[TripletSet], None] | str]]] = {
    "ours": [
        ("a.jsonl", lines(*named("query", "positive", "negative")), passed),
        ("a.jsonl", lines(*({"query": q, "positive": p, "negatives": [n]} for q, p, n in (A, B))), passed),
    ],
    "sentence-transformers": [
        ("a.jsonl", lines(*named("anchor", "positive", "negative")), passed),
        ("a.json", json.dumps(named("anchor", "positive", "negative_1")).encode(), passed),
        ("a.csv", table("anchor,positive,negative_1,negative_2", (*A, ""), (*B, "")), passed),
    ],
    "sentence-transformers pairs": [
        ("a.jsonl", lines(*named("anchor", "positive")), mined),
        ("a.csv", table("anchor,positive", A[:2], B[:2]), mined),
    ],
    "SimCSE": [("a.csv", table("sent0,sent1,hard_neg", A, B), passed)],
    "FlagEmbedding": [
        ("a.jsonl", lines(*({"query": q, "pos": [p], "neg": [n]} for q, p, n in (A, B))), passed),
        (
            "a.jsonl",
            lines(
                {"query": A[0], "pos": [A[1], "the sea keeps the salt of rivers"], "neg": [A[2]]},
                {"query": B[0], "pos": [B[1]], "neg": [B[2]]},
            ),
            several,
        ),
    ],
    "FlagEmbedding without neg": [
        ("a.jsonl", lines(*({"query": q, "pos": [p], "neg": []} for q, p, _ in (A, B))), mined)
    ],
    "Tevatron": [("a.jsonl", lines(*TITLED), passed)],
    "DPR": [
        (
            "a.json",
            json.dumps(
                [
                    {
                        "question": q,
                        "answers": ["x"],
                        "positive_ctxs": ctx(p),
                        "negative_ctxs": ctx("easy"),
                        "hard_negative_ctxs": ctx(n),
                    }
                    for q, p, n in (A, B)
                ]
            ).encode(),
            passed,
        ),
        (
            "a.jsonl",
            lines(
                *(
                    {"question": q, "positive_ctxs": ctx(p), "negative_ctxs": ctx(n), "hard_negative_ctxs": []}
                    for q, p, n in (A, B)
                )
            ),
            passed,
        ),
    ],
    "Cohere": [
        (
            "a.jsonl",
            lines(*({"query": q, "relevant_passages": [p], "hard_negatives": [n]} for q, p, n in (A, B))),
            passed,
        )
    ],
    "GooAQ": [("a.csv", table("question,answer", A[:2], B[:2]), mined)],
    "embedding-data triplets": [("a.jsonl", lines({"set": A}, {"set": B}), said("read as query, positive, negative"))],
    "embedding-data pairs": [("a.jsonl", lines({"set": A[:2]}, {"set": B[:2]}), mined)],
    "embedding-data, named": [
        ("a.jsonl", lines(*({"set": {"query": q, "pos": [p], "neg": [n]}} for q, p, n in (A, B))), passed)
    ],
    "texts": [("a.jsonl", lines({"texts": A}, {"texts": B}), passed)],
    "lists of lists": [
        ("a.jsonl", lines(A, B), said("read as query, positive, negative")),
        ("a.json", json.dumps([A, B]).encode(), said("read as query, positive, negative")),
    ],
    "sets of five": [("a.jsonl", lines({"set": [*A, *B[:2]]}), "a list of 5 texts, which does not say")],
    "MS MARCO triples": [
        ("a.tsv", table("", A, B, mark="\t"), said("has no header")),
        ("a.tsv", table("", A, B, mark="\t").replace(b"rivers", b'"rivers'), quoted),
        ("a.tsv", table("", ("the sea", "it is salt", "a loan"), B, mark="\t"), "its columns are"),
    ],
    "MS MARCO triples of ids": [("a.tsv", b"1\t2\t3\n4\t5\t6\n", "holds ids, not texts")],
    "several positives": [
        (
            "a.jsonl",
            lines(
                {"query": A[0], "positive": [A[1], "the sea keeps the salt of rivers"], "negative": A[2]},
                {"query": B[0], "positive": B[1], "negative": B[2]},
            ),
            several,
        )
    ],
    "scored pairs": [
        ("a.csv", table("sentence1,sentence2,score", ("a", "b", "0.2")), "pairs with a score"),
        ("a.jsonl", lines({"sentence1": "a", "sentence2": "b", "label": 1}), "pairs with a score"),
        ("a.csv", table("query,passage,label", ("a", "b", "0")), "pairs with a score"),
    ],
    "a few bad rows": [("a.jsonl", lines(*MANY), one_left_out)],
    "many bad rows": [
        ("a.jsonl", lines(*named("query", "positive", "negative"), MANY[7]), "line 3: negative is empty"),
    ],
    "other names": [("a.csv", table("input,response,other", A, B), "perhaps query=input, positive=response")],
}


def rows_of(heading: str) -> list[str]:
    """The first cell of every row of a table of the document, without markup."""
    section = DOCUMENT.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("|")]
    return rows[2:]


def test_every_row_of_the_document_is_tried() -> None:
    assert rows_of("Triplets and pairs") == list(SHAPES)
    assert rows_of("Files") == list(FILES)


CASES = [(row, *case) for row, cases in SHAPES.items() for case in cases]


@pytest.mark.parametrize(
    ("row", "name", "content", "expected"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)]
)
def test_a_shape(
    row: str, name: str, content: bytes, expected: Callable[[TripletSet], None] | str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    check_both_ways(tmp_path / name, expected)


def check_both_ways(path: Path, expected: Callable[[TripletSet], None] | str) -> None:
    """The reader of the command line, and the page's look at the same file."""
    if isinstance(expected, str):
        with pytest.raises(GapruneError) as caught:
            load_triplets(str(path), embed=bag_of_words)
        assert expected in str(caught.value)
        assert caught.value.hint
        try:
            # The page tries what is likely, and shows it.
            assert expected in inspect_upload(path).problem or "perhaps" in expected
        except GapruneError as error:
            assert str(error) == str(caught.value)
        return
    found = load_triplets(str(path), embed=bag_of_words)
    expected(found)
    preview = inspect_upload(path)
    assert preview.problem == ""
    assert not preview.needs_mapping
    assert preview.pairs == ("mined" in found.report.source)
    if not preview.pairs:
        assert (preview.kept, preview.dropped) == (found.report.kept, found.report.dropped)
    again = load_triplets(str(path), columns=preview.mapping or None, embed=bag_of_words)
    assert again.content_hash == found.content_hash


def columns_of(rows: list[dict[str, str]]) -> pa.Table:
    return pa.Table.from_pylist(rows)


def parquet(path: Path) -> None:
    pq.write_table(columns_of(named("query", "positive", "negative")), path)


def stream(path: Path) -> None:
    whole = columns_of(named("query", "positive", "negative"))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, whole.schema) as out:
        out.write_table(whole)


def packed_feather(packing: str) -> Callable[[Path], None]:
    return lambda path: feather.write_feather(columns_of(named("query", "positive", "negative")), path, packing)  # type: ignore[arg-type]


def saved(splits: bool) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        from datasets import Dataset, DatasetDict

        data = Dataset.from_list(named("query", "positive", "negative"))
        (DatasetDict({"test": data, "train": data}) if splits else data).save_to_disk(str(path))

    return write


def excel(path: Path) -> None:
    import pandas as pd

    pd.DataFrame(named("query", "positive", "negative")).to_excel(path, index=False)


def packed(pack: Callable[[bytes], bytes], content: bytes = b"") -> Callable[[Path], None]:
    content = content or lines(*named("query", "positive", "negative"))
    return lambda path: _write(path, pack(content))


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def zstd(content: bytes) -> bytes:
    return pa.compress(content, codec="zstd", asbytes=True)


def packed_parquet(path: Path) -> None:
    inner = path.with_suffix("")
    parquet(inner)
    path.write_bytes(gzip.compress(inner.read_bytes()))
    inner.unlink()


def content(data: bytes) -> Callable[[Path], None]:
    return lambda path: _write(path, data)


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


def test_pairs_need_a_model(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(*named("anchor", "positive")))
    with pytest.raises(GapruneError, match="pairs without negatives, which are found with a model"):
        load_triplets(str(tmp_path / "a.jsonl"))
    preview = inspect_upload(tmp_path / "a.jsonl")
    assert (preview.kept, preview.pairs) == (2, True)
    assert "the model finds hard negatives" in preview.remarks[-1]


def test_a_negative_in_one_late_row_makes_triplets_of_all(tmp_path: Path) -> None:
    rows = [*({"query": f"q{i}", "positive": "b"} for i in range(80)), {"query": "q", "positive": "b", "neg": ["c"]}]
    (tmp_path / "a.jsonl").write_bytes(lines(*rows))
    with pytest.raises(GapruneError, match="line 1: negative is missing"):
        load_triplets(str(tmp_path / "a.jsonl"), embed=bag_of_words)


def test_the_share_that_may_be_left_out_can_be_chosen(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(*MANY))
    with pytest.raises(GapruneError, match="line 8: negative is empty"):
        load_triplets(str(tmp_path / "a.jsonl"), left_out=0)
    for row in MANY[8:12]:
        row = {**row, "negative": None}
        with (tmp_path / "a.jsonl").open("ab") as out:
            out.write(b"\n" + lines(row))
    with pytest.raises(GapruneError, match=r"5 of 44 rows cannot be used; 5% may be left out"):
        load_triplets(str(tmp_path / "a.jsonl"))
    assert load_triplets(str(tmp_path / "a.jsonl"), left_out=0.2).report.left_out == 5


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


def test_mined_negatives_are_never_the_query_itself(tmp_path: Path) -> None:
    rows = [
        ("salt sea", "salt water of the sea"),
        ("a loan", "a loan is paid back"),
        ("sea", "a sea of salt and a loan"),
    ]
    pairs = [{"anchor": q, "positive": p} for q, p in rows] + [{"anchor": "what else", "positive": "salt sea"}]
    (tmp_path / "a.jsonl").write_bytes(lines(*pairs))
    found = load_triplets(str(tmp_path / "a.jsonl"), embed=bag_of_words)
    assert all(t.query not in t.negatives for t in found.triplets)
    vectors = bag_of_words(["salt sea", "salt water of the sea"], "query")
    # Without the rule it would be the nearest of all.
    assert float(np.dot(*vectors)) < 1


@pytest.mark.parametrize("value", [2**24, 2**33, 2**46, -1])
def test_a_length_that_a_file_makes_up_is_one_line(value: int, tmp_path: Path) -> None:
    path = tmp_path / "altered.arrow"
    stream(path)
    whole = path.read_bytes()
    for place in range(0, len(whole) - 8, 8):
        path.write_bytes(whole[:place] + value.to_bytes(8, "little", signed=True) + whole[place + 8 :])
        with suppress(GapruneError):
            load_triplets(str(path))
