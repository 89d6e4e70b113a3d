"""Estimates of the Fisher information of one weight matrix from what a run stores: raw, rank-one, shrunk between them.

The stored mean of squared per-sample gradients is an average over few samples, and each of its entries is noisy. Its
rank-one form keeps what many entries say together: how much each output and each input matters.
"""

from __future__ import annotations

from torch import Tensor

from gaprune_viz.config import FisherEstimate


def estimate(kind: FisherEstimate, fisher: Tensor, samples: float) -> Tensor:
    """The Fisher information of every weight of one matrix.

    Args:
        kind: `raw`, `rank_one` or `shrunk`.
        fisher: mean squared per-sample gradient, float32 [out, in].
        samples: over how many samples the mean was taken.

    Returns:
        float32 [out, in], not negative, with the same sum as `fisher` up to rounding.
    """
    if kind is FisherEstimate.RAW:
        return fisher
    smooth = rank_one(fisher)
    if kind is FisherEstimate.RANK_ONE:
        return smooth
    return shrunk(fisher, smooth, samples)


def shrunk(fisher: Tensor, smooth: Tensor, samples: float) -> Tensor:
    """The mixture of the raw entries and their rank-one form that `shrinkage` weighs, float32 [out, in]."""
    return smooth.lerp(fisher, shrinkage(fisher, smooth, samples))


def rank_one(fisher: Tensor) -> Tensor:
    """Row mean times column mean over the mean: `F_ij = r_i c_j / m`, float32 [out, in]; 0 where all is 0.

    The outer product of marginals, as for counts that are independent by row and column; it is exact where the squared
    gradient factorises into one of the output and one of the input, as K-FAC assumes of its expectation (Martens and
    Grosse, Optimizing neural networks with Kronecker-factored approximate curvature, ICML 2015).
    """
    wide = fisher.double()
    rows, columns = wide.mean(1), wide.mean(0)
    mean = float(rows.mean())
    if mean <= 0:
        return fisher.new_zeros(fisher.shape)
    return (rows.div_(mean).float()[:, None] * columns.float()[None, :]).contiguous()


def shrinkage(fisher: Tensor, smooth: Tensor, samples: float) -> float:
    """The weight of the raw entries beside the rank-one ones: 1 trusts the samples, 0 the rank-one form.

    Let the true entry be `T = R (1 + d)`, with R the rank-one entry and `E d = 0, E d^2 = t`, and let the stored one be
    `F = T (1 + e)` with the sampling error e. A per-sample gradient that is normal about 0 has a square with relative
    variance 2, so `E e^2 = v = 2 / n` over n samples. Then `E (F - R)^2 = R^2 (t + v + t v)`, and of all mixtures
    `w F + (1 - w) R` the one nearest to T in the mean square has

        w = E (T - R)(F - R) / E (F - R)^2 = t / (t + v + t v).

    With `D = sum (F - R)^2 / sum R^2` measured over the matrix, `t = max(0, (D - v) / (1 + v))` and `w = t / D`. What
    the rank-one form leaves out and noise cannot explain speaks for the raw entries; more samples do as well.

    Args:
        fisher: float32 [out, in].
        smooth: its rank-one form.
        samples: n, above 0.
    """
    power = float(smooth.double().square().sum())
    spread = float((fisher - smooth).double().square().sum())
    if power <= 0 or spread <= 0:
        return 0.0
    noise, apart = 2 / samples, spread / power
    return max(0.0, (apart - noise) / (1 + noise)) / apart
