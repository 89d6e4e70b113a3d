"""Alignment s of the domain gradient with the general gradient, in [-1, 1] for every weight.

The mean gradients and Fisher information of one weight matrix go in, all float32 [out, in]; one value per weight comes
out. Element by element work is float32; norms and dot products are float64. Where a value is undefined because a
gradient or a Fisher entry is 0, the alignment is 0.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from gaprune_viz.calibration.statistics import MatrixStatistics
from gaprune_viz.config import Alignment

# Rows are widened to float64 in blocks of this many elements, so that a large matrix is never held twice as wide.
_BLOCK = 1 << 20


def align_matrix(kind: Alignment, matrix: MatrixStatistics) -> Tensor:
    """Alignment s_j of a definition from the statistics of one matrix; broadcastable to [out, in]."""
    return align(kind, matrix.grad_domain, matrix.grad_general, matrix.fisher_domain, matrix.fisher_general)


def align(
    kind: Alignment,
    grad_domain: Tensor,
    grad_general: Tensor,
    fisher_domain: Tensor,
    fisher_general: Tensor,
) -> Tensor:
    """Alignment of every weight of one matrix.

    `sign` and `correlation` are element by element and also take a 1-D sample; the other kinds need the whole matrix.

    Args:
        kind: the definition to use.
        grad_domain: mean gradient on domain data, float32 [out, in].
        grad_general: mean gradient on general data, float32 [out, in].
        fisher_domain: mean squared per-sample gradient on domain data, float32 [out, in].
        fisher_general: the same on general data, float32 [out, in].

    Returns:
        float32 [out, in] in [-1, 1]. For `row` and `matrix` it is an expanded view of [out, 1] or of one value: it
        must not be written into.

    Raises:
        ValueError: shapes differ, or a kind that needs a matrix got something else.
    """
    shape = grad_domain.shape
    if not shape == grad_general.shape == fisher_domain.shape == fisher_general.shape:
        raise ValueError("gradients and Fisher information must have one shape")
    if kind is Alignment.SIGN:
        return sign_agreement(grad_domain, grad_general)
    if kind is Alignment.CORRELATION:
        return correlation(grad_domain, grad_general, fisher_domain, fisher_general)
    if len(shape) != 2:
        raise ValueError(f"alignment {kind.value} needs a whole matrix [out, in], not shape {tuple(shape)}")
    if kind is Alignment.ROW:
        return row_cosine(grad_domain, grad_general).float().unsqueeze(1).expand(shape)
    if kind is Alignment.MATRIX:
        return grad_domain.new_tensor(cosine(grad_domain, grad_general), dtype=torch.float32).expand(shape)
    return unit_product(grad_domain, grad_general)


def sign_agreement(grad_domain: Tensor, grad_general: Tensor) -> Tensor:
    """sign(grad_domain * grad_general), 0 where either is 0 (GAPrune, arXiv 2509.10844, in its per-weight reading).

    Args:
        grad_domain: float32, any shape.
        grad_general: the same shape.

    Returns:
        float32 of that shape: -1, 0 or 1.
    """
    # The product of the signs, because the product of two small gradients underflows to 0; + 0.0 turns -0.0 into 0.0.
    return grad_domain.float().sign() * grad_general.float().sign() + 0.0


def correlation(grad_domain: Tensor, grad_general: Tensor, fisher_domain: Tensor, fisher_general: Tensor) -> Tensor:
    """grad_domain * grad_general / sqrt(fisher_domain * fisher_general), clamped against float rounding.

    Bounded by 1 by Cauchy-Schwarz, since (mean g)^2 <= mean g^2; the noisier the per-sample gradients, the nearer to 0.

    Args:
        grad_domain, grad_general, fisher_domain, fisher_general: float32 of one shape.

    Returns:
        float32 of that shape in [-1, 1]; 0 where a Fisher entry is 0.
    """
    ratio = _over_root(grad_domain, fisher_domain) * _over_root(grad_general, fisher_general)
    return ratio + 0.0


def row_cosine(grad_domain: Tensor, grad_general: Tensor) -> Tensor:
    """Cosine of the two gradients along each output row.

    Args:
        grad_domain: [out, in].
        grad_general: [out, in].

    Returns:
        float64 [out] in [-1, 1]; 0 where a row is zero.
    """
    return _cosine_of(*_row_products(grad_domain, grad_general))


def cosine(grad_domain: Tensor, grad_general: Tensor) -> float:
    """Cosine of the two gradients over a whole matrix [out, in]; 0.0 where one is zero."""
    return float(_cosine_of(*(product.sum() for product in _row_products(grad_domain, grad_general))))


def unit_product(grad_domain: Tensor, grad_general: Tensor) -> Tensor:
    """Product of the two gradients, each divided by its Frobenius norm, then a 3x3 box mean: the released GAPrune code.

    At the border the mean is over the entries that lie inside the matrix (4 in a corner, 6 on an edge): padding does
    not count. A typical value is of size 1 / (out * in), so 1 + alpha * s is almost exactly 1.

    Args:
        grad_domain: float32 [out, in].
        grad_general: float32 [out, in].

    Returns:
        float32 [out, in] in [-1, 1].
    """
    product = _unit(grad_domain) * _unit(grad_general)
    mean = F.avg_pool2d(product[None, None], kernel_size=3, stride=1, padding=1, count_include_pad=False)[0, 0]
    return mean.clamp_(-1.0, 1.0) + 0.0


def _over_root(gradient: Tensor, fisher: Tensor) -> Tensor:
    """gradient / sqrt(fisher) in [-1, 1] element by element, 0 where fisher is 0."""
    root = fisher.float().sqrt()
    # Clamped before it is multiplied: a Fisher entry that lost its digits near underflow must not give inf * 0.
    return torch.where(root > 0, gradient.float() / root, 0.0).clamp_(-1.0, 1.0)


def _unit(gradient: Tensor) -> Tensor:
    """gradient / its Frobenius norm, float32; all 0 where the norm is 0."""
    norm = float(sum(float(block.square().sum()) for block in _wide_blocks(gradient))) ** 0.5
    return gradient.float() / norm if norm > 0 else torch.zeros_like(gradient, dtype=torch.float32)


def _wide_blocks(matrix: Tensor) -> Iterator[Tensor]:
    """The rows of a matrix [out, in] as float64 blocks of bounded size."""
    rows = max(1, _BLOCK // max(1, matrix.shape[1]))
    for block in matrix.split(rows):
        yield block.double()


def _row_products(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Per row, float64 [out]: a.b, a.a and b.b of two matrices [out, in]."""
    if a.dim() != 2 or a.shape != b.shape:
        raise ValueError(f"two matrices of one shape are needed, not {tuple(a.shape)} and {tuple(b.shape)}")
    parts = [
        torch.stack([(x * y).sum(1), x.square().sum(1), y.square().sum(1)])
        for x, y in zip(_wide_blocks(a), _wide_blocks(b), strict=True)
    ]
    dots, aa, bb = torch.cat(parts, dim=1)
    return dots, aa, bb


def _cosine_of(dot: Tensor, aa: Tensor, bb: Tensor) -> Tensor:
    """dot / sqrt(aa * bb), clamped to [-1, 1], 0 where a norm is 0."""
    norms = aa.sqrt() * bb.sqrt()
    return torch.where(norms > 0, dot / norms, 0.0).clamp(-1.0, 1.0) + 0.0
