"""Exact masks: which weights stay, given a score for each (higher means keep).

In every allocation group exactly floor(sparsity * n) weights go, the lowest scores first; equal scores go by position
(order of the matrices, then flat index), so a mask is the same on every machine. Scores are asked for one matrix at a
time; those of a group too large to be held are asked for three times, and the mask is the same bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import floor, nan

import numpy as np
import torch
from torch import Tensor

from gaprune_viz.config import Allocation, MaskSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.masking.neuron_masks import capped
from gaprune_viz.masking.order_statistics import last_of, last_of_streamed, lowest

ScoreOf = Callable[[str], Tensor]
Shapes = Mapping[str, tuple[int, int]]
_Limits = Mapping[str, tuple[int, int]]

# Scores of an allocation group of up to so many weights are computed once and held; those of a larger one are computed
# anew at each of three passes.
HELD_TOGETHER = 2**26


@dataclass(frozen=True)
class MaskResult:
    """Masks, and where the line was drawn.

    Attributes:
        masks: per matrix, bool [out, in] on the CPU, True = kept.
        thresholds: per matrix, the score up to which its allocation group was pruned: that of the last weight taken
            (floors aside). nan for N:M and row allocation, where each small group has its own, and where nothing was
            taken.
    """

    masks: dict[str, Tensor]
    thresholds: dict[str, float]


def make_masks(scores: Mapping[str, Tensor], layers: Mapping[str, int], spec: MaskSpec) -> MaskResult:
    """Masks from scores that are all at hand. See `make_masks_streaming`, which this calls.

    Args:
        scores: per matrix, [out, in]; compared as float32. Their order breaks ties.
        layers: the layer of each matrix; read for layer allocation only.
        spec: how many, and where it is counted.
    """
    shapes = {name: _matrix_shape(name, score.shape) for name, score in scores.items()}
    return make_masks_streaming(scores.__getitem__, shapes, layers, spec)


def make_masks_streaming(score_of: ScoreOf, shapes: Shapes, layers: Mapping[str, int], spec: MaskSpec) -> MaskResult:
    """Masks from scores computed on demand, one matrix at a time.

    Floors and ceilings count floor(fraction * size) weights of each matrix. Every matrix first gives its floor, lowest
    scores first; the rest of the group's count is taken from the lowest scores left, skipping matrices at their
    ceiling. So with fixed floors and ceilings masks are nested as sparsity grows. Where all the matrices of a group
    reach their rounded-down ceilings first (sparsity equal or next to the ceiling), the group gives that much: less
    than one weight per matrix short of floor(sparsity * n). Row allocation and N:M need no floors or ceilings. A
    ceiling for rows counts floor(row_ceiling * in) of each row in the same way; the highest scores of a row stay.

    Args:
        score_of: the scores of a matrix, [out, in]; must give the same numbers each time. Compared as float32.
        shapes: (out, in) of each matrix; their order breaks ties.
        layers: the layer of each matrix; read for layer allocation only.
        spec: how many, and where it is counted.

    Raises:
        GapruneError: a score is not a number, or a matrix does not divide into groups of M inputs.
    """
    score_of = _bounded_by_row(score_of, shapes, spec)
    if spec.pattern != "unstructured":
        kept, group = spec.n_m
        return _alone(shapes, lambda name: _lowest_of_each(score_of, shapes, name, group - kept, group))
    if spec.allocation is Allocation.ROW:
        return _alone(shapes, lambda name: _lowest_of_rows(score_of, shapes, name, spec.sparsity))
    masks: dict[str, Tensor] = {}
    thresholds: dict[str, float] = {}
    for names in allocation_groups(shapes, layers, spec.allocation):
        threshold = _prune_group(score_of, shapes, names, spec, masks)
        thresholds.update(dict.fromkeys(names, threshold))
    return MaskResult({name: masks[name] for name in shapes}, {name: thresholds[name] for name in shapes})


def allocation_groups(names: Iterable[str], layers: Mapping[str, int], allocation: Allocation) -> list[list[str]]:
    """The matrices that share one count (global, layer), in order; a matrix to itself for matrix and row allocation."""
    if allocation in (Allocation.MATRIX, Allocation.ROW):
        return [[name] for name in names]
    groups: dict[int, list[str]] = {}
    for name in names:
        groups.setdefault(layers[name] if allocation is Allocation.LAYER else 0, []).append(name)
    return list(groups.values())


def count_of(fraction: float, size: int) -> int:
    """floor(fraction * size), with the fraction read as the decimal that it prints as: 0.3 of 10 is 3.

    >>> count_of(0.29, 100), int(0.29 * 100)
    (29, 28)
    """
    return floor(Fraction(str(float(fraction))) * size)


def zeros_of(masks: Mapping[str, Tensor]) -> int:
    """Pruned weights of all the masks."""
    return sum(mask.numel() - int(mask.count_nonzero()) for mask in masks.values())


def sparsity_of(masks: Mapping[str, Tensor]) -> float:
    """Fraction of the weights of all the masks that is pruned; 0.0 where there are none."""
    size = sum(mask.numel() for mask in masks.values())
    return zeros_of(masks) / size if size else 0.0


def rank_of(
    score_of: ScoreOf, shapes: Shapes, layers: Mapping[str, int], spec: MaskSpec, name: str, row: int, column: int
) -> tuple[int, int]:
    """(rank, size) of one weight in its allocation group: rank 1 is the first to go, floors and ceilings aside.

    The group is the M consecutive inputs for N:M, the row for row allocation, else the matrices that share one count.

    Raises:
        GapruneError: as `make_masks_streaming`.
    """
    score_of = _bounded_by_row(score_of, shapes, spec)
    values = _values(score_of, shapes, name).reshape(shapes[name])
    own = values[row, column]
    if spec.pattern != "unstructured" or spec.allocation is Allocation.ROW:
        width = spec.n_m[1] or shapes[name][1]
        _require_divisible(shapes, name, width)
        start = column // width * width
        group = values[row, start : start + width]
        return 1 + _before(group, own, column - start), width
    names = next(group for group in allocation_groups(shapes, layers, spec.allocation) if name in group)
    rank, size, position = 1, 0, row * shapes[name][1] + column
    for other in names:
        flat = values.reshape(-1) if other == name else _values(score_of, shapes, other)
        earlier = position if other == name else (flat.size if names.index(other) < names.index(name) else 0)
        rank, size = rank + _before(flat, own, earlier), size + flat.size
    return rank, size


def _before(values: np.ndarray, own: np.floating, position: int) -> int:
    """How many values go before one of value `own` at a position: the lower, and the equal at earlier positions."""
    return int(np.count_nonzero(values < own)) + int(np.count_nonzero(values[:position] == own))


def _matrix_shape(name: str, shape: torch.Size) -> tuple[int, int]:
    if len(shape) != 2:
        raise ValueError(f"scores of {name} must be [out, in], not {tuple(shape)}")
    return shape[0], shape[1]


def _values(score_of: ScoreOf, shapes: Shapes, name: str) -> np.ndarray:
    """The scores of one matrix, flat float32."""
    score = score_of(name)
    if tuple(score.shape) != tuple(shapes[name]):
        raise ValueError(f"scores of {name} are {tuple(score.shape)}, not {tuple(shapes[name])}")
    values = score.detach().to("cpu", torch.float32).contiguous().numpy().reshape(-1)
    # The least of an array is nan as soon as one entry is.
    if values.size and np.isnan(values.min()):
        raise GapruneError(
            f"{np.count_nonzero(np.isnan(values))} scores of {name} are not a number.",
            "Its statistics overflowed or were computed from broken weights: run the analysis again.",
        )
    return values


def _room_in_rows(spec: MaskSpec, shape: tuple[int, int]) -> int:
    """How many weights of a matrix may go before all its rows are at their ceiling."""
    return shape[0] * count_of(spec.row_ceiling, shape[1])


def _bounded_by_row(score_of: ScoreOf, shapes: Shapes, spec: MaskSpec) -> ScoreOf:
    """Scores in which what a row must keep comes last, where there is a ceiling for rows."""
    if spec.row_ceiling == 1:
        return score_of

    def bounded(name: str) -> Tensor:
        values = _values(score_of, shapes, name).reshape(shapes[name])
        return torch.from_numpy(capped(values, count_of(spec.row_ceiling, shapes[name][1])))

    return bounded


def _alone(shapes: Shapes, pruned_of: Callable[[str], np.ndarray]) -> MaskResult:
    """Masks of matrices that are each decided without the others, with no common threshold."""
    masks = {name: torch.from_numpy(~pruned_of(name)).view(shapes[name]) for name in shapes}
    return MaskResult(masks, dict.fromkeys(shapes, nan))


def _require_divisible(shapes: Shapes, name: str, group: int) -> None:
    if shapes[name][1] % group:
        raise GapruneError(
            f"{name} has {shapes[name][1]} inputs, which do not divide into groups of {group}.",
            "Choose a pattern whose M divides the input dimension, or the unstructured pattern.",
        )


def _lowest_of_each(score_of: ScoreOf, shapes: Shapes, name: str, count: int, group: int) -> np.ndarray:
    """Pruned weights of one matrix: the `count` lowest of each `group` consecutive inputs of a row."""
    _require_divisible(shapes, name, group)
    values = _values(score_of, shapes, name).reshape(-1, group)
    pruned = np.zeros(values.shape, dtype=bool)
    order = np.argsort(values, axis=1, kind="stable")
    np.put_along_axis(pruned, order[:, :count], True, axis=1)
    return pruned


def _lowest_of_rows(score_of: ScoreOf, shapes: Shapes, name: str, sparsity: float) -> np.ndarray:
    """Pruned weights of one matrix: the lowest floor(sparsity * in) of each row."""
    values = _values(score_of, shapes, name).reshape(shapes[name])
    count = count_of(sparsity, values.shape[1])
    if count == 0:
        return np.zeros(values.shape, dtype=bool)
    last = np.partition(values, count - 1, axis=1)[:, count - 1 : count]
    pruned = values < last
    short = count - pruned.sum(axis=1, keepdims=True)
    ties = values == last
    return pruned | (ties & (np.cumsum(ties, axis=1, dtype=np.int32) <= short))


def _prune_group(
    score_of: ScoreOf, shapes: Shapes, names: list[str], spec: MaskSpec, masks: dict[str, Tensor]
) -> float:
    """Put the masks of one allocation group into `masks`; returns its threshold."""
    sizes = {name: shapes[name][0] * shapes[name][1] for name in names}
    mosts = {name: min(count_of(spec.ceiling, size), _room_in_rows(spec, shapes[name])) for name, size in sizes.items()}
    # Counts of rows are rounded down row by row, and may leave less room than the floor asks for.
    limits = {name: (min(count_of(spec.floor, size), mosts[name]), mosts[name]) for name, size in sizes.items()}
    wanted = min(count_of(spec.sparsity, sum(sizes.values())), sum(most for _, most in limits.values()))
    budget = wanted - sum(least for least, _ in limits.values())

    if sum(sizes.values()) <= HELD_TOGETHER:
        held = {name: _values(score_of, shapes, name) for name in names}
        values_of = held.__getitem__
    else:
        held, values_of = {}, lambda name: _values(score_of, shapes, name)

    def free_scores() -> Iterator[np.ndarray]:
        for name in names:
            values = values_of(name)
            _, free = _divide(values, *limits[name])
            yield values if free is None else values[free]

    if held:
        threshold, ties_left = last_of(np.concatenate(list(free_scores())), budget)
    else:
        threshold, ties_left = last_of_streamed(free_scores, budget)
    for name in names:
        values = values_of(name)
        given, free = _divide(values, *limits[name])
        pruned = values < threshold
        if free is not None:
            pruned &= free
        if ties_left:
            ties = values == threshold
            first = np.flatnonzero(ties if free is None else ties & free)[:ties_left]
            pruned[first] = True
            ties_left -= first.size
        if given is not None:
            pruned |= given
        masks[name] = torch.from_numpy(np.logical_not(pruned, out=pruned)).view(shapes[name])
    return threshold


def _divide(values: np.ndarray, least: int, most: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The weights that a floor gives away, and those that compete for the rest. None: no weight; every weight."""
    given = lowest(values, least) if least else None
    if most == values.size:
        return given, None if given is None else ~given
    within = lowest(values, most)
    return given, within if given is None else within & ~given
