"""Every row of the first table of docs/data.md: a tiny file of that shape, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gaprune_viz.data.preview import inspect_upload
from gaprune_viz.data.schema import Triplet, TripletSet
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.errors import GapruneError
from tests.unit.data.test_beir import bag_of_words
from tests.unit.data.test_text_files import FILES
from tests.unit.data.two_triplets import TRIPLETS, A, B, check_both_ways, lines, named, passed, said, table

DOCUMENT = (Path(__file__).resolve().parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
PAIRED = {(A[0], A[1], B[1]), (B[0], B[1], A[1])}


def ctx(*texts: str) -> list[dict[str, str]]:
    return [{"docid": f"d{i}", "title": "", "text": text} for i, text in enumerate(texts)]


def mined(found: TripletSet) -> None:
    assert {(t.query, t.positive, *t.negatives) for t in found.triplets} == PAIRED
    assert "hard negatives were mined" in " ".join(found.report.remarks)
    assert "mined" in found.report.source


def several(found: TripletSet) -> None:
    assert [t.positive for t in found.triplets] == [A[1], "the sea keeps the salt of rivers", B[1]]
    assert found.clusters.tolist() == [0, 0, 1]
    assert {t.negatives for t in found.triplets} == {(A[2],), (B[2],)}


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
