"""The command `benchmark`: a table, one JSON object, a file, the model's card; one line where a person went wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gaprune_viz.config import Settings
from gaprune_viz.criteria.registry import settled
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.mteb.model_card import BEGIN, END, attach, with_section
from gaprune_viz.evaluation.mteb.report import COLUMNS
from tests.commands import Run

pytestmark = pytest.mark.slow


@pytest.fixture
def run(run: Run) -> Run:
    """`gaprune-viz benchmark ...`"""
    return lambda *arguments: run("benchmark", *arguments)


@pytest.fixture(scope="module")
def pruned(tiny_analysis: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from gaprune_viz.pruning.export import prune

    out = tmp_path_factory.mktemp("pruned") / "model"
    prune(tiny_analysis, Settings(), out)
    return out


@pytest.fixture(scope="module")
def beir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve passages and six queries, so that models differ."""
    folder = tmp_path_factory.mktemp("tasks") / "waters"
    (folder / "qrels").mkdir(parents=True)
    asked = ["salt in water", "a bond of two atoms", "the loan", "river and sea", "moon", "a gas"]
    texts = [*asked, "tax", "heat and light", "wind", "oxygen", "a tree", "ice"]
    corpus = [{"_id": f"p{i}", "title": "", "text": text} for i, text in enumerate(texts)]
    queries = [{"_id": f"q{i}", "text": f"what is {text}"} for i, text in enumerate(asked)]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    lines = ["query-id\tcorpus-id\tscore", *(f"q{i}\tp{i}\t1" for i in range(6))]
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_both_models_on_one_task_as_one_object(run: Run, pruned: Path, beir: Path) -> None:
    from gaprune_viz.evaluation.comparison import compare_models, load_pair
    from gaprune_viz.evaluation.task_sources import load_task

    status, out, err = run(pruned, "--tasks", beir, "--json")
    assert (status, err) == (0, "")
    assert out.count("\n") == 1
    document = json.loads(out)
    ours, _, _ = compare_models(load_pair(pruned), load_task(str(beir)))
    dense, other = document["scores"]
    assert (dense["variant"], other["variant"]) == ("dense", "pruned")
    assert dense["task"] == other["task"] == "waters"
    assert dense["score"] == pytest.approx(ours.dense["ndcg_at_10"], abs=1e-6)
    assert other["score"] == pytest.approx(ours.pruned["ndcg_at_10"], abs=1e-6)
    assert other["difference"] == pytest.approx(ours.delta["ndcg_at_10"], abs=1e-6)
    assert (other["low"], other["high"]) == pytest.approx(ours.intervals["ndcg_at_10"], abs=1e-6)
    assert {"mteb", "torch", "gaprune-viz"} <= set(document["versions"])
    assert dense["revision"] != other["revision"]
    assert (dense["dtype"], dense["max_length"], document["failures"]) == ("float32", 128, [])


def test_a_table_a_file_and_the_card(run: Run, pruned: Path, beir: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(pruned, model)
    card = (model / "README.md").read_text(encoding="utf-8")
    status, out, _ = run(model, "--tasks", beir, "--csv", tmp_path / "out.csv", "--write")
    assert status == 0
    assert all(word in out for word in ("waters", "nDCG@10", "Dense", "Pruned", f"Written to {model}"))
    table = pd.read_csv(tmp_path / "out.csv")
    assert tuple(table.columns) == COLUMNS
    assert list(table["variant"]) == ["dense", "pruned"]
    document = json.loads((model / "gaprune.json").read_text(encoding="utf-8"))
    assert [row["score"] for row in document["measured"]["scores"]] == pytest.approx(list(table["score"]))
    assert document["settings"] == settled(Settings()).model_dump(mode="json")
    written = (model / "README.md").read_text(encoding="utf-8")
    assert written.startswith(card.rstrip())
    assert f"| waters | ndcg_at_10 | pruned | {table['score'][1]:.4f} |" in written
    assert "at most 128 tokens; float32" in written
    # Again: the section is replaced, the scores are not doubled.
    run(model, "--tasks", beir, "--write")
    assert (model / "README.md").read_text(encoding="utf-8").count(BEGIN) == 1
    assert len(json.loads((model / "gaprune.json").read_text(encoding="utf-8"))["measured"]["scores"]) == 2
    assert not list(model.glob("*.tmp"))
    from sentence_transformers import SentenceTransformer

    assert SentenceTransformer(str(model), device="cpu").encode(["water"]).shape == (1, 32)


def test_scores_of_other_tasks_stay_in_the_card(pruned: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(pruned, model)

    def found(task: str, score: float) -> dict[str, Any]:
        row = {"task": task, "metric": "f1", "variant": "pruned", "score": score, "model": "m", "revision": "r"}
        more = {"query_prompt": "", "passage_prompt": "p: ", "max_length": 8, "dtype": "float32"}
        return {"scores": [{**row, **more}], "versions": {"mteb": "2"}}

    for task, score in (("one", 0.1), ("two", 0.2), ("one", 0.3)):
        attach(model, found(task, score))
    rows = json.loads((model / "gaprune.json").read_text(encoding="utf-8"))["measured"]["scores"]
    assert [(row["task"], row["score"]) for row in rows] == [("two", 0.2), ("one", 0.3)]
    card = (model / "README.md").read_text(encoding="utf-8")
    assert "| one | f1 | pruned | 0.3000 | - | - | - |" in card
    assert 'passage "p: "' in card
    (model / "gaprune.json").write_text("[]")
    with pytest.raises(GapruneError, match="damaged"):
        attach(model, found("one", 0.4))


def test_a_section_of_the_card_keeps_what_is_around_it() -> None:
    found = {"scores": [], "versions": {"mteb": "2"}}
    card = with_section(f"# Title\n\n{BEGIN}\nold \\1\n{END}\n\nmine\n", found)
    assert card.startswith("# Title\n\n<!-- benchmark -->\n## Benchmark")
    assert card.endswith("mine\n")
    assert "old" not in card


def test_the_list_needs_no_model(run: Run) -> None:
    status, out, _ = run("--list")
    assert status == 0
    assert all(name in out for name in ("starter:chemistry", "ChemNQRetrieval", "FiQA2018", "finmteb:FinSTS"))
    groups = json.loads(run("--list", "--json")[1])["groups"]
    assert [group["group"] for group in groups] == ["starter", "chemteb", "finance", "finmteb"]
    assert [len(group["tasks"]) for group in groups] == [3, 28, 7, 34]


def test_the_estimate_runs_nothing(run: Run, pruned: Path, beir: Path) -> None:
    document = json.loads(run(pruned, "--tasks", f"{beir},ChemNQRetrieval,finmteb:FinSTS", "--estimate", "--json")[1])
    assert document["texts"] == 18 + 22_960
    assert document["unknown"] == ["finmteb:FinSTS"]
    assert document["seconds"] > 0
    words = run(pruned, "--tasks", f"{beir},finmteb:FinSTS", "--estimate")[1]
    assert "for 2 models that read 18 texts" in words
    assert "Of unknown size before they are loaded: finmteb:FinSTS." in words


def test_what_is_done_is_given_before_a_task_that_fails(run: Run, pruned: Path, beir: Path) -> None:
    status, out, err = run(pruned, "--tasks", f"ChemNQRetrieval,{beir}", "--json")
    assert status == 2
    assert [row["task"] for row in json.loads(out)["scores"]] == ["waters", "waters"]
    assert [failure["task"] for failure in json.loads(out)["failures"]] == ["ChemNQRetrieval"]
    assert err.count("\n") == 1
    assert "the Hub cannot be reached for BASF-AI/ChemNQRetrieval" in err
    status, out, err = run(pruned, "--tasks", "ChemNQRetrieval,FiQA2018")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "2 tasks could not be done: ChemNQRetrieval, FiQA2018" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Give MODEL_DIR, or --list"),
        (["MODEL", "--tasks", "starter:chemisty"], "Did you mean starter:chemistry"),
        (["MODEL", "--tasks", ""], "No task is chosen"),
        (["MODEL", "--tasks", "./nowhere"], "BEIR folder"),
        (["MODEL"], "the model's domain is no starter collection"),
        (["nowhere", "--tasks", "chemistry"], "There is no folder nowhere"),
    ],
)
def test_a_mistake_is_one_line(run: Run, pruned: Path, arguments: list[str], said: str) -> None:
    status, out, err = run(*(str(pruned) if a == "MODEL" else a for a in arguments))
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert said in err
