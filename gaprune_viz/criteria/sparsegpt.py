"""SparseGPT: a mask and an update made together, column by column, by the optimal brain surgeon's formula.

With inputs x of a layer as the pruned layers before it give them, `H = sum x x^T + damp * mean(diag H) * I`. Columns
are taken in order. Where a weight w of column j goes, those right of it in its row are moved so that the output changes
least; what that costs is `w^2 / [H_j^-1]_jj`, H_j without the columns before j (they are settled). Which weights go is
decided block by block of columns, when the block is reached, over all rows together; under an N:M pattern group by
group. Frantar and Alistarh take 128 columns a block and a damping of 0.01, and so does this.

The score, which a preview reads, takes the inputs as uncorrelated: then `1 / [H^-1]_jj` is the mean square of input j.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gaprune_viz.config import Allocation
from gaprune_viz.criteria.criterion import Criterion, Quota

BLOCK = 128
DAMP = 0.01
MOST_DAMP = 1e6


def obs_update(
    weight: Tensor, gram: Tensor, quota: Quota, damp: float = DAMP, block: int = BLOCK
) -> tuple[Tensor, ...]:
    """Prune one matrix, and move what is kept of it.

    Args:
        weight: [out, in], dense.
        gram: [in, in], sum of x x^T over tokens.
        quota: how many weights go.
        damp: added to the diagonal, in units of its mean.
        block: columns among which weights are compared; rounded down to a multiple of M under N:M.

    Returns:
        keep, bool [out, in]; the new weight, float64 (float32 where the device has no more) [out, in], 0 where pruned.
        An input that is always 0 goes first, and what is kept of its column stays as it was.
    """
    work = torch.float32 if weight.device.type == "mps" else torch.float64
    new, gram = weight.to(work).clone(), gram.to(work)
    rows, columns = new.shape
    dead = gram.diagonal() <= 0
    factor = _inverse_factor(gram, dead, damp)
    power = factor.diagonal().square()
    keep = torch.ones(rows, columns, dtype=torch.bool, device=new.device)
    m = quota.n_m[1]
    width = max(m, block - block % m) if m else block
    for start in range(0, columns, width):
        end = min(start + width, columns)
        part, own = new[:, start:end], factor[start:end, start:end]
        if not m:
            keep[:, start:end] = ~_lowest(
                _costs(part, power[start:end], dead[start:end]), quota.between(start, end, columns)
            )
        errors = torch.zeros_like(part)
        for i in range(end - start):
            if m and i % m == 0:
                group = slice(start + i, start + i + m)
                costs = _costs(new[:, group], power[group], dead[group])
                keep[:, group] = ~_lowest(costs, torch.full((rows,), m - quota.n_m[0]))
            gone = part[:, i] * ~keep[:, start + i]
            errors[:, i] = gone / own[i, i]
            part[:, i:] -= errors[:, i : i + 1] * own[i, i:]
        new[:, end:] -= errors @ factor[start:end, end:]
    return keep, new.masked_fill_(~keep, 0)


def _inverse_factor(gram: Tensor, dead: Tensor, damp: float) -> Tensor:
    """U, upper triangular, with `H^-1 = U^T U`: row j of it is that of the inverse of H without the columns before j.

    `H = R R^T` with R upper is the Cholesky factor of H turned round, and U is the inverse of R.
    """
    size = len(gram)
    alive = (~dead).to(gram.dtype)
    matrix = gram * alive[:, None] * alive
    mean = float(matrix.diagonal().mean())
    unit = mean if mean > 0 else 1.0
    while True:
        damped = matrix.clone()
        damped.diagonal().add_(damp * unit + dead.to(gram.dtype) * unit)
        lower, failed = torch.linalg.cholesky_ex(damped.flip(0, 1))
        if not bool(failed) or damp > MOST_DAMP:
            break
        # Rounding made it indefinite.
        damp = max(10 * damp, 1e-8)
    identity = torch.eye(size, dtype=gram.dtype, device=gram.device)
    return torch.linalg.solve_triangular(lower.flip(0, 1), identity, upper=True)


def _costs(weight: Tensor, power: Tensor, dead: Tensor) -> Tensor:
    """What each weight's going costs, [rows, columns]."""
    return (weight.square() / power).masked_fill(dead, 0.0)


def _lowest(costs: Tensor, counts: Tensor) -> Tensor:
    """bool, the lowest costs: so many of each row where counts are [rows], of all together where they are [1].

    Equal ones go by position.
    """
    flat = costs.reshape(1, -1) if len(counts) == 1 else costs
    order = flat.argsort(dim=1, stable=True)
    gone = torch.arange(flat.shape[1], device=flat.device) < counts.to(flat.device)[:, None]
    return torch.zeros_like(flat, dtype=torch.bool).scatter_(1, order, gone).view(costs.shape)


CRITERIA: tuple[Criterion, ...] = (
    Criterion(
        "sparsegpt",
        "SparseGPT",
        r"\theta_{ij}^2\,/\,[H^{-1}]_{jj}\approx\theta_{ij}^2\,\mathrm{rms}(x_j)^2",
        ("theta", "act_domain"),
        "Frantar and Alistarh, SparseGPT: massive language models can be accurately pruned in one-shot, ICML 2023 "
        "(which compares within blocks of 128 columns of a matrix, and moves the weights that stay)",
        lambda w, s: (w.theta * w.act_domain).square(),
        removes="the weights with the smallest θ² times mean square of the input on domain data",
        group=Allocation.MATRIX,
        update=obs_update,
    ),
)
