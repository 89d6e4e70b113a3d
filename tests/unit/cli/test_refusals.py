"""What a person can get wrong on the command line. Each case: arguments, and what the one line must say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.commands import Run

WEIGHT = "encoder.layer.0.intermediate.dense.weight"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("nowhere/nothing", "nowhere/nothing"),
        ("./nothing", "There is no model folder ./nothing"),
        ("not a name", "not a name"),
        ("2024", "folder '2024'"),
        ("", "model: "),
    ],
)
def test_an_unknown_model(run: Run, tmp_path: Path, model: str, said: str) -> None:
    line = run("analyze", "--model", model, "--out", tmp_path / "a").refusal()
    assert said in line
    assert "default" in line
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_model(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    line = run("analyze", "--model", tmp_path / "empty", "--out", tmp_path / "a").refusal()
    assert "config.json is missing" in line


def test_an_unknown_domain(run: Run, tmp_path: Path, tiny_bert: Path) -> None:
    line = run("analyze", "--model", tiny_bert, "--domain", "chemisty", "--out", tmp_path / "a").refusal()
    assert "'chemisty'. Did you mean chemistry?" in line


def test_a_missing_path(run: Run, tmp_path: Path, tiny_bert: Path) -> None:
    missing = tmp_path / "none.jsonl"
    line = run("analyze", "--model", tiny_bert, "--domain", missing, "--out", tmp_path / "a").refusal()
    assert str(missing) in line


def test_triplets_with_a_missing_field(run: Run, tmp_path: Path, tiny_bert: Path) -> None:
    file = tmp_path / "bad.jsonl"
    good = json.dumps({"query": "a", "positive": "b", "negative": "c"})
    file.write_text(f'{good}\n{good}\n{{"query": "a", "positive": "b"}}\n', encoding="utf-8")
    line = run("analyze", "--model", tiny_bert, "--domain", file, "--out", tmp_path / "a").refusal()
    assert "bad.jsonl, line 3: negative is missing" in line
    assert not (tmp_path / "a").exists()


def test_fewer_than_two_samples(run: Run, tmp_path: Path, tiny_bert: Path) -> None:
    line = run("analyze", "--model", tiny_bert, "--samples", 1, "--out", tmp_path / "a").refusal()
    assert line.startswith("samples: ")
    file = tmp_path / "one.jsonl"
    file.write_text('{"query": "a", "positive": "b", "negative": "c"}\n', encoding="utf-8")
    line = run("analyze", "--model", tiny_bert, "--domain", file, "--out", tmp_path / "a").refusal()
    assert "one.jsonl gives 1 usable triplet" in line
    assert "at least 2" in line


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--sparsity", "1.5"], "sparsity: "),
        (["--sparsity", "-0.1"], "sparsity: "),
        (["--sparsity", "nan"], "sparsity: "),
        (["--sparsity", "0.3", "--floor", "0.5"], "floor"),
        (["--criterion", "dia"], "'dia'. Did you mean dai?"),
        (["--criterion", "../dai"], "criterion: "),
        (["--alignment", "sing"], "alignment: "),
        (["--fisher-scale", "much"], "fisher-scale: "),
        (["--fisher-scale", "-1"], "must be `auto`"),
        (["--pattern", "4:2"], "attern 4:2 prunes nothing"),
        (["--preset", "papr"], "'papr'. Presets are: paper"),
    ],
)
def test_a_wrong_setting(run: Run, tmp_path: Path, tiny_analysis: Path, flags: list[str], said: str) -> None:
    out = tmp_path / "model"
    assert said in run("prune", tiny_analysis, *flags, "--out", out).refusal()
    assert not out.exists()


def test_pruning_what_is_no_analysis(run: Run, tmp_path: Path, tiny_bert: Path) -> None:
    assert "There is no analysis" in run("prune", tmp_path / "none", "--out", tmp_path / "m").refusal()
    assert "There is no analysis" in run("prune", tiny_bert, "--out", tmp_path / "m").refusal()


def test_nothing_that_is_not_ours_is_overwritten(run: Run, tmp_path: Path, tiny_analysis: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear", encoding="utf-8")
    assert "not an earlier result" in run("prune", tiny_analysis, "--out", tmp_path).refusal()
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        ("plain", "'plain' is not a weight"),
        ("a.b.weight[0,0]", "'a.b.weight'"),
        (f"{WEIGHT}[48,0]", "48 rows and 32 columns"),
        (f"{WEIGHT}[0,-1]", "is not a weight"),
    ],
)
def test_explaining_no_weight(run: Run, tiny_analysis: Path, weight: str, said: str) -> None:
    assert said in run("explain", tiny_analysis, "--weight", weight).refusal()


def test_comparing_what_is_no_export(run: Run, tmp_path: Path, tiny_bert: Path, beir: Path) -> None:
    assert "is not a pruned model" in run("compare", tiny_bert, "--task", beir).refusal()
    assert "There is no folder" in run("compare", tmp_path / "none", "--task", beir).refusal()


def test_comparing_on_no_task(run: Run, tmp_path: Path, pruned: Path) -> None:
    assert "'chem'" in run("compare", pruned, "--task", "chem").refusal()
    assert "BEIR" in run("compare", pruned, "--task", tmp_path).refusal()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe{",
        b'{"run": [], "dense": {"weight_hash": "x"}}',
        b'{"run": {"model": {}}, "dense": []}',
        b'{"run": {"model": {"device": "gpu"}}, "dense": {"weight_hash": "x"}}',
        b'{"run": {"surprise": 1}, "dense": {"weight_hash": "x"}}',
    ],
)
def test_a_damaged_result_file(run: Run, tmp_path: Path, pruned: Path, beir: Path, content: bytes) -> None:
    folder = tmp_path / "model"
    shutil.copytree(pruned, folder)
    (folder / "gaprune.json").write_bytes(content)
    assert "gaprune.json is damaged" in run("compare", folder, "--task", beir).refusal()


def test_damaged_weights(run: Run, tmp_path: Path, pruned: Path, beir: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(pruned, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "cannot be loaded" in run("compare", folder, "--task", beir).refusal()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"run": {}}', b'{"run": {"x": 1}}', b'{"run": {}, "matrices": [1]}']
)
def test_a_damaged_analysis(run: Run, tmp_path: Path, tiny_analysis: Path, content: bytes) -> None:
    folder = tmp_path / "analysis"
    shutil.copytree(tiny_analysis, folder)
    (folder / "spec.json").write_bytes(content)
    assert "spec.json is damaged" in run("prune", folder, "--out", tmp_path / "m").refusal()


def test_damaged_statistics(run: Run, tmp_path: Path, tiny_analysis: Path) -> None:
    folder = tmp_path / "analysis"
    shutil.copytree(tiny_analysis, folder)
    tensors = folder / "statistics.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:1000])
    harmed = "was altered or is damaged: statistics.safetensors"
    assert harmed in run("prune", folder, "--out", tmp_path / "m").refusal()
    tensors.unlink()
    assert harmed in run("prune", folder, "--out", tmp_path / "m").refusal()


def test_a_changed_dense_model(
    run: Run, tmp_path: Path, tiny_bert: Path, tiny_triplets: tuple[Path, Path], beir: Path
) -> None:
    from tests.tiny_models import build

    model, (domain, general) = tmp_path / "dense", tiny_triplets
    shutil.copytree(tiny_bert, model)
    flags = ["--domain", domain, "--general", general, "--samples", 4, "--sampling", "random"]
    assert run("analyze", "--model", model, *flags, "--out", tmp_path / "a").status == 0
    assert run("prune", tmp_path / "a", "--out", tmp_path / "m").status == 0
    build(model, "bert", seed=1)
    assert "have changed" in run("prune", tmp_path / "a", "--out", tmp_path / "m").refusal()
    assert "has changed" in run("compare", tmp_path / "m", "--task", beir).refusal()
