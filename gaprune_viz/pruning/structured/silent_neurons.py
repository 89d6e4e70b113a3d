"""Take out whole MLP neurons that a mask has silenced: exact, smaller, and loadable like any other model.

A neuron of an MLP is a row of `up` (and of `gate`) and a column of `down`. Where its whole column is zero, nothing that
it computes reaches the output, so that it can go. A model's configuration holds one width for all layers, so every
layer loses as many neurons as the layer that can spare the fewest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target

# What the families call the width of an MLP in their configurations.
WIDTHS = ("intermediate_size", "hidden_dim", "ffn_dim", "d_ff")


@dataclass(frozen=True)
class Neurons:
    """The neurons of one layer's MLP.

    Attributes:
        rows: the matrices that hold a neuron as a row: `up`, and `gate` where there is one.
        down: the matrix that holds it as a column.
        silent: bool [width], those whose column is all zero.
    """

    rows: tuple[Target, ...]
    down: Target
    silent: Tensor


def neurons_of(targets: Sequence[Target]) -> list[Neurons]:
    """The neurons of every layer.

    Raises:
        GapruneError: the MLPs are built in a way that this does not know: fused, not plain Linear, or more than one.
    """
    found = []
    for layer in sorted({t.layer for t in targets}):
        here = [t for t in targets if t.layer == layer and t.scope == "mlp"]
        downs = [t for t in here if t.role == "down"]
        rows = tuple(t for t in here if t.role in ("up", "gate"))
        plain = all(type(t.module) is nn.Linear for t in here)
        if len(downs) != 1 or len(rows) + 1 != len(here) or not rows or not plain:
            raise GapruneError(
                f"Whole neurons cannot be taken out of layer {layer}: its MLP is not up, gate and down.",
                "This works for BERT, RoBERTa, Llama, Qwen and their like.",
            )
        found.append(Neurons(rows, downs[0], ~(downs[0].weight != 0).any(dim=0)))
    return found


def removable(targets: Sequence[Target]) -> int:
    """How many neurons each layer can lose."""
    return min(int(layer.silent.sum()) for layer in neurons_of(targets))


@torch.no_grad()
def shrink(model: EmbeddingModel, targets: Sequence[Target]) -> int:
    """Take silent neurons out of a live model, as many in each layer. There is no way back: load it again.

    Returns:
        neurons taken out of each layer.

    Raises:
        GapruneError: as `neurons_of`, or the configuration does not say the width.
    """
    layers = neurons_of(targets)
    count = min(int(layer.silent.sum()) for layer in layers)
    if count == 0:
        return 0
    width = len(layers[0].silent)
    config = model.backbone.config
    name = next((n for n in WIDTHS if getattr(config, n, None) == width), None)
    if name is None or any(len(layer.silent) != width for layer in layers):
        raise GapruneError(
            f"The configuration of {model.label} does not hold one width for all its MLPs.",
            "This works for BERT, RoBERTa, Llama, Qwen and their like.",
        )
    with model.lock:
        for layer in layers:
            kept = torch.ones(width, dtype=torch.bool, device=layer.silent.device)
            kept[layer.silent.nonzero()[:count, 0]] = False
            for target in layer.rows:
                _keep_rows(target.module, kept)
            _keep_columns(layer.down.module, kept)
        setattr(config, name, width - count)
    return count


def _keep_rows(linear: nn.Module, kept: Tensor) -> None:
    assert isinstance(linear, nn.Linear)
    linear.weight = nn.Parameter(linear.weight[kept].contiguous(), requires_grad=False)
    if linear.bias is not None:
        linear.bias = nn.Parameter(linear.bias[kept].contiguous(), requires_grad=False)
    linear.out_features = int(kept.sum())


def _keep_columns(linear: nn.Module, kept: Tensor) -> None:
    assert isinstance(linear, nn.Linear)
    linear.weight = nn.Parameter(linear.weight[:, kept].contiguous(), requires_grad=False)
    linear.in_features = int(kept.sum())
