"""Equally full classes of many values, quickly: edges lie where the upper half of a float32 changes."""

from __future__ import annotations

import numpy as np
from torch import Tensor

# Quantiles are taken over about this many values; any edges would do.
LOOKED_AT = 16_384


def classed(values: np.ndarray, count: int) -> tuple[np.ndarray, int]:
    """Which of about `count` equally full classes each value belongs to; values that are nearly alike share one.

    Args:
        values: float32 [n].
        count: at most 32,768.

    Returns:
        uint16 [n], rising with the value, and how many classes there are: fewer where many values are alike.
    """
    keys = _upper_half(values)
    looked_at = np.sort(keys[:: max(1, len(keys) // LOOKED_AT)])
    edges = np.unique(looked_at[np.arange(1, count) * len(looked_at) // count])
    table = np.searchsorted(edges, np.arange(1 << 16), side="right").astype(np.uint16)
    return table[keys], len(edges) + 1


def flat_values(values: Tensor) -> np.ndarray:
    """All values of a tensor in a row, float32 [n]."""
    return values.reshape(-1).float().numpy()


def _upper_half(values: np.ndarray) -> np.ndarray:
    """uint16 keys in the order of float32 values: their upper halves, negative ones reversed; -0.0 is 0.0."""
    bits = (values.astype(np.float32, copy=False) + np.float32(0.0)).view(np.int32) >> 16
    return (np.where(bits < 0, -1 - (bits & 0x7FFF), bits) + (1 << 15)).astype(np.uint16)
