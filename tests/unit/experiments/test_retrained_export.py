"""Retraining an export: the mask stays, the curve is told, a stopped run goes on, mistakes are one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gaprune_viz.analysis.making import analyze
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import CalibrationSpec, MaskSpec, ModelSpec, RetrainSpec, RunSpec, Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.comparison import load_pair
from gaprune_viz.experiments.retrained_export import read_masks, retrain_export
from gaprune_viz.pruning.export import prune
from tests.beir_folders import write_beir
from tests.commands import Run

SPEC = RetrainSpec(steps=4, batch_size=4, learning_rate=1e-3, warmup=1)


@pytest.fixture(scope="module")
def pruned(tiny_analysis: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pruned") / "model"
    prune(tiny_analysis, Settings(mask=MaskSpec(sparsity=0.6)), place)
    return place


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_beir(tmp_path_factory.mktemp("task") / "near", 0))


@pytest.fixture(scope="module")
def retrained(pruned: Path, task: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("retrained") / "model"
    drain(retrain_export(pruned, SPEC, out, task=task))
    return out


def test_the_result_loads_has_the_same_mask_and_other_weights(pruned: Path, retrained: Path) -> None:
    from sentence_transformers import SentenceTransformer

    before, after = load_pair(pruned), load_pair(retrained)
    masks = read_masks(retrained)
    assert all(torch.equal(mask, read_masks(pruned)[name]) for name, mask in masks.items())
    weights = dict(after.pruned.backbone.named_parameters())
    for name, mask in masks.items():
        assert not weights[name].detach()[~mask].any()
    texts = ["what is salt", "a loan and its interest"]
    vectors = SentenceTransformer(str(retrained), device="cpu").encode(texts, normalize_embeddings=True)
    assert np.allclose(vectors, after.pruned.encode(texts), atol=1e-6)
    assert not np.allclose(vectors, before.pruned.encode(texts), atol=1e-3)


def test_the_card_and_the_document_tell_the_curve(retrained: Path, task: str) -> None:
    told = json.loads((retrained / "gaprune.json").read_text())["retrained"]
    assert [step for step, _ in told["curve"]["losses"]] == [1, 2, 3, 4]
    assert [point["step"] for point in told["curve"]["points"]] == [0, 4]
    assert told["triplets"] == 12
    card = (retrained / "README.md").read_text()
    assert "retrained, as told below" in card and "as they were" not in card
    assert "## Retrained" in card and f"| 4 | {told['curve']['points'][-1]['ndcg_at_10']['domain']:.4f} |" in card


def test_a_run_that_was_stopped_goes_on_and_leaves_nothing_behind(
    pruned: Path, retrained: Path, task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gaprune_viz.pruning.retraining.CHECKPOINT_EVERY", 2)
    out = tmp_path / "model"
    work = retrain_export(pruned, SPEC, out, task=task)
    seen: list[Any] = []
    # News of training: before and after the first measurement, and after each step.
    while sum(step.stage == "Retraining" for step in seen) < 5:
        seen.append(next(work))
    work.close()
    assert not out.exists()
    assert [p.suffix for p in tmp_path.iterdir()] == [".safetensors"]
    drain(retrain_export(pruned, SPEC, out, task=task))
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    first, second = (load_pair(place).pruned.encode(["salt"]) for place in (retrained, out))
    assert np.allclose(first, second, atol=1e-6)


def test_the_command(run: Run, pruned: Path, task: str, tmp_path: Path) -> None:
    told = run("retrain", pruned, "--out", tmp_path / "m", "--steps", 2, "--batch-size", 4, "--task", task, "--json")
    assert told.json()["spec"]["steps"] == 2
    for words, expected in (
        ((pruned, "--out", tmp_path / "x"), "there are 12 triplets and the batch size is 32"),
        ((pruned, "--out", pruned), "is the pruned model itself"),
        ((tmp_path, "--out", tmp_path / "x"), "is not a pruned model"),
        ((pruned, "--out", tmp_path / "x", "--steps", 0), "steps"),
    ):
        assert expected in run("retrain", *words).refusal()


def test_a_table_with_columns_of_its_own_is_read_as_in_the_analysis(tiny_bert: Path, tmp_path: Path) -> None:
    rows = ["asked,right,wrong", *(f"what is {word},{word} is this,{word} is not that" for word in "abcd")]
    table = tmp_path / "own.csv"
    table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    columns = "query=asked,positive=right,negative=wrong"
    run = RunSpec(
        model=ModelSpec(model=str(tiny_bert), device="cpu"),
        calibration=CalibrationSpec(
            domain=str(table), general=str(table), domain_columns=columns, general_columns=columns, samples=4
        ),
    )
    prune(drain(analyze(run, tmp_path / "analysis")), Settings(), tmp_path / "pruned")
    document = drain(retrain_export(tmp_path / "pruned", SPEC.with_(steps=1), tmp_path / "retrained"))
    assert document["retrained"]["triplets"] == 4


def test_a_damaged_mask_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "mask.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(GapruneError, match=r"mask\.safetensors cannot be read"):
        read_masks(tmp_path)
