"""How the gradients of several sources lie to each other, and what weights follow from that.

All of it comes from the inner products of the mean gradients, a matrix [S, S] that adds up over weight matrices.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

# Rows are widened to float64 in blocks of about this many elements.
_BLOCK = 1 << 20


def inner_products(grads: Sequence[Tensor]) -> np.ndarray:
    """<g_s, g_t> of every pair of sources over one weight matrix, float64 [S, S].

    Args:
        grads: mean gradient of each source, float32 [out, in]; read block by block, so that they may be mapped.
    """
    rows = max(1, _BLOCK // max(1, grads[0].shape[1] * len(grads)))
    total = np.zeros((len(grads), len(grads)))
    for parts in zip(*(grad.split(rows) for grad in grads), strict=True):
        block = torch.stack([part.reshape(-1) for part in parts]).double()
        total += (block @ block.T).numpy()
    return total


def cosines_of(products: np.ndarray) -> np.ndarray:
    """Cosines from inner products [..., S, S], clamped to [-1, 1]; 0 where a gradient is 0."""
    norms = np.sqrt(np.diagonal(products, axis1=-2, axis2=-1))
    sizes = norms[..., :, None] * norms[..., None, :]
    return np.clip(np.divide(products, sizes, out=np.zeros_like(products), where=sizes > 0), -1.0, 1.0)


def cosines_with(products: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Cosine of each source's gradient with that of a mixture of sources, without its own part in it; float64 [S].

    With its own part, a source would agree with its own noise. A source that is the whole mixture has 1.

    Args:
        products: of the gradients, float64 [S, S].
        shares: of each source in the mixture, float64 [S]; 0 where it is no part of it.
    """
    found = np.zeros(len(shares))
    for source in range(len(shares)):
        others = shares.copy()
        others[source] = 0.0
        if not others.any():
            found[source] = 1.0
            continue
        norm = np.sqrt(products[source, source] * (others @ products @ others))
        found[source] = np.clip(products[source] @ others / norm, -1.0, 1.0) if norm > 0 else 0.0
    return found


def weights_by_alignment(
    cosines: np.ndarray, weights: np.ndarray, sides: Sequence[str], sharpness: float
) -> np.ndarray:
    """Weights of the sources in their sides: w_s exp(sharpness * cos_s), made to add up to 1 in each side.

    One step of mirror descent as in DoGE (Fan, Pagliardini and Jaggi, DoGE: domain reweighting with generalization
    estimation, ICML 2024, arXiv 2310.15393), whose score of a source is the inner product of its gradient with that of
    the target; the cosine stands for it here, since sources' losses are of different steepness.

    Args:
        cosines: of each source with the domain, float64 [S].
        weights: as they are, float64 [S].
        sides: of each source.
        sharpness: of the step.
    """
    raised = weights * np.exp(sharpness * cosines)
    found = np.zeros(len(raised))
    for side in set(sides):
        here = np.array([one == side for one in sides])
        found[here] = raised[here] / raised[here].sum()
    return found
