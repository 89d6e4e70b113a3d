"""The `check` command: what data are, before they are used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gaprune_viz.cli.check import is_model
from tests.beir_folders import QUERIES, TEXTS, write_beir
from tests.commands import Run

ROWS = [
    {"query": f"what is tea {i}", "positive": f"tea number {i}", "negative": f"the sea number {i}"} for i in range(40)
]


@pytest.fixture
def triplets(tmp_path: Path) -> Path:
    """Forty rows, one without a negative, one twice, one in another script."""
    rows = [dict(row) for row in ROWS]
    rows[7]["negative"] = ""
    rows[9] = rows[8]
    rows[11]["positive"] = "чай номер"
    path = tmp_path / "tea.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_triplets(run: Run, triplets: Path) -> None:
    found = run("check", str(triplets), "--json").json()
    assert (found["usable"], found["kind"], found["format"]) == (True, "triplets", "JSON Lines")
    assert (found["rows"], found["kept"], found["duplicates"], found["left_out"]) == (40, 38, 1, 1)
    assert found["different_queries"] == 38
    assert "line 8: negative is empty: left out" in found["notes"]
    assert found["lengths"]["query"]["texts"] == 38
    assert found["lengths"]["passage"]["longest"] == len("the sea number 10")
    assert list(found["scripts"]) == ["Latin", "Cyrillic"]
    assert (found["identical_ids"], found["missing_documents"], found["needs_model"]) == (None, 0, False)
    said = run("check", str(triplets))
    assert said.status == 0
    assert "38 triplets of 40 rows; 1 duplicates, 1 left out; 38 different queries." in said.out
    assert "note: line 8: negative is empty: left out" in said.out


def test_leakage(run: Run, triplets: Path, tmp_path: Path) -> None:
    beir = write_beir(tmp_path / "sea", 0)
    (tmp_path / "own.jsonl").write_text(
        "\n".join(
            json.dumps({"query": query.upper(), "positive": f" {text}", "negative": "other"})
            for query, text in zip(QUERIES[:2], TEXTS[:2], strict=True)
        )
    )
    found = run("check", str(tmp_path / "own.jsonl"), "--against", str(beir), "--json").json()
    assert found["leakage"] == [{"task": "sea", "queries": 2, "passages": 2}]
    found = run("check", str(triplets), "--against", str(beir), "--against", "finance", "--json").json()
    assert [(one["task"], one["queries"]) for one in found["leakage"]] == [("sea", 0), ("finance", 0)]
    assert (
        "shared with sea: 2 queries, 2 passages"
        in run("check", str(tmp_path / "own.jsonl"), "--against", str(beir)).out
    )


def test_the_starter_collection_does_not_leak(run: Run) -> None:
    found = run("check", "chemistry", "--against", "chemistry", "--json").json()
    assert found["leakage"][0]["queries"] == 0


def test_pairs_texts_and_collections(run: Run, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("anchor,positive\n" + "\n".join(f"q{i},p{i}" for i in range(5)))
    found = run("check", str(tmp_path / "pairs.csv"), "--json").json()
    assert (found["kind"], found["kept"], found["needs_model"]) == ("pairs", 5, True)
    (tmp_path / "texts.txt").write_text("one\ntwo\n\n")
    found = run("check", str(tmp_path / "texts.txt"), "--json").json()
    assert (found["kind"], found["kept"], list(found["lengths"])) == ("plain texts", 2, ["passage"])
    found = run("check", str(write_beir(tmp_path / "sea", 0)), "--json").json()
    assert (found["kind"], found["kept"], found["format"]) == ("collection", 5, "BEIR, split test")
    assert found["lengths"]["passage"]["texts"] == 8
    assert found["identical_ids"] == {"shared": 0, "left_out": False}


def test_identical_ids_and_missing_documents(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    (folder / "qrels").mkdir(parents=True)
    rows = [{"_id": f"t{i}", "text": f"text {i}"} for i in range(60)]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, rows[:30])))
    lines = [f"t{i}\tt{i + 30}\t1" for i in range(30)]
    (folder / "qrels" / "test.tsv").write_text("\n".join([*lines, "t0\tgone\t1"]))
    found = run("check", str(folder), "--json").json()
    assert found["identical_ids"] == {"shared": 30, "left_out": True}
    assert found["missing_documents"] == 1
    said = run("check", str(folder)).out
    assert "identical ids: 30 queries are passages too; their own is left out of what they find" in said
    assert "missing documents: 1, judged and not in the corpus" in said


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"sentence1,sentence2,score\na,b,1\n", "pairs with a score"),
        (b"query,positive,negative\na,,c\nd,e,f\n", "line 2: positive is empty"),
        (b"", "is empty"),
    ],
)
def test_what_cannot_be_used(run: Run, tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    assert words in run("check", str(tmp_path / "a.csv")).refusal()
    found = run("check", str(tmp_path / "a.csv"), "--json")
    document = json.loads(found.out)
    assert found.status == 2
    assert document["usable"] is False
    assert words in document["problem"]
    assert document["hint"]


def test_a_share_and_a_mapping_may_be_given(run: Run, triplets: Path, tmp_path: Path) -> None:
    assert "line 8" in run("check", str(triplets), "--left-out", "0").refusal()
    assert "left-out" in run("check", str(triplets), "--left-out", "0.9").refusal()
    (tmp_path / "a.csv").write_text("title,body,other\n" + "\n".join(f"a{i},b{i},c{i}" for i in range(3)))
    mapping = "query=title,positive=body,negative=other"
    assert run("check", str(tmp_path / "a.csv"), "--columns", mapping, "--json").json()["kept"] == 3


def test_models_are_told_from_data(run: Run, tmp_path: Path, triplets: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    assert is_model(str(model))
    assert is_model("default")
    assert is_model("org/name@main")
    assert not any(map(is_model, [str(triplets), "chemistry", "ontology:chebi", "data/x.jsonl", "hub:a/b", "\0"]))
    run("check", str(model)).refusal()


def test_tokens_are_those_of_a_model(run: Run, triplets: Path, tiny_bert: Path) -> None:
    found = run("check", str(triplets), "--model", str(tiny_bert), "--json").json()
    assert found["lengths"]["passage"]["tokens"] > 0
    assert 0 <= found["lengths"]["passage"]["cut"] <= 1


def test_neither_torch_nor_sentence_transformers_is_loaded(triplets: Path, tmp_path: Path) -> None:
    beir = write_beir(tmp_path / "sea", 0)
    code = (
        "import sys\nfrom gaprune_viz.cli import main\n"
        f"sys.argv = ['gaprune-viz', 'check', {str(triplets)!r}, '--against', {str(beir)!r}]\n"
        "try: main()\nexcept SystemExit as end: assert not end.code\n"
        "print(sorted({'torch', 'sentence_transformers', 'transformers', 'datasets', 'mteb'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
