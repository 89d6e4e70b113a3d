"""What a calibration will take, before it runs: memory, disk, time, and how to stay within a budget of memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import torch

from gaprune_viz.calibration.accumulating import BLOCK_BYTES
from gaprune_viz.calibration.batching import Step
from gaprune_viz.calibration.fisher_kinds import Estimate
from gaprune_viz.calibration.neuron_activity import NEURON_BYTES
from gaprune_viz.calibration.statistics import METADATA, tensor_shapes
from gaprune_viz.config import SKETCH_CAP
from gaprune_viz.errors import GapruneError, readable
from gaprune_viz.models.roles import role_by_name
from gaprune_viz.models.skeleton import Footprint, Shape, Skeleton
from gaprune_viz.storage.tensor_file import file_bytes

# Squared gradients and gradients, float32.
SUM_BYTES = 8
# Batches are not made smaller than this to save memory: the products would become too small to be fast.
LEAST_BUDGET = 256
# glibc cannot give a freed aligned block to the next request of the same size, so that the heap of a forward pass grows
# past what is in use; measured on MiniLM and on a Qwen3 of 104 million weights. Mapping each block apart saves the
# memory and costs a sixth of the time.
HEAP = 1.65
# Bytes per weight of the largest matrix while its summary and its share of the sketch are made: two sorts, copies in
# float64, histograms.
SUMMARY_BYTES = 56
# Bytes on disk of a sketched weight, and of a matrix's histograms and table rows.
SKETCH_DISK, MATRIX_DISK = 64, 4_096


@dataclass(frozen=True)
class Plan:
    """What a calibration will take.

    Attributes:
        parameters: of the model.
        weights, matrices: of the scope.
        samples, tokens: padded, of one pass over both sides.
        token_budget: of a batch.
        groups: names of the targets, in the groups that are calibrated in turn.
        model_bytes: the parameters.
        sums_bytes: running sums of the largest group.
        batch_bytes: what the largest batch leaves between forward and backward, and what passes through.
        writing_bytes: while the summary is made.
        peak_bytes: most memory at a time, on top of the interpreter and its libraries.
        disk_bytes: of the finished analysis.
        flops: floating-point operations.
        token_flops: those of a forward pass over one token.
        seconds: on this machine, at the speed it had when asked; None where nobody asked.
        stages: the same by stage (`analysis/cost_estimate.py`).
        prompts: what is put before `query` and `passage`, and the `source` of each.
        reading: the same for people.
        notes: what a person should know of the model, one sentence each.
    """

    parameters: int
    weights: int
    matrices: int
    samples: int
    tokens: int
    token_budget: int
    groups: tuple[tuple[str, ...], ...]
    model_bytes: int
    sums_bytes: int
    batch_bytes: int
    writing_bytes: int
    peak_bytes: int
    disk_bytes: int
    flops: int
    seconds: float | None = None
    token_flops: int = 0
    stages: Mapping[str, float] = field(default_factory=dict)
    prompts: Mapping[str, object] = field(default_factory=dict)
    reading: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Passes:
    """The texts of both sides, cut into batches.

    Attributes:
        largest: (texts, tokens of the longest) of each forward pass of the largest batch.
        tokens: padded, over all batches of both sides.
        samples: of both sides.
        swept: padded tokens, each counted as often as its batch is gone through backwards; None for once.
        squared: per-sample gradients that are squared; None for one of each sample.
    """

    largest: tuple[Shape, ...]
    tokens: int
    samples: int
    swept: int | None = None
    squared: int | None = None


def passes_of(sides: Mapping[str, Sequence[Step]], estimate: Estimate | None = None) -> Passes:
    """Sizes of the batches of both sides."""
    estimate = estimate or Estimate()
    steps = [step for side in sides.values() for step in side]
    shapes = [tuple((len(c.ids), max(map(len, c.ids))) for c in step.chunks) for step in steps]
    sizes = [sum(texts * longest for texts, longest in shape) for shape in shapes]
    largest = max(range(len(steps)), key=sizes.__getitem__)
    return Passes(
        shapes[largest],
        sum(sizes),
        sum(len(step.samples) for step in steps),
        sum(size * estimate.backwards(step) for size, step in zip(sizes, steps, strict=True)),
        sum(estimate.squared(step) for step in steps),
    )


def plan(
    skeleton: Skeleton,
    targets: Mapping[str, Shape],
    passes_at: Callable[[int], Passes],
    token_budget: int,
    memory: int | None = None,
    speed: Speed | None = None,
) -> Plan:
    """What a calibration will take; within a budget of memory where one is given.

    Smaller batches come first, because they cost almost no time; then the targets are split into groups, each of which
    costs a forward and backward pass over all texts.

    Args:
        targets: [out, in] of each, by name.
        passes_at: the batches under a token budget.
        token_budget: the largest one to consider.
        memory: bytes; None for no limit.
        speed: of this machine, where seconds are wanted.

    Raises:
        GapruneError: the budget does not even hold the model, one batch and the largest matrix.
    """
    best: tuple[int, Passes, Footprint, list[list[str]]] | None = None
    least = None
    for budget in _budgets(token_budget, memory is not None):
        passes = passes_at(budget)
        weighed = skeleton.footprint(passes.largest, targets)
        fixed = skeleton.bytes + _batch_bytes(weighed)
        groups = split(targets, None if memory is None else memory - fixed)
        if groups is not None and (best is None or len(groups) < len(best[3])):
            best = budget, passes, weighed, groups
        least = fixed + max(_sums(targets).values())
        if best is not None and len(best[3]) == 1:
            break
    if best is None:
        raise GapruneError(
            f"{readable(memory or 0)} of memory is too little: with the smallest batches and one matrix at a time "
            f"this model needs {readable(least or 0)}.",
            "Give more memory, cut the texts shorter (--max-length), or load the model as bfloat16.",
        )
    return _plan(skeleton, targets, *best, speed)


def _batch_bytes(weighed: Footprint) -> int:
    return int(HEAP * (weighed.saved + weighed.passing)) + BLOCK_BYTES


def _budgets(largest: int, shrink: bool) -> list[int]:
    found = [largest]
    while shrink and found[-1] // 2 >= LEAST_BUDGET:
        found.append(found[-1] // 2)
    return found


def split(targets: Mapping[str, Shape], room: int | None) -> list[list[str]] | None:
    """Targets in as few groups as their sums fit in, of about one size; None where not even one fits.

    Args:
        room: bytes for the running sums; None for no limit.
    """
    sizes = _sums(targets)
    if room is None:
        return [list(sizes)]
    if max(sizes.values()) > room:
        return None
    total, filled = sum(sizes.values()), _filled(sizes, room)
    for count in range(-(-total // room), len(filled) + 1):
        even = _filled(sizes, min(room, max(-(-total // count), max(sizes.values()))))
        if len(even) <= count:
            return even
    return filled


def _downs(targets: Iterable[str]) -> set[str]:
    """Those whose inputs are neurons, by the usual names: an unusual one costs the plan a few kilobytes."""
    return {name for name in targets if role_by_name(name) == "down"}


def _sums(targets: Mapping[str, Shape]) -> dict[str, int]:
    """Bytes of the running sums of each matrix."""
    downs = _downs(targets)
    return {
        name: SUM_BYTES * rows * columns + (NEURON_BYTES * columns if name in downs else 0)
        for name, (rows, columns) in targets.items()
    }


def _filled(sizes: Mapping[str, int], room: int) -> list[list[str]]:
    groups: list[list[str]] = []
    left = 0
    for name, size in sizes.items():
        if not groups or size > left:
            groups.append([])
            left = room
        groups[-1].append(name)
        left -= size
    return groups


def _plan(
    skeleton: Skeleton,
    targets: Mapping[str, Shape],
    budget: int,
    passes: Passes,
    weighed: Footprint,
    groups: list[list[str]],
    speed: Speed | None,
) -> Plan:
    size = {name: rows * columns for name, (rows, columns) in targets.items()}
    weights = sum(size.values())
    of_sums = _sums(targets)
    sums = max(sum(of_sums[name] for name in group) for group in groups)
    batch = _batch_bytes(weighed)
    writing = SUMMARY_BYTES * max(size.values())
    # A forward pass, as much again for each backward one, in every group; the products once for each of those.
    swept = passes.tokens if passes.swept is None else passes.swept
    passing = weighed.flops * (passes.tokens + swept) // max(weighed.tokens, 1) * len(groups)
    products = 2 * weights * swept
    squares = 3 * weights * (passes.samples if passes.squared is None else passes.squared)
    seconds = None if speed is None else (passing + products) / speed.products + squares / speed.squares
    return Plan(
        parameters=skeleton.parameters,
        weights=weights,
        matrices=len(targets),
        samples=passes.samples,
        tokens=passes.tokens,
        token_budget=budget,
        groups=tuple(tuple(group) for group in groups),
        model_bytes=skeleton.bytes,
        sums_bytes=sums,
        batch_bytes=batch,
        writing_bytes=writing,
        peak_bytes=skeleton.bytes + max(sums + batch, writing),
        disk_bytes=file_bytes(tensor_shapes(targets, _downs(targets)), METADATA)
        + SKETCH_DISK * min(weights, SKETCH_CAP)
        + MATRIX_DISK * len(targets),
        flops=passing + products + squares,
        token_flops=weighed.flops // max(weighed.tokens, 1),
        seconds=seconds,
    )


@dataclass(frozen=True)
class Speed:
    """What a machine does in a second: operations of large matrix products, and of squaring and adding up."""

    products: float
    squares: float


# A calibration reaches this share of the bare speed: attention, norms, activations and small products are slower.
EFFICIENCY = 0.6


@cache
def measure_speed(width: int = 1_024, tokens: int = 512, seconds: float = 0.25) -> Speed:
    """Time the two operations that calibration is made of, for a fraction of a second each."""
    a, b = torch.randn(tokens, width), torch.randn(width, width)
    out = torch.empty(tokens, width)
    block = torch.randn(BLOCK_BYTES // 4)
    squares, total = torch.zeros_like(block), torch.zeros_like(block)

    def products() -> None:
        torch.mm(a, b, out=out)

    def adding() -> None:
        squares.addcmul_(block, block)
        total.add_(block)

    rate = 2 * tokens * width * width * _per_second(products, seconds)
    return Speed(EFFICIENCY * rate, 3 * block.numel() * _per_second(adding, seconds))


def _per_second(work: Callable[[], None], seconds: float) -> float:
    work()
    began, count = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < seconds:
        work()
        count += 1
    return count / spent
