"""What could be taken out of a model, counted once so that a slider's move needs no model.

Of each structure: how many units there are, what one of them has in parameters and floating-point operations, and what
the model's configuration cannot express. Parameters are those of the backbone, as exports count them. Operations are
those of one text of TOKENS tokens in all layers: two for each weight and token, and attention's own products of queries
with keys and of their shares with values, 4 * TOKENS^2 * width in each layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from pydantic import Field

from gaprune_viz.config import Spec, Structure
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.blocks import find_blocks, is_conv1d, is_linear
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.roles import role_by_name
from gaprune_viz.models.targets import Target, inventory
from gaprune_viz.pruning.structured.cutting import Cut, refuse_impossible, shapes_after, uncut

TOKENS = 128
STRUCTURES = (Structure.NEURONS, Structure.HEADS, Structure.LAYERS)
Refusal = tuple[str, str]
"""What cannot be, and what to do instead."""


class Units(Spec):
    """A model's units of one structure.

    Attributes:
        refusal: why none can go; None where some can.
        refused: numbers of units that the configuration cannot express, each with why.
        before: units of each layer; of layers, all of them.
        fixed: how many of them never go.
        names: the matrices that a unit's score is made of.
        parameters, flops: of one unit, in all layers together; of layers, of each. `flops` are those of one text.
    """

    structure: Structure
    refusal: Refusal | None = None
    refused: dict[int, Refusal] = Field(default_factory=dict)
    before: int = 0
    fixed: int = 0
    names: tuple[str, ...] = ()
    parameters: tuple[int, ...] = ()
    flops: tuple[int, ...] = ()


class Outline(Spec):
    """What could be taken out of a model.

    Attributes:
        parameters: of the backbone.
        flops: of one text of TOKENS tokens; None where only a part of the weights reads each token (experts).
        weight_bytes: of one parameter.
        units: by structure.
    """

    parameters: int
    flops: int | None
    weight_bytes: int
    units: dict[Structure, Units]


def outline_of(model: EmbeddingModel, targets: Sequence[Target] | None = None) -> Outline:
    """What could be taken out of a model.

    Args:
        targets: all linear weights of its blocks; None to find them by what feeds what, which needs the weights.
    """
    targets = inventory(model).targets if targets is None else targets
    parameters = list(model.backbone.parameters())
    downs = [target.layer for target in targets if target.role == "down"]
    known = len(downs) == len(set(downs))
    return Outline(
        parameters=sum(p.numel() for p in parameters),
        flops=_flops(targets) if known else None,
        weight_bytes=parameters[0].element_size(),
        units={structure: _units(structure, model, targets) for structure in STRUCTURES},
    )


def named_targets(model: EmbeddingModel, roles: Mapping[str, str]) -> list[Target]:
    """The linear weights of a model without weights, by what they are called.

    Args:
        roles: those that are known; the usual names of the families tell the others.
    """
    found, seen = [], set[int]()
    for layer, (block_name, block) in enumerate(find_blocks(model.backbone)):
        for relative, module in block.named_modules():
            if is_linear(module) and id(module.weight) not in seen:
                seen.add(id(module.weight))
                name = f"{block_name}.{relative}.weight"
                role = roles.get(name) or role_by_name(name) or "other"
                found.append(Target(name, module, layer, role, is_conv1d(module)))
    return found


def _units(structure: Structure, model: EmbeddingModel, targets: Sequence[Target]) -> Units:
    try:
        whole = uncut(model, targets, structure)
    except GapruneError as error:
        return Units(structure=structure, refusal=(error.message, error.hint))
    tried = _worth_trying(whole)
    refused = {after: said for after in tried if (said := _refusal(model, replace(whole, after=after))) is not None}
    if tried and len(refused) == len(tried):
        return Units(structure=structure, refusal=next(iter(refused.values())))
    layers = structure is Structure.LAYERS
    return Units(
        structure=structure,
        refused=refused,
        before=whole.before,
        fixed=whole.fixed,
        names=tuple(dict.fromkeys(slab.target.name for group in whole.groups for slab in group.slabs)),
        parameters=_layer_parameters(model) if layers else (_unit_parameters(model, whole),),
        flops=_layer_flops(targets, whole.before) if layers else (_unit_flops(whole),),
    )


def _worth_trying(whole: Cut) -> list[int]:
    """Numbers of units whose configuration is built: every number of heads, because some families ask that it divides
    their hidden size; of neurons one, and of layers the fewest and the most."""
    least, most = max(1, whole.fixed), whole.before - 1
    if most < least:
        return []
    if whole.structure is Structure.HEADS:
        return list(range(least, most + 1))
    return [most] if whole.structure is Structure.NEURONS else sorted({least, most})


def _refusal(model: EmbeddingModel, cut: Cut) -> Refusal | None:
    try:
        refuse_impossible(model, cut)
    except GapruneError as error:
        return error.message, error.hint
    return None


def _unit_parameters(model: EmbeddingModel, whole: Cut) -> int:
    """Parameters of one neuron or head in all layers: each is as large as any other."""
    before = sum(p.numel() for p in model.backbone.parameters())
    after = replace(whole, after=whole.before - 1)
    shapes = shapes_after(model, after, torch.arange(whole.before) < after.after)
    return before - sum(math.prod(shape) for shape in shapes.values())


def _layer_parameters(model: EmbeddingModel) -> tuple[int, ...]:
    return tuple(sum(p.numel() for p in block.parameters()) for _, block in find_blocks(model.backbone))


def _flops(targets: Sequence[Target]) -> int:
    return sum(_matrix_flops(target, target.rows * target.columns, target.columns) for target in targets)


def _layer_flops(targets: Sequence[Target], layers: int) -> tuple[int, ...]:
    return tuple(_flops([target for target in targets if target.layer == layer]) for layer in range(layers))


def _unit_flops(whole: Cut) -> int:
    found = 0
    for group in whole.groups:
        for slab in group.slabs:
            target, lines = slab.target, len(slab.owner) // group.units
            across = target.columns if slab.rows else target.rows
            found += _matrix_flops(target, lines * across, 0 if slab.rows else lines)
    return found


def _matrix_flops(target: Target, weights: int, columns: int) -> int:
    """Of a part of a matrix over one text; that of an attention's output stands for the products before it."""
    products = 4 * TOKENS * TOKENS * columns if target.role == "attention_output" else 0
    return 2 * TOKENS * weights + products
