"""A refit from an analysis to a folder: what it says, what it gives, and when it is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gaprune_viz.analysis.exact_scores import exact_scope, load_dense
from gaprune_viz.calibration.progress import drain
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import MaskSpec, ModelSpec, RefitSpec, Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import inventory
from gaprune_viz.pruning.export import MASK_FILE, RESULT_FILE, prune, pruning
from gaprune_viz.pruning.mask_and_refit import pruned
from gaprune_viz.pruning.refit.from_analysis import Provenance, errors_analysed
from tests.commands import Run

SETTINGS = Settings(mask=MaskSpec(sparsity=0.6))
SPEC = RefitSpec(refit=True, ridge=0.05)
REFIT = SETTINGS.with_(refit=SPEC)


def load(folder: Path) -> EmbeddingModel:
    return load_model(ModelSpec(model=str(folder), device="cpu"))


@pytest.fixture(scope="module")
def both(tiny_analysis: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same mask, exported alone and with a refit."""
    folder = tmp_path_factory.mktemp("both")
    prune(tiny_analysis, SETTINGS, folder / "plain")
    prune(tiny_analysis, REFIT, folder / "refitted")
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
        prune(unsealed, REFIT, out)
    assert (out / RESULT_FILE).read_bytes() == before


def test_a_stop_keeps_the_earlier_export(tiny_analysis: Path, both: tuple[Path, Path], tmp_path: Path) -> None:
    out = Path(shutil.copytree(both[0], tmp_path / "model"))
    before = (out / RESULT_FILE).read_bytes()
    work = pruning(tiny_analysis, REFIT, out)
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
        prune(unsealed, REFIT, tmp_path / "model")
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


def test_a_plain_export_is_refitted_when_it_is_compared(run: Run, both: tuple[Path, Path], beir: Path) -> None:
    before = {path.name: path.read_bytes() for path in both[0].iterdir() if path.is_file()}
    flags = ("--refit", "--refit-ridge", 0.05)
    found, exported = (
        run("compare", folder, "--task", beir, *own, "--json").json()
        for folder, own in ((both[0], flags), (both[1], ()))
    )
    assert found == exported
    assert {path.name: path.read_bytes() for path in both[0].iterdir() if path.is_file()} == before


def test_retraining_starts_from_the_refit(run: Run, both: tuple[Path, Path], tmp_path: Path) -> None:
    few = ("--steps", 1, "--batch-size", 2, "--learning-rate", 1e-12)
    run("retrain", both[0], "--out", tmp_path / "anew", *few, "--refit", "--refit-ridge", 0.05)
    run("retrain", both[1], "--out", tmp_path / "kept", *few)
    anew, kept, refitted = map(load, (tmp_path / "anew", tmp_path / "kept", both[1]))
    texts = ["what is salt", "a bond of two atoms"]
    assert anew.encode(texts) == pytest.approx(refitted.encode(texts), abs=1e-5)
    assert kept.encode(texts) == pytest.approx(refitted.encode(texts), abs=1e-5)
    told = json.loads((tmp_path / "anew" / RESULT_FILE).read_text())
    assert RefitSpec.parse(told["refit"]["spec"]) == SPEC


def test_an_export_that_does_not_say_what_it_was_made_of(run: Run, both: tuple[Path, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(both[0], tmp_path / "model"))
    document = json.loads((folder / RESULT_FILE).read_text())
    del document["data"]
    (folder / RESULT_FILE).write_text(json.dumps(document))
    refused = run("compare", folder, "--task", "general", "--refit").refusal()
    assert "does not say what it was made of" in refused


def test_scores_of_a_refit_are_not_written_to_a_plain_export(run: Run, both: tuple[Path, Path]) -> None:
    assert "other weights than the refit" in run("benchmark", both[0], "--refit", "--write").refusal()


def test_the_errors_of_the_blocks_are_those_of_the_refit(tiny_analysis: Path) -> None:
    statistics = Statistics.open(tiny_analysis)
    model = load_dense(statistics)
    scope, targets = exact_scope(statistics, model)
    made = drain(pruned(statistics, model, scope, targets, REFIT))
    assert made.refit is not None
    origin = Provenance.of(statistics)
    found = drain(errors_analysed(origin, model, targets, made.masks, made.weights, SPEC))
    assert found["refit"] == pytest.approx(made.refit.errors, rel=1e-4)
    assert len(found["mask_only"]) == len(found["refit"]) == 2
    assert found["refit"][-1] < found["mask_only"][-1]
