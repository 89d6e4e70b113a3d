"""What needs no forward pass reads the weights from the model's files, to the bit as the model has them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gaprune_viz.analysis.exact_scores import diagnose, exact_scope, load_dense, scope_of
from gaprune_viz.analysis.stored_weights import stored_weights
from gaprune_viz.calibration.statistics import MatrixInfo, Statistics
from gaprune_viz.config import ModelSpec, RunSpec, Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import inventory
from tests.tiny_models import FAMILIES


class Described:
    """The part of an analysis that is read here."""

    def __init__(self, folder: Path, **fields: str) -> None:
        self.run = RunSpec(model=ModelSpec.parse({"model": str(folder), "device": "cpu", **fields}))
        self.model = load_model(self.run.model)
        self.targets = inventory(self.model).targets
        self.document = {"model": {"weight_hash": self.model.weight_hash}}
        self.matrices = [MatrixInfo(t.name, t.layer, t.role, t.scope, *t.shape) for t in self.targets]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_they_are_the_models_own(family: str, dtype: str, tiny_model_folder: Callable[..., Path]) -> None:
    found = Described(tiny_model_folder(family), dtype=dtype)
    weight = stored_weights(found)  # type: ignore[arg-type]
    # GPT-2 keeps its matrices as [in, out]: only the loaded model knows which way a square one lies.
    assert (weight is None) == (family == "gpt2")
    if weight is not None:
        for target in found.targets:
            assert torch.equal(weight(target.name), target.weight.float())


def test_files_of_a_whole_model_name_its_backbone(tiny_bert: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_bert, tmp_path / "whole")
    weights = load_file(folder / "model.safetensors")
    save_file({f"bert.{name}": w for name, w in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    found = Described(folder)
    weight = stored_weights(found)  # type: ignore[arg-type]
    assert weight is not None
    assert all(torch.equal(weight(t.name), t.weight) for t in found.targets)


def test_other_weights_are_refused(tiny_bert: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_bert, tmp_path / "changed")
    found = Described(folder)
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][0, 0] += 1
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(GapruneError, match="have changed since the analysis was made"):
        stored_weights(found)  # type: ignore[arg-type]


def test_a_scope_of_files_gives_the_same_masks_and_reasons(tiny_analysis: Path) -> None:
    statistics = Statistics.open(tiny_analysis)
    ours, theirs = scope_of(statistics), exact_scope(statistics, load_dense(statistics))[0]
    a, b = ours.masks(Settings()).masks, theirs.masks(Settings()).masks
    assert all(torch.equal(a[name], b[name]) for name in b)
    name = statistics.names[0]
    assert ours.explain(name, 0, 1, Settings()) == theirs.explain(name, 0, 1, Settings())
    assert diagnose(tiny_analysis, Settings())["sentence"]


# Runs the command line and says at the end what it has loaded.
SCRIPT = """
import sys
from gaprune_viz import cli
try:
    cli.main()
except SystemExit as end:
    print(end.code, "sentence_transformers" in sys.modules)
"""


@pytest.mark.parametrize("command", ["diagnose", "explain", "criteria", "verify"])
def test_no_model_is_loaded_for_it(command: str, tiny_analysis: Path) -> None:
    weight = ("--weight", f"{Statistics.open(tiny_analysis).names[0]}[0,1]") if command == "explain" else ()
    folder = () if command == "criteria" else (str(tiny_analysis),)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, command, *folder, *weight, "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
    )
    assert done.stdout.splitlines()[-1] == "0 False", done.stderr
