"""Several processes give the numbers of one; half precision is summed in float32; a spread model is no other."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from gaprune_viz.calibration.domain_pass import DomainStatistics, calibrate
from gaprune_viz.calibration.progress import drain
from gaprune_viz.calibration.statistics import Statistics, fields_of
from gaprune_viz.config import ModelSpec, Scope
from gaprune_viz.data.schema import Triplet
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.device_placement import needed_bytes, refuse_offloaded
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import find_targets

ROOT = Path(__file__).resolve().parents[2]


def launch(logs: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Two processes on the processor, each with its own log. `accelerate launch --cpu` would start one without MPI."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = ["--nproc_per_node", 2, "--master_addr", "127.0.0.1", "--master_port", port]
    words = ["-m", "torch.distributed.run", *launcher, "--log_dir", logs, "--tee", 3, "-m", "gaprune_viz", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    # What a person need not know of.
    environment.pop("ACCELERATE_USE_CPU", None)
    return subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, env=environment)


@pytest.mark.slow
def test_two_processes_give_the_numbers_of_one(
    tiny_bert: Path, tiny_triplets: tuple[Path, Path], tiny_analysis: Path, tmp_path: Path
) -> None:
    domain, general = tiny_triplets
    flags = ["--model", tiny_bert, "--domain", domain, "--general", general, "--samples", 12, "--sampling", "all"]
    logs, out = tmp_path / "logs", tmp_path / "out" / "two"
    done = launch(logs, "analyze", *flags, "--scope", "linear", "--device", "cpu", "--out", out)
    assert done.returncode == 0, done.stderr
    # Two processes ran, one speaks, and one folder is left.
    said = {path.parent.name: path.read_text(encoding="utf-8") for path in logs.rglob("stdout.log")}
    assert set(said) == {"0", "1"}
    assert "Written to" in said["0"]
    assert said["1"] == ""
    assert [path.name for path in out.parent.iterdir()] == ["two"]
    one, two = Statistics.open(tiny_analysis), Statistics.open(out)
    assert two.document["processes"] == 2
    assert one.document["key"] == two.document["key"]
    for side in ("domain", "general"):
        assert one.document["data"][side]["tokens"] == two.document["data"][side]["tokens"]
        assert two.document["data"][side]["mean_loss"] == pytest.approx(one.document["data"][side]["mean_loss"], 1e-6)
    assert two.has_neurons
    for name, role in ((m.name, m.role) for m in one.matrices):
        for field in fields_of(role):
            a, b = one.tensor(name, field).double(), two.tensor(name, field).double()
            assert float((a - b).norm() / a.norm()) < 1e-5, (name, field)


def statistics(model: EmbeddingModel, triplets: Sequence[Triplet]) -> DomainStatistics:
    targets = find_targets(model, Scope.LINEAR)
    return drain(calibrate(model, targets, triplets, temperature=0.05, token_budget=200, stage="test"))


@pytest.mark.parametrize(("dtype", "near"), [("bfloat16", 0.2), ("float16", 0.02)])
def test_half_precision_models_are_summed_in_float32(
    dtype: str, near: float, tiny_model_folder: Callable[..., Path], triplets: tuple[Triplet, ...]
) -> None:
    folder = tiny_model_folder("qwen3")
    half = statistics(load_model(ModelSpec(model=str(folder), device="cpu", dtype=dtype)), triplets)  # type: ignore[arg-type]
    full = statistics(load_model(ModelSpec(model=str(folder), device="cpu")), triplets)
    for name, fisher in half.fisher.items():
        assert fisher.dtype is half.grad[name].dtype is half.act[name].dtype is torch.float32
        # Sums in half precision would all be numbers that half precision can hold.
        kind = getattr(torch, dtype)
        assert not torch.equal(fisher, fisher.to(kind).float())
        assert not torch.equal(half.grad[name], half.grad[name].to(kind).float())
        assert float((fisher - full.fisher[name]).norm() / full.fisher[name].norm()) < near, name


def test_a_model_under_a_device_map_gives_the_same_numbers(
    tiny_model_folder: Callable[..., Path], triplets: tuple[Triplet, ...]
) -> None:
    folder = tiny_model_folder("qwen3")
    spread = statistics(load_model(ModelSpec(model=str(folder), device="spread")), triplets)
    plain = statistics(load_model(ModelSpec(model=str(folder), device="cpu")), triplets)
    assert all(torch.equal(spread.fisher[name].cpu(), plain.fisher[name]) for name in plain.fisher)


def test_what_a_model_needs_is_read_from_its_headers(tiny_bert: Path) -> None:
    model = load_model(ModelSpec(model=str(tiny_bert), device="cpu"))
    parameters = sum(p.numel() for p in model.backbone.parameters())
    assert needed_bytes(tiny_bert, torch.bfloat16) == pytest.approx(10 * parameters, rel=0.01)


def test_a_model_that_does_not_fit_is_refused(tiny_bert: Path) -> None:
    outline = load_model(ModelSpec(model=str(tiny_bert)), weights=False)
    with pytest.raises(GapruneError, match="does not fit"):
        refuse_offloaded(outline.backbone, outline.label)
