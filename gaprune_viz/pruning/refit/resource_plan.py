"""What a refit will take, before it runs: memory, and work for a prediction of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gaprune_viz.errors import GapruneError, readable
from gaprune_viz.pruning.refit.batches import Batch
from gaprune_viz.pruning.refit.stages import Block, Layout, Stage

# Products of all rows with the Gram matrix or its inverse until the iteration stops; measured on MiniLM, where it takes
# 16 iterations of two for most layers and 33 for the wide ones, which weigh most.
PRODUCTS = 60
# The part of a Gram matrix that is computed.
HALF = 0.6
# Activations of a block that are alive at a time, in units of what its linear layers read and give.
ALIVE = 1.5


@dataclass(frozen=True)
class RefitPlan:
    """What a refit will take.

    Attributes:
        tokens: real ones, of all texts.
        keeping: whether the answers of fitted layers are kept, so that no product is done twice.
        states_bytes: of the texts between two blocks, in both models, and the blocks' other arguments.
        block_bytes: most that is kept within a block: of the dense pass, and of answers.
        sums_bytes: of the largest stage: Gram matrices, and what the solver holds.
        batch_bytes: of the largest batch on its way through a block.
        weights_bytes: of the refitted weights, and of one block's masked ones.
        peak_bytes: most memory at a time, on top of the model.
        work: multiplications and additions.
    """

    tokens: int
    keeping: bool
    states_bytes: int
    block_bytes: int
    sums_bytes: int
    batch_bytes: int
    weights_bytes: int
    peak_bytes: int
    work: int


def plan_refit(layout: Layout, batches: Sequence[Batch], itemsize: int, memory: int | None = None) -> RefitPlan:
    """What a refit will take, within a budget of memory where one is given.

    Args:
        itemsize: bytes of a number in the model.
        memory: bytes on top of the model; None for no limit. Where it is short, answers are computed anew for every
            stage, which costs time.

    Raises:
        GapruneError: the budget is too little for these texts.
    """
    full = _plan(layout, batches, itemsize, keeping=True)
    if memory is None or full.peak_bytes <= memory:
        return full
    lean = _plan(layout, batches, itemsize, keeping=False)
    if lean.peak_bytes > memory:
        raise GapruneError(
            f"{readable(memory)} of memory is too little for this refit, which needs {readable(lean.peak_bytes)}.",
            f"Read fewer samples ({lean.tokens:,} tokens now), or give more memory.",
        )
    return lean


def _plan(layout: Layout, batches: Sequence[Batch], itemsize: int, keeping: bool) -> RefitPlan:
    padded = sum(batch.padded for batch in batches)
    tokens = sum(batch.tokens for batch in batches)
    single, paired = layout.arguments
    pairs = sum(texts * longest**2 for texts, longest in (batch.shape for batch in batches))
    states = int(2 * padded * layout.hidden * itemsize + padded * single + pairs * paired)
    stages = [stage for block in layout.blocks for stage in block.stages]
    block = max(padded * itemsize * (_kept(b) + (_answers(b) if keeping else 0)) for b in layout.blocks)
    sums = max(map(sums_bytes, stages))
    largest = max(batch.padded for batch in batches)
    batch = int(ALIVE * largest * max(map(_through, layout.blocks)) * max(itemsize, 4))
    masked = max(itemsize * sum(t.size for s in b.stages for t in s.targets) for b in layout.blocks)
    weights = itemsize * sum(t.size for stage in stages for t in stage.targets) + masked
    found = RefitPlan(
        tokens=tokens,
        keeping=keeping,
        states_bytes=states,
        block_bytes=block,
        sums_bytes=sums,
        batch_bytes=batch,
        weights_bytes=weights,
        peak_bytes=states + block + sums + batch + weights,
        work=0,
    )
    return replace(found, work=2 * sum(_work(b, padded, tokens, keeping) for b in layout.blocks))


def _kept(block: Block) -> int:
    return sum(stage.kept for stage in block.stages)


def _answers(block: Block) -> int:
    return max((sum(p.size for p in block.done(position)) for position in range(len(block.stages))), default=0)


def _through(block: Block) -> int:
    """Numbers a token that its linear layers read and give, the widest stage twice: gathered, and weighted."""
    widest = max((stage.width for stage in block.stages), default=0)
    return sum(sum(t.shape) for stage in block.stages for t in stage.targets) + 2 * widest


def sums_bytes(stage: Stage) -> int:
    """Bytes of the running sums (float64) and of the solver: float32, and its factorisation in float64."""
    square = stage.width**2
    cross = sum(t.size for t in stage.targets) if stage.direct else square
    largest = max(t.size for t in stage.targets)
    return 8 * (square + cross) + 4 * (3 * square + 5 * largest) + 8 * 3 * square


def reach_work(block: Block, position: int, keeping: bool) -> int:
    """Multiplications a token on the way to a stage, and those of its masked targets."""
    stages = block.stages[max(0, position - 1) : position] if keeping else block.stages[:position]
    direct = block.stages[position : position + 1]
    before = sum(t.size for stage in stages for t in stage.targets)
    return before + sum(t.size for stage in direct if stage.direct for t in stage.targets)


def sums_work(stage: Stage) -> int:
    """Multiplications a token for the sums of a stage."""
    cross = sum(t.size for t in stage.targets) if stage.direct else stage.width**2
    return int(HALF * stage.width**2) + cross


def solve_work(stage: Stage) -> int:
    """Multiplications for the weights of a stage."""
    return PRODUCTS * sum(t.size for t in stage.targets) * stage.width


def _work(block: Block, padded: int, tokens: int, keeping: bool) -> int:
    total = padded * block.weights
    for position, stage in enumerate(block.stages):
        total += padded * reach_work(block, position, keeping) + tokens * sums_work(stage) + solve_work(stage)
    return total + padded * reach_work(block, len(block.stages), keeping)
