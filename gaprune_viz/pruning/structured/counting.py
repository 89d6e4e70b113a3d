"""How many units of a structure stay at a sparsity: rounded to what vector units divide evenly."""

from __future__ import annotations

from typing import Protocol

from gaprune_viz.config import Structure, StructureSpec
from gaprune_viz.errors import GapruneError

NOUNS = {Structure.NEURONS: "neurons", Structure.HEADS: "heads", Structure.LAYERS: "layers"}


class Countable(Protocol):
    """Units that are ranked among each other: how many there are, and how many of them never go."""

    @property
    def before(self) -> int: ...
    @property
    def fixed(self) -> int: ...


def units_after(units: Countable, spec: StructureSpec, sparsity: float) -> int:
    """How many units stay; all of them where rounding leaves nothing to go.

    Args:
        sparsity: the share that goes.

    Raises:
        GapruneError: none would stay.
    """
    before, multiple = units.before, _multiple(spec)
    # Half a step goes up: a model keeps rather too much than too little.
    wanted = (1 - sparsity) * before
    after = int(wanted / multiple + 0.5) * multiple
    if after > before or before - wanted < abs(after - wanted):
        after = before
    if after < max(1, units.fixed):
        raise _refused(units, spec, sparsity, "none would stay")
    return after


def no_cut(units: Countable, spec: StructureSpec, sparsity: float) -> GapruneError:
    """The error of a cut that takes nothing out."""
    return _refused(units, spec, sparsity, "none would go")


def _refused(units: Countable, spec: StructureSpec, sparsity: float, why: str) -> GapruneError:
    multiple = _multiple(spec)
    return GapruneError(
        f"Of {units.before} {NOUNS[spec.structure]}, sparsity {sparsity:g} leaves {(1 - sparsity) * units.before:g}, "
        f"rounded to a multiple of {multiple}: {why}.",
        f"Choose another sparsity{', or a smaller --structure-multiple' if multiple > 1 else ''}.",
    )


def _multiple(spec: StructureSpec) -> int:
    return spec.multiple if spec.structure is Structure.NEURONS else 1
