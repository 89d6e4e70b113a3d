"""The command line: one JSON object where it is asked for, one line and status 2 where a person went wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gaprune_viz import cli
from gaprune_viz.config import CalibrationSpec, MaskSpec, ModelSpec, ScoreSpec
from gaprune_viz.config.presets import PRESETS
from tests.beir_folders import write_beir
from tests.commands import Result, Run

WEIGHT = "encoder.layer.0.intermediate.dense.weight"


def test_analyze_writes_an_analysis_and_prints_one_object(
    run: Run, tmp_path: Path, tiny_bert: Path, tiny_triplets: tuple[Path, Path]
) -> None:
    domain, general = tiny_triplets
    out = tmp_path / "new" / "analysis"
    flags = ["--domain", domain, "--general", general, "--samples", 8, "--sampling", "random", "--seed", 3]
    document = run("analyze", "--model", tiny_bert, *flags, "--scope", "mlp", "--out", out, "--json").json()
    assert document["out"] == str(out)
    assert document["matrices"] == 4
    assert document["weights"] == 2 * 2 * 32 * 48
    assert [document["data"][side]["samples"] for side in ("domain", "general")] == [8, 8]
    spec = json.loads((out / "spec.json").read_text(encoding="utf-8"))
    assert spec["run"]["calibration"]["sampling"] == "random"
    assert spec["run"]["calibration"]["seed"] == 3
    assert spec["key"] == document["key"]
    assert [path.name for path in out.parent.iterdir()] == ["analysis"]


def test_analyze_says_in_words_what_was_done_and_what_was_missing(
    run: Run, tmp_path: Path, tiny_bert: Path, tiny_triplets: tuple[Path, Path]
) -> None:
    domain, general = tiny_triplets
    flags = ["--domain", domain, "--general", general, "--samples", 50]
    result = run("analyze", "--model", tiny_bert, *flags, "--out", tmp_path / "a")
    assert result.status == 0
    assert "12 of domain.jsonl" in result.out
    assert "gaprune-viz: domain.jsonl: 50 samples were asked for and 12 are there" in result.err


def test_prune_writes_a_model_and_prints_one_object(run: Run, tmp_path: Path, tiny_analysis: Path) -> None:
    from safetensors.numpy import load_file

    out = tmp_path / "model"
    document = run("prune", tiny_analysis, "--preset", "balanced", "--sparsity", 0.25, "--out", out, "--json").json()
    score = PRESETS["balanced"].settings.score
    assert document["settings"]["score"] == score.model_dump(mode="json")
    assert document["settings"]["mask"]["sparsity"] == 0.25
    assert document["zeros"] == document["scope_weights"] // 4
    masks, weights = load_file(out / "mask.safetensors"), load_file(out / "model.safetensors")
    assert sum(int((~mask).sum()) for mask in masks.values()) == document["zeros"]
    zero = sum(int(np.count_nonzero(weights[name] == 0)) for name in masks)
    assert zero == document["zeros"]
    assert json.loads((out / "gaprune.json").read_text(encoding="utf-8"))["sentence"] == document["sentence"]


def test_flags_reach_the_settings(run: Run, tmp_path: Path, tiny_analysis: Path) -> None:
    flags = [
        "--criterion",
        "dai",
        "--alignment",
        "correlation",
        "--alpha",
        0.3,
        "--beta",
        0.5,
        "--gamma",
        2,
        "--seed",
        7,
    ]
    more = [
        "--fisher-estimate",
        "shrunk",
        "--fisher-scale",
        "auto",
        "--fisher-power",
        0.5,
        "--allocation",
        "matrix",
        "--pattern",
        "2:4",
    ]
    document = run("prune", tiny_analysis, *flags, *more, "--out", tmp_path / "m", "--json").json()
    assert document["settings"] == {
        "score": {
            "criterion": "dai",
            "alignment": "correlation",
            "alpha": 0.3,
            "beta": 0.5,
            "gamma": 2.0,
            "fisher_scale": "auto",
            "fisher_power": 0.5,
            "fisher_estimate": "shrunk",
            "seed": 7,
        },
        "mask": {
            "sparsity": 0.5,
            "allocation": "matrix",
            "pattern": "2:4",
            "floor": 0.0,
            "ceiling": 1.0,
            "row_ceiling": 1.0,
            "whole_neurons": False,
        },
        "refit": {"refit": False, "domain_share": 0.25, "ridge": 0.1, "samples": 128, "tolerance": 1e-5},
        "structure": {"structure": "weights", "multiple": 32, "evidence": "criterion", "steps": 0},
    }
    assert document["kappa"] > 0
    number = run("prune", tiny_analysis, "--fisher-scale", "1e3", "--out", tmp_path / "m", "--json").json()
    assert number["settings"]["score"]["fisher_scale"] == 1000


def test_an_earlier_export_is_replaced(run: Run, tmp_path: Path, tiny_analysis: Path) -> None:
    out = tmp_path / "model"
    first = run("prune", tiny_analysis, "--out", out)
    assert "50.00% of the scope" in first.out
    assert run("prune", tiny_analysis, "--sparsity", 0.3, "--out", out, "--json").json()["zeros"] == int(0.3 * 14_336)
    assert json.loads((out / "gaprune.json").read_text(encoding="utf-8"))["settings"]["mask"]["sparsity"] == 0.3


def test_compare_prints_one_object(run: Run, pruned: Path, beir: Path) -> None:
    document = run("compare", pruned, "--task", beir, "--json").json()
    assert (document["task"], document["queries"], document["passages"]) == ("small", 3, 6)
    metrics = {"ndcg_at_10", "mrr_at_10", "recall_at_10", "recall_at_100", "map"}
    for side in ("dense", "pruned", "delta", "intervals_95", "p_values"):
        assert set(document[side]) == metrics
    for metric in metrics:
        assert 0 <= document["dense"][metric] <= 1
        assert document["delta"][metric] == pytest.approx(document["pruned"][metric] - document["dense"][metric])
        low, high = document["intervals_95"][metric]
        assert low <= document["delta"][metric] <= high
    # All six passages fit into the top ten, whatever their order.
    assert document["overlap_at_10"] == 1
    assert document["dense"]["recall_at_10"] == 1


def test_compare_leaves_a_query_s_own_passage_out(run: Run, pruned: Path, tmp_path: Path) -> None:
    folder = write_beir(tmp_path / "own", 0)
    passages = folder / "corpus.jsonl"
    passages.write_text(passages.read_text().replace('"_id": "p', '"_id": "q'))
    (folder / "qrels" / "test.tsv").write_text("\n".join(f"q{i}\tq{i + 1}\t1" for i in range(5)))
    found = run("compare", pruned, "--task", folder, "--json")
    assert found.json()["identical_ids_left_out"] == 5
    assert "5 of 5 queries have the id of a passage, which is left out of what they find" in found.err
    kept = run("compare", pruned, "--task", folder, "--identical-ids", "keep", "--json")
    assert kept.json()["identical_ids_left_out"] == 0
    assert kept.json()["dense"] != found.json()["dense"]
    assert (
        "no choice for identical ids"
        in run("compare", pruned, "--task", folder, "--identical-ids", "perhaps").refusal()
    )


def test_compare_prints_a_table(run: Run, pruned: Path, beir: Path) -> None:
    result = run("compare", pruned, "--task", beir)
    assert result.status == 0
    assert all(word in result.out for word in ("small", "nDCG@10", "MRR@10", "Recall@10", "dense", "pruned"))


def test_explain_agrees_with_the_mask(run: Run, pruned: Path, tiny_analysis: Path) -> None:
    from safetensors.numpy import load_file

    kept = load_file(pruned / "mask.safetensors")[WEIGHT]
    for state in (True, False):
        row, column = (int(i) for i in np.argwhere(kept == state)[0])
        document = run("explain", tiny_analysis, "--weight", f"{WEIGHT}[{row}, {column}]", "--json").json()
        assert document["weight"] == f"{WEIGHT}[{row},{column}]"
        assert document["layer"] == 0
        assert 1 <= document["rank"] <= document["group_size"] == 14_336
        assert document["kept"] is state
        # Ranks count from the weight that goes first.
        assert (document["rank"] > 14_336 // 2) is state
        assert document["reason"].endswith(".")


def test_explain_says_it_in_words(run: Run, tiny_analysis: Path) -> None:
    result = run("explain", tiny_analysis, "--weight", f"{WEIGHT}[1,2]", "--preset", "magnitude")
    assert result.status == 0
    assert f"{WEIGHT}[1,2] (layer 0)" in result.out
    assert "theta" in result.out
    assert "rank" in result.out


def test_diagnose_counts_every_weight(run: Run, tiny_analysis: Path) -> None:
    result = run("diagnose", tiny_analysis, "--preset", "balanced", "--json")
    document = json.loads(result.out)
    assert sum(document["term_shares"].values()) == pytest.approx(1, abs=1e-6)
    assert document["overlap"]["dai"] == document["jaccard"]["dai"] == 1
    assert document["zeros"] == document["weights"] // 2
    assert set(document["overlap"]) >= {"magnitude", "random", "wanda", "obd_joint", "dai_released"}
    assert all(document["jaccard"][name] <= value for name, value in document["overlap"].items())
    assert -1 <= document["rank_correlation_with_magnitude"] <= 1
    words = run("diagnose", tiny_analysis, "--preset", "balanced")
    assert document["sentence"] in words.out


def test_criteria_are_listed(run: Run) -> None:
    rows = run("criteria", "--json").json()["criteria"]
    assert {"dai", "dai_released", "magnitude", "random", "wanda", "obd_joint"} <= {row["name"] for row in rows}
    assert all(row["label"] and row["formula"] and row["source"] for row in rows)
    plain = run("criteria").out
    assert all(row["name"] in plain for row in rows)


@pytest.mark.parametrize(
    ("command", "specs"), [("analyze", (ModelSpec, CalibrationSpec)), ("prune", (ScoreSpec, MaskSpec))]
)
def test_every_setting_is_a_flag(run: Run, monkeypatch: pytest.MonkeyPatch, command: str, specs: Any) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = run(command, "--help").out
    for spec in specs:
        for field in spec.model_fields:
            assert f"--{field.replace('_', '-')}" in text


@pytest.mark.slow
def test_the_module_is_a_program(tmp_path: Path, pruned: Path, beir: Path) -> None:
    def program(*arguments: object) -> Result:
        command = [sys.executable, "-m", "gaprune_viz", *map(str, arguments)]
        own = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])}
        done = subprocess.run(command, capture_output=True, text=True, env=own, cwd=tmp_path, timeout=120)
        return Result(done.returncode, done.stdout, done.stderr)

    assert program("compare", pruned, "--task", beir, "--json").json()["queries"] == 3
    assert "There is no folder nowhere" in program("compare", "nowhere", "--task", beir).refusal()
