"""Least squares under a mask, all rows at once, by preconditioned conjugate gradients.

Every output row has its own kept columns, so that an exact solution is one factorisation a row. Conjugate gradients
need products with one matrix for all rows (ALPS, arXiv 2406.07831, ends in the same iteration; ADMM for pruned
language models is arXiv 2401.02938). The diagonal preconditions: it is put into the matrix beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Rows go in blocks whose four arrays stay in the processor's cache; a card takes all rows at once.
BLOCK_BYTES = 2**19
LEAST_ROWS = 32
MOST_ITERATIONS = 500


@dataclass(frozen=True)
class Solution:
    """What the iteration found.

    Attributes:
        change: float32 [out, in], to be added to the kept weights; 0 wherever the mask is.
        iterations: of the block of rows that took most.
        products: row products with the matrix, over all blocks: what the time is made of.
        residual: largest relative residual of a row when the iteration stopped.
    """

    change: Tensor
    iterations: int
    products: int
    residual: float


def solve(gram: Tensor, wanted: Tensor, keep: Tensor, ridge: float, tolerance: float) -> Solution:
    """Minimise `tr(V G V^T) - 2 tr(V Y^T) + ridge |V|^2` over all V that are 0 outside the mask.

    Args:
        gram: G, float32 [in, in], symmetric, not negative.
        wanted: Y, float32 [out, in].
        keep: bool [out, in], True = kept.
        ridge: what is added to the diagonal, in the units of G.
        tolerance: largest residual of a row, relative to that of V = 0, in the norm that the preconditioner gives.
    """
    diagonal = gram.diagonal() + ridge
    # An input that is always 0 has no say and keeps its weight.
    scale = torch.where(diagonal > 0, diagonal.clamp_min(torch.finfo(gram.dtype).tiny).rsqrt(), 0.0)
    matrix = gram * scale[:, None] * scale
    matrix.diagonal().add_(ridge * scale.square())
    change = torch.zeros_like(wanted)
    rows = row_block(wanted.shape[1]) if wanted.device.type == "cpu" else max(1, len(wanted))
    iterations, products, residual = 0, 0, 0.0
    for top in range(0, len(wanted), rows):
        part = slice(top, min(top + rows, len(wanted)))
        free = keep[part].to(gram.dtype)
        count, left = _descend(matrix, wanted[part] * scale * free, free, tolerance, change[part])
        iterations, products = max(iterations, count), products + count * len(free)
        residual = max(residual, left)
    return Solution(change.mul_(scale), iterations, products, residual)


def row_block(width: int) -> int:
    """Rows of so many inputs that go together on a processor."""
    return max(LEAST_ROWS, BLOCK_BYTES // (4 * width))


def _descend(matrix: Tensor, residual: Tensor, free: Tensor, tolerance: float, change: Tensor) -> tuple[int, float]:
    """Conjugate gradients for one block of rows; `change` [rows, in] begins at 0 and is filled.

    All rows of a block stop together: which one is last does not hang on the last bit of the others.
    """
    direction = residual.clone()
    power = _squares(residual)
    enough = power * tolerance**2
    least = torch.finfo(power.dtype).tiny
    product = torch.empty_like(residual)
    for count in range(MOST_ITERATIONS):
        if bool((power <= enough).all()):
            return count, _relative(power, enough, tolerance)
        torch.mm(direction, matrix, out=product).mul_(free)
        curvature = torch.linalg.vecdot(direction, product)
        step = torch.where(curvature > least, power / curvature.clamp_min(least), 0.0)[:, None]
        change.addcmul_(direction, step)
        residual.addcmul_(product, step, value=-1)
        after = _squares(residual)
        direction.mul_(torch.where(power > least, after / power.clamp_min(least), 0.0)[:, None]).add_(residual)
        power = after
    return MOST_ITERATIONS, _relative(power, enough, tolerance)


def _squares(rows: Tensor) -> Tensor:
    return torch.linalg.vecdot(rows, rows)


def _relative(power: Tensor, enough: Tensor, tolerance: float) -> float:
    """Largest residual of a row, relative to its first."""
    share = torch.where(enough > 0, power / enough.clamp_min(torch.finfo(power.dtype).tiny), 0.0)
    return tolerance * float(share.max().sqrt()) if len(share) else 0.0
