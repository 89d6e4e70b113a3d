"""Where a model keeps its transformer blocks, and which of their layers hold a weight matrix."""

from __future__ import annotations

from torch import nn


def is_linear(module: nn.Module) -> bool:
    """A Linear or a GPT-2 style Conv1D."""
    return isinstance(module, nn.Linear) or is_conv1d(module)


def is_conv1d(module: nn.Module) -> bool:
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, Conv1D)


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
