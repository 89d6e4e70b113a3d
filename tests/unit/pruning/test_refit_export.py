"""A refit from an analysis to a folder: what it says, what it gives, and when it is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import MaskSpec, ModelSpec, RefitSpec, Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import inventory
from gaprune_viz.pruning.export import MASK_FILE, RESULT_FILE, prune, pruning
from tests.commands import Run

SETTINGS = Settings(mask=MaskSpec(sparsity=0.6))
SPEC = RefitSpec(refit=True, ridge=0.05)


def load(folder: Path) -> EmbeddingModel:
    return load_model(ModelSpec(model=str(folder), device="cpu"))


@pytest.fixture(scope="module")
def both(tiny_analysis: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same mask, exported alone and with a refit."""
    folder = tmp_path_factory.mktemp("both")
    prune(tiny_analysis, SETTINGS, folder / "plain", refit=RefitSpec())
    prune(tiny_analysis, SETTINGS, folder / "refitted", refit=SPEC)
    return folder / "plain", folder / "refitted"


def test_the_mask_is_the_same_and_the_model_nearer_to_the_dense_one(both: tuple[Path, Path], tiny_bert: Path) -> None:
    masks = [load_file(folder / MASK_FILE) for folder in both]
    assert all(torch.equal(mask, masks[1][name]) for name, mask in masks[0].items())
    plain, refitted = map(load, both)
    for target in inventory(refitted).targets:
        assert not target.weight[~masks[1][target.name]].any()
    texts = ["what is salt", "a bond of two atoms", "the long river"]
    dense = load(tiny_bert).encode(texts)
    gaps = [float(((model.encode(texts) - dense) ** 2).sum()) for model in (plain, refitted)]
    assert gaps[1] < 0.5 * gaps[0]


def test_document_and_card_say_it(both: tuple[Path, Path]) -> None:
    plain, refitted = (json.loads((folder / RESULT_FILE).read_text()) for folder in both)
    assert "refit" not in plain
    assert "| kept weights | as they were |" in (both[0] / "README.md").read_text()
    told = refitted["refit"]
    assert RefitSpec.parse(told["spec"]) == SPEC
    assert told["tokens"] > 0
    assert len(told["block_errors"]) == 2
    assert f"without training, on {told['tokens']:,} tokens" in (both[1] / "README.md").read_text()


def test_data_that_changed_are_refused_and_nothing_is_lost(
    unsealed: Path, both: tuple[Path, Path], tmp_path: Path
) -> None:
    out = Path(shutil.copytree(both[0], tmp_path / "model"))
    before = (out / RESULT_FILE).read_bytes()
    document = json.loads((unsealed / "spec.json").read_text())
    document["data"]["general"]["content_hash"] = "0" * 64
    (unsealed / "spec.json").write_text(json.dumps(document))
    with pytest.raises(GapruneError, match=r"general data .* have changed since the analysis"):
        prune(unsealed, SETTINGS, out, refit=SPEC)
    assert (out / RESULT_FILE).read_bytes() == before


def test_a_stop_keeps_the_earlier_export(tiny_analysis: Path, both: tuple[Path, Path], tmp_path: Path) -> None:
    out = Path(shutil.copytree(both[0], tmp_path / "model"))
    before = (out / RESULT_FILE).read_bytes()
    work = pruning(tiny_analysis, SETTINGS, out, refit=SPEC)
    for _ in range(5):
        assert next(work).stage == "Refitting"
    work.close()
    assert (out / RESULT_FILE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_memory_of_the_analysis_binds_the_refit(unsealed: Path, tmp_path: Path) -> None:
    document = json.loads((unsealed / "spec.json").read_text())
    document["run"]["calibration"]["memory"] = 0.0001
    (unsealed / "spec.json").write_text(json.dumps(document))
    assert Statistics.open(unsealed).run.calibration.memory == 0.0001
    with pytest.raises(GapruneError, match="too little for this refit"):
        prune(unsealed, SETTINGS, tmp_path / "model", refit=SPEC)
    assert not (tmp_path / "model").exists()


def test_the_command_takes_the_flags(run: Run, tiny_analysis: Path, tmp_path: Path) -> None:
    flags = ("--refit", "--refit-ridge", 0.2, "--refit-domain-share", 1, "--refit-samples", 5)
    result = run("prune", tiny_analysis, "--out", tmp_path / "model", "--sparsity", 0.6, *flags, "--json")
    told = result.json()["refit"]["spec"]
    assert told == {"refit": True, "ridge": 0.2, "domain_share": 1.0, "samples": 5, "tolerance": 1e-5}
    plain = run("prune", tiny_analysis, "--out", tmp_path / "model", "--sparsity", 0.6, "--refit")
    assert "The weights that stay were fitted anew on " in plain.out
    wrong = run("prune", tiny_analysis, "--out", tmp_path / "other", "--refit", "--refit-domain-share", 2)
    assert "domain-share" in wrong.refusal()


def test_compare_shows_the_mask_alone_beside_the_refit(run: Run, both: tuple[Path, Path], beir: Path) -> None:
    plain, refitted = (run("compare", folder, "--task", beir, "--json").json() for folder in both)
    assert "mask_only" not in plain
    assert refitted["mask_only"] == plain["pruned"]
    assert refitted["dense"] == plain["dense"]
    assert RefitSpec.parse(refitted["refit"]["spec"]) == SPEC
    told = run("compare", both[1], "--task", beir).out
    assert all(word in told for word in ("dense", "mask only", "refitted"))
    assert "mask only" not in run("compare", both[0], "--task", beir).out
