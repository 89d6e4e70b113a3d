"""Packed exports are smaller, and come back to the last bit: by the command, and by the lines of the model card."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from gaprune_viz.config import MaskSpec, Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.comparison import load_pair
from gaprune_viz.pruning.export import prune, read_masks
from gaprune_viz.pruning.packing import LOADER, pack, unpack
from tests.commands import Run
from tests.tiny_models import texts


@pytest.mark.parametrize("sparsity", [0.5, 0.7])
def test_what_is_packed_comes_back_to_the_bit(run: Run, tiny_analysis: Path, tmp_path: Path, sparsity: float) -> None:
    settings = Settings(mask=MaskSpec(sparsity=sparsity))
    prune(tiny_analysis, settings, tmp_path / "plain")
    flags = ["--sparsity", sparsity, "--packed", "--out", tmp_path / "packed"]
    document = run("prune", tiny_analysis, *flags, "--json").json()
    files = {path.name for path in (tmp_path / "packed").rglob("*.safetensors")}
    assert files == {"model.packed.safetensors", "mask.packed.safetensors"}
    sizes = [sum(f.stat().st_size for f in (tmp_path / n).rglob("*.safetensors")) for n in ("plain", "packed")]
    assert document["bytes"] == sizes[1] < 0.75 * sizes[0]
    said = run("unpack", tmp_path / "packed", tmp_path / "again", "--json").json()
    assert said["bytes"] == pytest.approx(sizes[0], rel=0.01)
    for name in ("model.safetensors", "mask.safetensors"):
        before, after = load_file(tmp_path / "plain" / name), load_file(tmp_path / "again" / name)
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)
    assert read_masks(tmp_path / "again").keys() == read_masks(tmp_path / "plain").keys()
    plain, again = (load_pair(tmp_path / name).pruned.encode(texts()) for name in ("plain", "again"))
    np.testing.assert_array_equal(plain, again)
    assert "Packed" not in (tmp_path / "again" / "README.md").read_text(encoding="utf-8")


def test_the_lines_of_the_card_do_the_same_without_this_package(tiny_analysis: Path, tmp_path: Path) -> None:
    prune(tiny_analysis, Settings(mask=MaskSpec(sparsity=0.6)), tmp_path / "packed", packed=True)
    prune(tiny_analysis, Settings(mask=MaskSpec(sparsity=0.6)), tmp_path / "plain")
    found = re.findall(r"```python\n(.*?)```", (tmp_path / "packed" / "README.md").read_text(encoding="utf-8"), re.S)
    assert found[-1] == LOADER
    lines = LOADER.replace("path/to/this/folder", str(tmp_path / "packed"))
    ran = subprocess.run([sys.executable, "-c", lines], cwd="/", capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr[-2000:]
    for name in ("model.safetensors", "mask.safetensors"):
        plain, unpacked = load_file(tmp_path / "plain" / name), load_file(tmp_path / "packed" / name)
        assert all(torch.equal(plain[key], unpacked[key]) for key in plain)


def test_odd_tensors_are_packed_only_where_it_saves(tmp_path: Path) -> None:
    tensors = {
        "dense": torch.rand(8, 8) + 1,
        "half": torch.tensor([[0.0, 1, 0, 2, 0, 3, 0, -4, 0]] * 3).to(torch.bfloat16),
        "vector": torch.zeros(64),
        "nothing": torch.zeros(3, 5),
    }
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    pack(tmp_path)
    keys = set(load_file(tmp_path / "model.packed.safetensors"))
    assert {"dense", "vector", "half:bits", "half:values", "half:shape", "nothing:bits"} <= keys
    unpack(tmp_path, tmp_path.parent / f"{tmp_path.name}-out")
    again = load_file(tmp_path.parent / f"{tmp_path.name}-out" / "model.safetensors")
    assert all(
        torch.equal(again[name], tensor) and again[name].dtype == tensor.dtype for name, tensor in tensors.items()
    )


def test_what_is_not_packed_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert "holds nothing that is packed" in run("unpack", tmp_path / "plain", tmp_path / "out").refusal()
    packed = {"a:shape": torch.tensor([2, 8]), "a:bits": torch.tensor([255, 0], dtype=torch.uint8)}
    save_file({**packed, "a:values": torch.rand(3)}, tmp_path / "plain" / "model.packed.safetensors")
    with pytest.raises(GapruneError, match="3 values and 8 places"):
        unpack(tmp_path / "plain", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert json.dumps(sorted(p.name for p in tmp_path.iterdir())) == '["plain"]'
