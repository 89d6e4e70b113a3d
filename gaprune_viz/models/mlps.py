"""Which matrices make up one MLP: those that hold a neuron as a row, and the one that holds it as a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

FUSED = "fused_gate_up"
FEEDERS = ("up", "gate", FUSED)


class Placed(Protocol):
    """A weight matrix and where it stands."""

    @property
    def name(self) -> str: ...
    @property
    def layer(self) -> int: ...
    @property
    def role(self) -> str: ...
    @property
    def rows(self) -> int: ...
    @property
    def columns(self) -> int: ...


@dataclass(frozen=True)
class Mlp:
    """The matrices of one MLP.

    Attributes:
        feeders: those that hold a neuron as a row: `up`, and `gate` where there is one; of a fused matrix [2 n, in],
            row j and row n + j belong to neuron j.
        down: the matrix that holds it as a column.
        neurons: how many.
    """

    feeders: tuple[str, ...]
    down: str
    neurons: int


def mlps_of(matrices: Sequence[Placed]) -> list[Mlp]:
    """The MLPs of a scope, experts each for itself; what is no plain MLP, or only partly in the scope, is left out."""
    found = []
    for layer in sorted({m.layer for m in matrices}):
        here = [m for m in matrices if m.layer == layer]
        downs = [m for m in here if m.role == "down"]
        by_role = {role: [m for m in here if m.role == role] for role in FEEDERS}
        given = [feeders for feeders in by_role.values() if feeders]
        if not downs or not given or any(len(feeders) != len(downs) for feeders in given):
            continue
        for number, down in enumerate(downs):
            feeders = [role[number] for role in given]
            if all(m.rows == down.columns * (2 if m.role == FUSED else 1) for m in feeders):
                found.append(Mlp(tuple(m.name for m in feeders), down.name, down.columns))
    return found
