"""Plan a cut, say which units stay, and take the others out of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from gaprune_viz.config import Structure, StructureSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.blocks import find_blocks, is_conv1d
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.structured.config_support import Shape, changes_of, refuse_inexpressible
from gaprune_viz.pruning.structured.counting import NOUNS, no_cut, units_after
from gaprune_viz.pruning.structured.units import Group, Slab, groups_of


@dataclass(frozen=True)
class Cut:
    """What a cut takes out, known to be possible.

    Attributes:
        groups: the structures.
        before, after: units of each group.
    """

    structure: Structure
    groups: tuple[Group, ...]
    before: int
    after: int

    @property
    def noun(self) -> str:
        """What goes, for people."""
        return NOUNS[self.structure]

    @property
    def fixed(self) -> int:
        """How many units of a group never go."""
        return len(self.groups[0].fixed)

    def on(self, model: EmbeddingModel) -> Cut:
        """The same cut of a copy of the model that it was planned for."""

        def own(slab: Slab) -> Slab:
            module = model.backbone.get_submodule(slab.target.name.removesuffix(".weight"))
            return replace(slab, target=replace(slab.target, module=module))

        groups = [replace(group, slabs=tuple(map(own, group.slabs))) for group in self.groups]
        return replace(self, groups=tuple(groups))


def plan_cut(model: EmbeddingModel, targets: Sequence[Target], spec: StructureSpec, sparsity: float) -> Cut:
    """What a cut would take out, refused before any work where it cannot be.

    Args:
        model: dense.
        targets: all linear weights of its blocks.
        sparsity: the share of the units that goes.

    Raises:
        GapruneError: nothing or everything would go, or the model cannot be built without it.
    """
    whole = uncut(model, targets, spec.structure)
    after = units_after(whole, spec, sparsity)
    if after == whole.before:
        raise no_cut(whole, spec, sparsity)
    cut = replace(whole, after=after)
    refuse_impossible(model, cut)
    return cut


def uncut(model: EmbeddingModel, targets: Sequence[Target], structure: Structure) -> Cut:
    """The structures of a model, all of which stay.

    Raises:
        GapruneError: as `groups_of`, or the layers have different numbers of them.
    """
    groups = groups_of(structure, model, targets)
    before = groups[0].units
    if any(group.units != before for group in groups):
        raise GapruneError(
            f"The layers of {model.label} have different numbers of {NOUNS[structure]}: its configuration holds one "
            "number for all of them.",
            "Prune single weights, or layers.",
        )
    return Cut(structure, tuple(groups), before, before)


def refuse_impossible(model: EmbeddingModel, cut: Cut) -> None:
    """Refuse a cut that the model's configuration cannot express.

    Raises:
        GapruneError: as `refuse_inexpressible`.
    """
    first = torch.arange(cut.before) < cut.after
    refuse_inexpressible(model, changes_of(cut.structure, model, cut.before, first), shapes_after(model, cut, first))


def kept_units(cut: Cut, scores: Sequence[Tensor]) -> list[Tensor]:
    """Which units stay in each group: those that score highest; of equal scores those with the lower index.

    Args:
        scores: [units] of each group; higher means keep.

    Returns:
        bool [units] of each group.

    Raises:
        GapruneError: a score is not a number.
    """
    found = []
    for group, given in zip(cut.groups, scores, strict=True):
        values = given.double().clone()
        if bool(values.isnan().any()):
            raise GapruneError(f"A score of {cut.noun} of {group.label} is not a number.", "Use another criterion.")
        values[list(group.fixed)] = torch.inf
        kept = torch.zeros(group.units, dtype=torch.bool)
        kept[torch.sort(values, descending=True, stable=True).indices[: cut.after]] = True
        found.append(kept)
    return found


def masks_of(cut: Cut, kept: Sequence[Tensor]) -> dict[str, Tensor]:
    """The cut as masks of the dense model, bool [out, in] by name of every matrix that it touches; True = kept."""
    found: dict[str, Tensor] = {}
    for group, stays in zip(cut.groups, kept, strict=True):
        for slab in group.slabs:
            lines = stays[slab.owner]
            mask = (lines[:, None] if slab.rows else lines[None, :]).expand(slab.target.shape)
            found[slab.target.name] = mask.contiguous()
    return found


def shapes_after(model: EmbeddingModel, cut: Cut, kept: Tensor) -> dict[str, Shape]:
    """The shape of every parameter after a cut, by its name then.

    Args:
        kept: bool [units], the same in every group: which of them go does not matter here, unless they are layers.
    """
    if cut.structure is Structure.LAYERS:
        return {new: tuple(p.shape) for new, p in _renamed(model.backbone, kept)}
    shapes = {name: list(p.shape) for name, p in model.backbone.named_parameters()}
    for group in cut.groups:
        for slab in group.slabs:
            left = int(kept[slab.owner].sum())
            shapes[slab.target.name][0 if slab.rows != slab.target.transposed else 1] = left
            bias = f"{slab.target.name.removesuffix('weight')}bias"
            if slab.rows and bias in shapes:
                shapes[bias][0] = left
    return {name: tuple(shape) for name, shape in shapes.items()}


@torch.no_grad()
def take_out(model: EmbeddingModel, cut: Cut, kept: Sequence[Tensor]) -> None:
    """Take units out of a live model, for good; its configuration says so.

    Args:
        cut: planned for this very model: its targets belong to it.
        kept: as `kept_units` gives it.
    """
    config = model.backbone.config
    changes: Mapping[str, Any] = changes_of(cut.structure, model, cut.before, kept[0])
    with model.lock:
        if cut.structure is Structure.LAYERS:
            _drop_layers(model.backbone, kept[0])
        else:
            for group, stays in zip(cut.groups, kept, strict=True):
                for slab in group.slabs:
                    _narrow(slab, stays[slab.owner])
        for name, value in changes.items():
            setattr(config, name, value)


def _narrow(slab: Slab, lines: Tensor) -> None:
    """Keep some rows or columns of a layer, with their biases."""
    module: Any = slab.target.module
    places = lines.nonzero()[:, 0].to(module.weight.device)
    module.weight = _part(module.weight, places, 0 if slab.rows != slab.target.transposed else 1)
    if slab.rows and getattr(module, "bias", None) is not None:
        module.bias = _part(module.bias, places, 0)
    if is_conv1d(module):
        module.nf, module.nx = (len(places), module.nx) if slab.rows else (module.nf, len(places))
    elif slab.rows:
        module.out_features = len(places)
    else:
        module.in_features = len(places)


def _part(parameter: Tensor, places: Tensor, axis: int) -> nn.Parameter:
    part = nn.Parameter(parameter.detach().index_select(axis, places).contiguous(), requires_grad=False)
    # transformers marks what it loaded; what is made of it was loaded too.
    for name, value in vars(parameter).items():
        setattr(part, name, value)
    return part


def _drop_layers(backbone: nn.Module, kept: Tensor) -> None:
    blocks = find_blocks(backbone)
    place = blocks[0][0].rpartition(".")[0]
    parent, _, name = place.rpartition(".")
    staying = [block for (_, block), stays in zip(blocks, kept.tolist(), strict=True) if stays]
    setattr(backbone.get_submodule(parent), name, nn.ModuleList(staying))
    for position, block in enumerate(staying):
        for module in block.modules():
            # By it decoders find their place in a cache.
            if hasattr(module, "layer_idx"):
                module.layer_idx = position  # type: ignore[assignment]


def _renamed(backbone: nn.Module, kept: Tensor) -> list[tuple[str, Tensor]]:
    """Parameters by the names that they have once some layers are gone.

    Raises:
        GapruneError: the layers are not one list.
    """
    blocks = [name for name, _ in find_blocks(backbone)]
    place = blocks[0].rpartition(".")[0]
    if any(name.rpartition(".")[0] != place for name in blocks):
        raise GapruneError("The layers of this model are not one list.", "Take out neurons, or prune single weights.")
    new = {old: f"{place}.{n}" for n, old in enumerate(b for b, s in zip(blocks, kept.tolist(), strict=True) if s)}
    found = []
    for name, parameter in backbone.named_parameters():
        block = next((block for block in blocks if name.startswith(f"{block}.")), None)
        if block is None:
            found.append((name, parameter))
        elif block in new:
            found.append((new[block] + name.removeprefix(block), parameter))
    return found
