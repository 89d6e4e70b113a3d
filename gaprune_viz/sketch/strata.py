"""An order of a matrix's weights in which neighbours are alike in whatever the criteria read.

Every k-th weight of that order is a sample that catches the quantiles of all usual scores closely. Weights lie in a
grid of quantile levels of |theta|, domain Fisher information, the ratio of the two Fishers and the correlation of the
two gradients (its sign apart, because `sign` jumps there). The cells are walked along a Gray-coded Morton curve, on
which no step changes more than one bit, so that any stretch of it is compact in every direction.
"""

from __future__ import annotations

import numpy as np

from gaprune_viz.calibration.statistics import MatrixStatistics
from gaprune_viz.sketch.quantile_classes import classed, flat_values

# Bits of each quantity; together 16, so that numpy sorts the cells by radix.
BITS = {"theta": 6, "fisher": 4, "ratio": 3, "sign": 1, "correlation": 2}
# Whose next bit comes next, from the most significant one on.
WALK = (
    *("sign", "theta", "fisher", "ratio", "theta", "correlation", "fisher", "theta"),
    *("ratio", "fisher", "theta", "correlation", "fisher", "ratio", "theta", "theta"),
)


def along_the_scores(stats: MatrixStatistics) -> np.ndarray:
    """Positions (row * in + column) of all weights in that order, int64 [out * in]; within a cell by position."""
    theta, fisher, general, grad, grad_general = (
        flat_values(getattr(stats, name))
        for name in ("theta", "fisher_domain", "fisher_general", "grad_domain", "grad_general")
    )
    least = np.float32(np.finfo(np.float32).tiny)
    # The signs of the product, because the product of two small gradients underflows.
    together = np.sign(grad) * np.sign(grad_general) > 0
    size = (
        np.abs(grad) / np.sqrt(np.maximum(fisher, least)) * (np.abs(grad_general) / np.sqrt(np.maximum(general, least)))
    )
    levels = {
        "theta": classed(np.abs(theta), 2 ** BITS["theta"])[0],
        "fisher": classed(fisher, 2 ** BITS["fisher"])[0],
        "ratio": classed(general / np.maximum(fisher, least), 2 ** BITS["ratio"])[0],
        "sign": together.astype(np.uint16),
        "correlation": classed(size, 2 ** BITS["correlation"])[0],
    }
    return np.argsort(_place_on_curve(levels), kind="stable")


def _place_on_curve(levels: dict[str, np.ndarray]) -> np.ndarray:
    """Interleave the bits of all levels, and say how far along the Gray curve that cell is; uint16 [n]."""
    left = dict(BITS)
    place = np.zeros(len(levels["theta"]), dtype=np.uint16)
    for name in WALK:
        left[name] -= 1
        place = (place << np.uint16(1)) | ((levels[name] >> np.uint16(left[name])) & np.uint16(1))
    for shift in (1, 2, 4, 8):
        place ^= place >> np.uint16(shift)
    return place
