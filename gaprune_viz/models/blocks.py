"""Where a model keeps its transformer blocks, and which of their layers hold a weight matrix."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def is_linear(module: nn.Module) -> bool:
    """A Linear or a GPT-2 style Conv1D."""
    return isinstance(module, nn.Linear) or is_conv1d(module)


def is_conv1d(module: nn.Module) -> bool:
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, Conv1D)


def has_own_forward(module: nn.Module) -> bool:
    """Whether a class that derives from Linear computes in its own way: a router of experts, for example."""
    return isinstance(module, nn.Linear) and type(module).forward is not nn.Linear.forward


def multiplies(module: nn.Module, inputs: Tensor, output: object) -> bool:
    """Whether what a linear layer gave is its input times its weight, plus its bias: what its gradient is made of."""
    if not has_own_forward(module):
        return True
    expected = nn.functional.linear(inputs, module.weight, module.bias)  # type: ignore[arg-type]
    return isinstance(output, Tensor) and output.shape == expected.shape and _near(output, expected)


def _near(found: Tensor, expected: Tensor) -> bool:
    # Another order of sums moves the last bits, of which half precision has few.
    return torch.allclose(found.float(), expected.float(), rtol=2e-2, atol=float(expected.abs().max()) * 1e-2)


def find_blocks(backbone: nn.Module) -> list[tuple[str, nn.Module]]:
    """The transformer blocks: members of the outermost ModuleLists that all hold linear layers.

    Returns:
        (name in the backbone, block), in order; the position is the layer index.
    """
    blocks: list[tuple[str, nn.Module]] = []
    for name, module in backbone.named_modules():
        if not isinstance(module, nn.ModuleList) or any(name.startswith(f"{taken}.") for taken, _ in blocks):
            continue
        members = [(f"{name}.{i}", child) for i, child in enumerate(module)]
        if members and all(any(is_linear(m) for m in child.modules()) for _, child in members):
            blocks.extend(members)
    return blocks
