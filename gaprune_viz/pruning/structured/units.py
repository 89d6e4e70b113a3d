"""The structures of a model: which rows and columns of which matrices make up a neuron, a head, a layer.

- A neuron is a row of `up` (and of `gate`) and a column of `down`; of a fused gate and up, two rows.
- A head is a key and a value head with all the query heads that read them, and their columns of the attention's output.
  It can go where the configuration has a head size of its own (Qwen3, Llama, Gemma); where it is the hidden size over
  the number of heads (BERT), the sizes of all other heads would change.
- A layer is a whole block. The first one stays always: in some families it is built in another way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gaprune_viz.config import Structure
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.blocks import find_blocks
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.mlps import mlps_of
from gaprune_viz.models.targets import Target


@dataclass(frozen=True, eq=False)
class Slab:
    """The part of one matrix that belongs to the units of a group.

    Attributes:
        owner: int64 [rows] or [columns] of the matrix as [out, in]: the unit that each belongs to.
        rows: whether units are rows; otherwise they are columns.
    """

    target: Target
    owner: Tensor
    rows: bool


@dataclass(frozen=True, eq=False)
class Group:
    """Units that are ranked among each other: those of one MLP or attention, or all layers.

    Attributes:
        label: for people: `layer 3`.
        units: how many there are.
        slabs: what they are made of.
        fixed: units that never go.
    """

    label: str
    units: int
    slabs: tuple[Slab, ...]
    fixed: tuple[int, ...] = ()

    @property
    def down(self) -> str:
        """Name of the matrix that has the units as columns; of layers, none: the empty name."""
        return next((slab.target.name for slab in self.slabs if not slab.rows), "")


def groups_of(structure: Structure, model: EmbeddingModel, targets: Sequence[Target]) -> list[Group]:
    """The structures of a model, group by group.

    Args:
        targets: all linear weights of its blocks.

    Raises:
        GapruneError: the model is built in a way in which they cannot go.
    """
    if structure is Structure.NEURONS:
        return _neurons(targets)
    if structure is Structure.HEADS:
        return _heads(model, targets)
    return [_layers(model, targets)]


def unit_sums(group: Group, values: Mapping[str, Tensor]) -> Tensor:
    """The sum over each unit of what its weights have, float64 [units].

    Args:
        values: [out, in] by target name; a matrix that is not among them adds nothing.
    """
    found = torch.zeros(group.units, dtype=torch.float64)
    for slab in group.slabs:
        if slab.target.name in values:
            sums = values[slab.target.name].double().sum(dim=1 if slab.rows else 0)
            found.index_add_(0, slab.owner, sums.cpu())
    return found


def _neurons(targets: Sequence[Target]) -> list[Group]:
    by_name = {target.name: target for target in targets}
    mlps = mlps_of([target for target in targets if target.scope == "mlp"])
    parts = {name for mlp in mlps for name in (*mlp.feeders, mlp.down)}
    odd = [target for target in targets if target.scope == "mlp" and target.name not in parts]
    if not mlps or odd:
        where = f"layer {odd[0].layer}" if odd else "this model"
        raise GapruneError(
            f"Whole neurons cannot be taken out of {where}: its MLP is not up, gate and down.",
            "Prune single weights, or layers.",
        )
    found = []
    for mlp in mlps:
        neurons = torch.arange(mlp.neurons)
        feeders = [by_name[name] for name in mlp.feeders]
        slabs = [Slab(feeder, neurons.repeat(feeder.rows // mlp.neurons), rows=True) for feeder in feeders]
        down = by_name[mlp.down]
        found.append(Group(f"layer {down.layer}", mlp.neurons, (*slabs, Slab(down, neurons, rows=False))))
    return found


def _heads(model: EmbeddingModel, targets: Sequence[Target]) -> list[Group]:
    size = getattr(model.backbone.config, "head_dim", None)
    if not isinstance(size, int):
        raise GapruneError(
            f"Heads cannot be taken out of {model.label}: its configuration has no head size of its own.",
            "Take out neurons or layers; heads work for Qwen3, Llama, Gemma and their like.",
        )
    found = []
    for layer in sorted({target.layer for target in targets}):
        here = {t.role: t for t in targets if t.layer == layer and t.scope == "attention"}
        roles = ("query", "key", "value", "attention_output")
        many = sum(1 for t in targets if t.layer == layer and t.scope == "attention")
        heads = here["key"].rows // size if "key" in here else 0
        if set(here) != set(roles) or many != len(roles) or not heads or here["value"].rows != heads * size:
            raise GapruneError(
                f"Heads cannot be taken out of layer {layer} of {model.label}: its attention is not query, key, value "
                "and output.",
                "Take out neurons or layers.",
            )
        slabs = []
        for role in roles:
            length = here[role].columns if role == "attention_output" else here[role].rows
            owner = torch.arange(heads).repeat_interleave(length // heads)
            slabs.append(Slab(here[role], owner, rows=role != "attention_output"))
        found.append(Group(f"layer {layer}", heads, tuple(slabs)))
    return found


def _layers(model: EmbeddingModel, targets: Sequence[Target]) -> Group:
    slabs = tuple(Slab(t, torch.full((t.rows,), t.layer), rows=True) for t in targets)
    return Group("the model", len(find_blocks(model.backbone)), slabs, fixed=(0,))
