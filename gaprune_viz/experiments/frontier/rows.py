"""The rows of a frontier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gaprune_viz.config import Dtype, FrontierSpec, MaskSpec, Settings, Structure, StructureSpec
from gaprune_viz.config.frontier import LAYER_SHARE, NEURON_SHARES, WEIGHT_SHARES

FORMATS = {Dtype.FLOAT32: "fp32", Dtype.BFLOAT16: "bf16", Dtype.FLOAT16: "fp16"}


@dataclass(frozen=True)
class Row:
    """One way to a model.

    Attributes:
        name: of its folder.
        label: for people.
        settings: how it is pruned; None for the dense model and what is made of it.
        int8: whether its linear layers multiply in eight bits.
        static: whether it is a table of token vectors made of the dense model.
    """

    name: str
    label: str
    settings: Settings | None = None
    int8: bool = False
    static: bool = False

    @property
    def folder(self) -> str:
        """Name of the folder that it is read from: eight bits are made when a model is loaded."""
        return self.name.removesuffix("-int8")

    def content(self) -> dict[str, Any]:
        """What determines it, beside the dense model and the texts."""
        settings = None if self.settings is None else self.settings.content()
        return {"settings": settings, "int8": self.int8, "static": self.static}


def rows_of(spec: FrontierSpec, dtype: Dtype = Dtype.FLOAT32) -> list[Row]:
    """The rows that are asked for, the dense model first.

    Args:
        dtype: the format in which the dense model's weights are. It is in that row's label, which is no part of keys.
    """

    def cut(structure: Structure, share: float) -> Settings:
        whole = StructureSpec(structure=structure, steps=spec.steps)
        refit = spec.settings.refit.with_(refit=spec.settings.refit.refit and structure is not Structure.LAYERS)
        return spec.settings.with_(mask=MaskSpec(sparsity=share), structure=whole, refit=refit)

    found = [Row("dense", f"dense, {FORMATS[dtype]}"), Row("dense-int8", "dense, int8", int8=True)]
    for share in NEURON_SHARES:
        row = Row(f"neurons-{share:.0%}".rstrip("%"), f"{share:.0%} of the neurons out", cut(Structure.NEURONS, share))
        found += [row, Row(f"{row.name}-int8", f"{row.label}, int8", row.settings, int8=True)]
    found.append(Row("layers", "a third of the layers out", cut(Structure.LAYERS, LAYER_SHARE)))
    refit = ", refitted" if spec.settings.refit.refit else ""
    found += [
        Row(f"weights-{share:.0%}".rstrip("%"), f"{share:.0%} of the weights zero{refit}", spec.settings.at(share))
        for share in WEIGHT_SHARES
    ]
    found.append(Row("static", "static vectors of its tokens", static=True))
    return [row for row in found if row.name in spec.rows]
