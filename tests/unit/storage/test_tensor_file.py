"""Statistics are written one tensor at a time into a file that safetensors reads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from gaprune_viz.storage.tensor_file import TensorFile, file_bytes

SHAPES = {"b:fisher_domain": (3, 5), "a:act_domain": (5,), "c": (1, 1)}


@given(order=st.permutations(list(SHAPES)), names=st.lists(st.text(min_size=1, max_size=9), unique=True, max_size=4))
def test_safetensors_reads_what_was_written_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, order: list[str], names: list[str]
) -> None:
    shapes = {**SHAPES, **{f"ö{name}": (2, 3) for name in names if name.isprintable()}}
    values = {name: torch.randn(shape) for name, shape in shapes.items()}
    path = tmp_path_factory.mktemp("file") / "x.safetensors"
    with TensorFile(path, shapes, {"format": "gaprune_viz"}) as file:
        for name in [*order, *(n for n in shapes if n not in order)]:
            file.write(name, values[name])
    found = load_file(path)
    assert set(found) == set(values)
    assert all(torch.equal(found[name], values[name]) for name in values)
    assert path.stat().st_size == file_bytes(shapes, {"format": "gaprune_viz"})


def test_other_types_and_layouts_become_plain_float32(tmp_path: Path) -> None:
    values = torch.arange(15, dtype=torch.bfloat16).view(5, 3).t()
    with TensorFile(tmp_path / "x", {"w": (3, 5)}, {}) as file:
        file.write("w", values)
    assert torch.equal(load_file(tmp_path / "x")["w"], values.float())


def test_a_forgotten_tensor_and_a_wrong_shape_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 tensors were not written"), TensorFile(tmp_path / "x", SHAPES, {}) as file:
        file.write("c", torch.zeros(1, 1))
    with pytest.raises(ValueError, match=r"c is \(2, 1\)"), TensorFile(tmp_path / "y", SHAPES, {}) as file:
        file.write("c", torch.zeros(2, 1))
