"""Numbers of many orders of magnitude as small whole numbers: logarithms on an even grid, packed.

Fisher information is coded by what its rank-one form (mean of the row times mean of the column over the mean) does not
say of it, that of the second side by what the first does not say of that; gradients by their share of the square root
of the Fisher information, which is at most 1. Signs and zeros are exact. A step of s means that a number is within a
factor of exp(s / 2) of what it was.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from gaprune_viz.errors import GapruneError

ESCAPE = 255
# Beyond this many steps there is no difference that a mask could show.
FARTHEST = 30_000
LEVEL = 9


@dataclass(frozen=True)
class Packed:
    """Whole numbers, most of them small.

    Attributes:
        body: uint8, deflated: each number as 2 n, or -2 n - 1 where it is negative; 255 where it is in `others`.
        others: int16, the large ones in their order.
        zeros: uint8, deflated bits: where the coded number is exactly 0; empty where nowhere.
    """

    body: np.ndarray
    others: np.ndarray
    zeros: np.ndarray


def pack(steps: np.ndarray, zeros: np.ndarray) -> Packed:
    """Pack numbers of steps.

    Args:
        steps: float [n], rounded here; anything where `zeros`.
        zeros: bool [n].
    """
    rounded = np.clip(np.rint(np.where(zeros, 0, steps)), -FARTHEST, FARTHEST).astype(np.int16)
    wide = rounded.astype(np.int32)
    folded = np.where(wide < 0, -2 * wide - 1, 2 * wide)
    large = folded >= ESCAPE
    body = np.where(large, ESCAPE, folded).astype(np.uint8)
    bits = np.packbits(zeros) if zeros.any() else np.empty(0, np.uint8)
    return Packed(_deflated(body), rounded[large], _deflated(bits))


def unpack(packed: Packed, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of steps, float32 [count], and where the coded number is 0, bool [count].

    Raises:
        GapruneError: they are not as they were packed.
    """
    folded = _inflated(packed.body, count).astype(np.int32)
    large = folded == ESCAPE
    if int(large.sum()) != len(packed.others):
        raise _damaged()
    steps = np.where(folded % 2, -(folded + 1) // 2, folded // 2).astype(np.float32)
    steps[large] = packed.others
    if not len(packed.zeros):
        return steps, np.zeros(count, bool)
    return steps, np.unpackbits(_inflated(packed.zeros, -(-count // 8)), count=count).astype(bool)


def packed_signs(values: np.ndarray) -> np.ndarray:
    """Where numbers are negative, as deflated bits."""
    return _deflated(np.packbits(values < 0))


def unpacked_signs(packed: np.ndarray, count: int) -> np.ndarray:
    """float32 [count], -1 or 1.

    Raises:
        GapruneError: they are not as they were packed.
    """
    bits = np.unpackbits(_inflated(packed, -(-count // 8)), count=count)
    return np.where(bits, -1, 1).astype(np.float32)


def rank_one(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of the rank-one form of numbers that are not negative: by row, and by column.

    Args:
        values: [out, in].

    Returns:
        float32 [out] and float32 [in], whose sums are the logarithms; 0 for rows and columns of zeros.
    """
    wide = values.astype(np.float64)
    rows, columns, mean = wide.mean(1), wide.mean(0), wide.mean()
    return _logarithms(rows / mean if mean else rows), _logarithms(columns)


def _logarithms(values: np.ndarray) -> np.ndarray:
    return np.log(values, out=np.zeros_like(values), where=values > 0).astype(np.float32)


def _deflated(data: np.ndarray) -> np.ndarray:
    if not data.size:
        return data
    # Matches are by chance here: only how often a value comes counts.
    press = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zlib.Z_HUFFMAN_ONLY)
    return np.frombuffer(press.compress(data.tobytes()) + press.flush(), np.uint8)


def _inflated(data: np.ndarray, size: int) -> np.ndarray:
    """uint8 [size]; never more, whatever the data say."""
    if not size:
        return np.empty(0, np.uint8)
    try:
        found = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data.tobytes(), size + 1)
    except zlib.error as error:
        raise _damaged() from error
    if len(found) != size:
        raise _damaged()
    return np.frombuffer(found, np.uint8)


def _damaged() -> GapruneError:
    return GapruneError("The compact statistics are damaged.", "Run the analysis: it computes them anew.")
