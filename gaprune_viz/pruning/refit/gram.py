"""Sums over tokens that a refit needs: the Gram matrix of the inputs, and what is wanted of the weights.

With inputs x of the pruned model, inputs x' of the dense one, and an error r that a layer is to make good,
`H = sum x x^T`, `G = sum (x' - x) x^T`, `R = sum r x^T`. Differences are taken before they are summed: where nothing
was pruned the sums are exactly 0, not the difference of two large ones. A batch is summed in float32, the batches in
float64 (where the device has it) in a fixed order.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

# The Gram matrix is symmetric: blocks of columns below the diagonal are not computed.
LEAST_BLOCK = 192
MOST_BLOCKS = 8


def wide(device: torch.device) -> torch.dtype:
    """The widest floating type of a device: Apple's has no float64."""
    return torch.float32 if device.type == "mps" else torch.float64


@dataclass(frozen=True)
class Rows:
    """The real tokens of a batch, and how much each counts.

    Attributes:
        index: int64 [tokens], their rows in the flattened [texts * longest, ...]; None where every row is one.
        root: float32 [tokens, 1], square root of their weights; None where all are 1.
    """

    index: Tensor | None
    root: Tensor | None

    def of(self, padded: Tensor) -> Tensor:
        """float32 [tokens, width] of a tensor whose last dimension is the width; not yet weighted."""
        flat = padded.reshape(-1, padded.shape[-1])
        return (flat if self.index is None else flat[self.index.to(flat.device)]).float()

    def weighted(self, rows: Tensor) -> Tensor:
        """Rows by the square root of their weight: products of two such sums are weighted sums."""
        return rows if self.root is None else rows * self.root.to(rows.device)


class GramSum:
    """Running sum of `x x^T`, [width, width]."""

    def __init__(self, width: int, device: torch.device) -> None:
        self.total = torch.zeros(width, width, dtype=wide(device), device=device)
        count = max(1, min(MOST_BLOCKS, width // LEAST_BLOCK))
        self.edges = [round(i * width / count) for i in range(count + 1)]

    def add(self, x: Tensor) -> None:
        """Take in float32 [tokens, width]."""
        for start, end in itertools.pairwise(self.edges):
            self.total[start:end, start:] += x[:, start:end].t() @ x[:, start:]

    def finish(self) -> Tensor:
        """The sum as float32, its lower half filled in; the running sum is done with."""
        full = self.total.float()
        for start, end in itertools.pairwise(self.edges):
            full[end:, start:end] = full[start:end, end:].t()
        return full


class CrossSum:
    """Running sum of `a b^T`, [rows, columns]."""

    def __init__(self, rows: int, columns: int, device: torch.device) -> None:
        self.total = torch.zeros(rows, columns, dtype=wide(device), device=device)

    def add(self, a: Tensor, b: Tensor) -> None:
        """Take in float32 [tokens, rows] and [tokens, columns]."""
        self.total += a.t() @ b

    def finish(self) -> Tensor:
        """The sum as float32."""
        return self.total.float()


def lost(weight: Tensor, keep: Tensor, gram: Tensor, cross: Tensor | None) -> Tensor:
    """R of a layer that is to give what it gave before, `W x'`, when it reads x: `W G + (W - W * M) H`.

    Args:
        weight: float32 [out, in], dense.
        keep: bool [out, in].
        gram: H, [in, in].
        cross: G, [in, in]; None where x' and x are the same.
    """
    wanted = weight.masked_fill(keep, 0) @ gram
    return wanted if cross is None else wanted.addmm_(weight, cross)
