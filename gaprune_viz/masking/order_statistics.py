"""Order statistics: the k-th lowest of many float32 values, held together or streamed, always exactly.

Streamed values are asked for anew at each pass and never kept: the threshold is found by counting the high and then the
low 16 bits of integer keys that have the order of the values. Both ways give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import nan

import numpy as np

Chunks = Callable[[], Iterator[np.ndarray]]

# Keys are counted in blocks that stay in the processor's cache.
_BLOCK = 1 << 16
_HALF = 1 << 15
# Groups of weighted values are counted in one table of so many bits.
_TABLE_BITS = 19


def lowest(values: np.ndarray, count: int) -> np.ndarray:
    """bool [n]: the `count` lowest values, equal ones by position."""
    if count == 0:
        return np.zeros(values.shape, dtype=bool)
    last = np.partition(values, count - 1)[count - 1]
    chosen = values < last
    chosen[np.flatnonzero(values == last)[: count - np.count_nonzero(chosen)]] = True
    return chosen


def last_of(values: np.ndarray, count: int) -> tuple[float, int]:
    """The count-th lowest of values at hand, and how many equal to it are taken with it. (nan, 0) of none."""
    if count == 0:
        return nan, 0
    parted = np.partition(values, count - 1)
    last = parted[count - 1]
    # Whatever is lower stands before it.
    # The lowest of zeros may be a negative one; as a threshold it is zero.
    return float(last) + 0.0, count - int(np.count_nonzero(parted[:count] < last))


def last_of_streamed(chunks: Chunks, count: int) -> tuple[float, int]:
    """As `last_of`, of values that are too many to be held.

    Args:
        chunks: gives the values anew at each call; called twice.
        count: at least 0, at most the number of values.
    """
    if count == 0:
        return nan, 0
    high, below = _bucket_of(count, (_keys(values) >> 16 for values in _blocks(chunks())))
    first, after = _score_at(high << 16), _score_at((high + 1) << 16)
    # Not "first <= values": at the infinities one of the bounds is nan, and no score lies beyond it.
    inside = (values[~(values < first) & ~(values >= after)] for values in chunks())
    low, ties_below = _bucket_of(count - below, ((_keys(values) & 0xFFFF) - _HALF for values in _blocks(inside)))
    return _score_at((high << 16) | (low + _HALF)), count - below - ties_below


def median_of_streamed(chunks: Chunks, size: int) -> float:
    """The median of `size` values, as `np.median` gives it.

    Args:
        chunks: gives the values anew at each call; called up to three times.
    """
    if size == 0:
        return nan
    middle, _ = last_of_streamed(chunks, (size + 1) // 2)
    if size % 2:
        return middle
    up_to, above = 0, np.float32(np.inf)
    for values in chunks():
        higher = values > middle
        up_to += values.size - int(np.count_nonzero(higher))
        above = min(above, values.min(where=higher, initial=np.float32(np.inf)))
    other = middle if up_to > size // 2 else above
    return float(np.mean(np.array([middle, other], dtype=np.float32)))


def weighted_last(
    values: np.ndarray, weight: np.ndarray, groups: np.ndarray, count: int, fraction: float
) -> np.ndarray:
    """The value up to which a fraction of each group's weight lies, without sorting: counted, then refined exactly.

    Args:
        values: float32 [n].
        weight: float64 [n], above 0.
        groups: int64 [n], the group of each value; not read where there is one.
        count: how many groups, none of them empty.
        fraction: above 0, at most 1.

    Returns:
        float64 [count].
    """
    bits = min(16, max(4, _TABLE_BITS - (count - 1).bit_length()))
    flat = (_keys(values) >> (32 - bits)).astype(np.int64) + (1 << (bits - 1))
    if count > 1:
        flat += groups << bits
    mass = np.bincount(flat, weights=weight, minlength=count << bits).reshape(count, -1)
    ends = mass.cumsum(axis=1)
    # Rounding of the running sum must not push a whole group past its own end.
    wanted = fraction * ends[:, -1] * (1 - 1e-12)
    bucket = (ends >= wanted[:, None]).argmax(axis=1)
    crossed = np.zeros(count << bits, dtype=bool)
    crossed[(np.arange(count) << bits) + bucket] = True
    inside = np.flatnonzero(crossed[flat])
    inside = inside[np.argsort(values[inside])]
    found = np.empty(count)
    for group in range(count):
        chosen = inside if count == 1 else inside[groups[inside] == group]
        before = ends[group, bucket[group]] - mass[group, bucket[group]]
        place = np.searchsorted(before + np.cumsum(weight[chosen]), wanted[group])
        found[group] = values[chosen[min(place, len(chosen) - 1)]]
    return found


def _bucket_of(count: int, numbers: Iterator[np.ndarray]) -> tuple[int, int]:
    """The count-th lowest of many 16-bit signed integers, and how many lie below it."""
    counts = np.zeros(2 * _HALF, dtype=np.int64)
    for block in numbers:
        counts += np.bincount(block + _HALF, minlength=2 * _HALF)
    up_to = np.cumsum(counts)
    bucket = int(np.searchsorted(up_to, count))
    return bucket - _HALF, int(up_to[bucket] - counts[bucket])


def _blocks(chunks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    for values in chunks:
        for start in range(0, values.size, _BLOCK):
            yield values[start : start + _BLOCK]


def _keys(values: np.ndarray) -> np.ndarray:
    """int32 keys in the order of float32 values; -0.0 and 0.0 have one key."""
    return _flip((values + np.float32(0.0)).view(np.int32))


def _score_at(key: int) -> float:
    """The float32 value with a key."""
    return float(_flip(np.array([key], dtype=np.int64).astype(np.int32)).view(np.float32)[0])


def _flip(bits: np.ndarray) -> np.ndarray:
    """Bits of float32 to integers of the same order, and back: negative floats count downwards."""
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)
