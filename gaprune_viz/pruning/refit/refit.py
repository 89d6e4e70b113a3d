"""Refit the weights that a mask keeps: layer by layer, each to give what it gave before, knowing what came before it.

For a layer with dense weight W [out, in] and mask M, inputs x' of the dense model and x of the pruned one as refitted
so far, over the real tokens of calibration texts:

    minimise  sum |V x - W x' - e|^2 + ridge * mean(diag H) * |V - W * M|^2   over V = V * M,   H = sum x x^T

e is what the residual stream has lost before the layer, for layers whose output is added to it; 0 for others. The
layers go in the order in which they compute. Only one block's activations are held, and the model is never changed.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from gaprune_viz.calibration.batching import Given
from gaprune_viz.calibration.progress import Progress
from gaprune_viz.config import RefitSpec
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.refit.batches import TOKEN_BUDGET, Batch, batches_of
from gaprune_viz.pruning.refit.fitting import LayerFit, StageFit, fit, ridge_for, shortage
from gaprune_viz.pruning.refit.passes import BlockPasses, Seen
from gaprune_viz.pruning.refit.replay import Call, capture
from gaprune_viz.pruning.refit.resource_plan import RefitPlan, plan_refit, reach_work, solve_work, sums_work
from gaprune_viz.pruning.refit.stages import Block, Layout, layout_of

STAGE = "Refitting"
PROBE_TEXTS = 2
PROBE_TOKENS = 12


@dataclass(frozen=True)
class Refit:
    """Refitted weights, and how it went.

    Attributes:
        weights: by target name, [out, in] in the model's dtype on the processor; exactly 0 where the mask is.
        layers: in the order in which they were fitted.
        errors: of each block's output beside the dense one's, relative (Frobenius, real tokens, weighted).
        tokens: real ones that were read.
        notes: what a person should be told.
    """

    weights: dict[str, Tensor]
    layers: tuple[LayerFit, ...]
    errors: tuple[float, ...]
    tokens: int
    notes: tuple[str, ...]


def plan_of_refit(
    model: EmbeddingModel,
    targets: Sequence[Target],
    triplets: Mapping[str, Sequence[Given]],
    spec: RefitSpec,
    *,
    memory: int | None = None,
    token_budget: int = TOKEN_BUDGET,
) -> RefitPlan:
    """What `refit` with the same arguments will take.

    Raises:
        GapruneError: as `refit`, before any work.
    """
    return prepared(model, targets, triplets, spec, memory=memory, token_budget=token_budget)[2]


def prepared(
    model: EmbeddingModel,
    targets: Sequence[Target],
    triplets: Mapping[str, Sequence[Given]],
    spec: RefitSpec,
    *,
    memory: int | None = None,
    token_budget: int = TOKEN_BUDGET,
) -> tuple[list[Batch], Layout, RefitPlan]:
    """The batches, the stages in which layers are fitted, and the plan: what comes before the work."""
    batches = batches_of(model, triplets, spec, token_budget)
    texts = [row for batch in batches for row in batch.ids]
    # Of different lengths, so that the blocks are given a mask.
    probe = [row[: PROBE_TOKENS - 2 * i] for i, row in enumerate(texts[:: max(1, len(texts) // PROBE_TEXTS)])]
    with model.lock:
        layout = layout_of(model, targets, probe)
    itemsize = targets[0].parameter.element_size()
    return batches, layout, plan_refit(layout, batches, itemsize, memory)


def captured(model: EmbeddingModel, layout: Layout, batches: Sequence[Batch]) -> tuple[list[list[Call]], list[Tensor]]:
    """Each batch's calls of all blocks, and what the first block reads."""
    passing = layout.passing if layout.alone else None
    calls, states = [], []
    for batch in batches:
        with model.lock:
            found = capture(model, layout.modules, batch.ids, passing)
        assert found.states is not None
        calls.append(found.calls)
        states.append(found.states)
    return calls, states


def refit(
    model: EmbeddingModel,
    targets: Sequence[Target],
    masks: Mapping[str, Tensor],
    triplets: Mapping[str, Sequence[Given]],
    spec: RefitSpec,
    *,
    memory: int | None = None,
    token_budget: int = TOKEN_BUDGET,
) -> Generator[Progress, None, Refit]:
    """Fit the kept weights of all masked targets. Closing the generator stops the work; the model stays as it is.

    Args:
        model: dense.
        targets: where the masks belong; a target without a mask stays dense.
        masks: bool [out, in] by target name, True = kept.
        triplets: of each side (`domain`, `general`); their texts are read, not who answers whom.
        memory: bytes that the work may take on top of the model; None for no limit.
        token_budget: most padded tokens of a batch.

    Yields:
        Progress in units of work, after every batch and every layer.

    Raises:
        GapruneError: the blocks cannot be replayed, memory is too little, texts are missing, numbers are not finite.
    """
    chosen = [target for target in targets if target.name in masks]
    batches, layout, plan = prepared(model, chosen, triplets, spec, memory=memory, token_budget=token_budget)
    job = _Job(model, masks, spec, batches, layout, plan)
    yield job.progress()
    yield from job.run()
    stages = [stage for block in layout.blocks for stage in block.stages]
    notes = tuple(shortage(spec.ridge, plan.tokens, stages))
    return Refit(job.weights, tuple(job.layers), tuple(job.errors), plan.tokens, notes)


@dataclass
class _Job:
    """One refit on its way through the blocks."""

    model: EmbeddingModel
    masks: Mapping[str, Tensor]
    spec: RefitSpec
    batches: list[Batch]
    layout: Layout
    plan: RefitPlan
    weights: dict[str, Tensor] = field(default_factory=dict)
    layers: list[LayerFit] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    done: int = 0

    def __post_init__(self) -> None:
        self.began = time.monotonic()
        self.rows = [batch.rows() for batch in self.batches]

    def progress(self, work: int = 0) -> Progress:
        """How far it is, after some more multiplications."""
        self.done += 2 * work
        return Progress(STAGE, min(self.done, self.plan.work), self.plan.work, time.monotonic() - self.began)

    def run(self) -> Generator[Progress, None, None]:
        """All blocks."""
        calls, dense = captured(self.model, self.layout, self.batches)
        now = list(dense)
        for position, block in enumerate(self.layout.blocks):
            passes = BlockPasses(block, [c[position] for c in calls], self._masked(block), self.plan.keeping)
            yield from self._block(block, passes, dense, now)
            # A block's own arguments are not needed again; those that blocks share go with the last.
            for batch in calls:
                batch[position] = Call((), {})

    def _masked(self, block: Block) -> dict[str, Tensor]:
        return {
            t.name: t.weight.masked_fill(~self._keep(t), 0).contiguous()
            for stage in block.stages
            for t in stage.targets
        }

    def _keep(self, target: Target) -> Tensor:
        return self.masks[target.name].to(target.parameter.device)

    def _block(
        self, block: Block, passes: BlockPasses, dense: list[Tensor], now: list[Tensor]
    ) -> Generator[Progress, None, None]:
        """Fit one block; the states of both models move on."""
        before: list[list[Seen]] = []
        reads = list(dense)
        for i, batch in enumerate(self.batches):
            with self.model.lock:
                dense[i], seen = passes.dense(i, dense[i])
            before.append(seen)
            yield self.progress(batch.padded * block.weights)
        for position in range(len(block.stages)):
            same = position == 0 and all(a is b for a, b in zip(reads, now, strict=True))
            yield from self._stage(block, position, passes, [seen[position] for seen in before], now, same)
            for seen in before:
                seen[position] = Seen(None)
        del reads
        lost, whole = 0.0, 0.0
        for i, batch in enumerate(self.batches):
            with self.model.lock:
                now[i] = passes.finish(i, now[i])
            rows = self.rows[i]
            lost += float(rows.weighted(rows.of(now[i]) - rows.of(dense[i])).square().sum())
            whole += float(rows.weighted(rows.of(dense[i])).square().sum())
            yield self.progress(batch.padded * reach_work(block, len(block.stages), passes.keeping))
        self.errors.append((lost / whole) ** 0.5 if whole else 0.0)

    def _stage(
        self, block: Block, position: int, passes: BlockPasses, before: Sequence[Seen], now: list[Tensor], same: bool
    ) -> Generator[Progress, None, None]:
        """Sum over all batches, then fit the stage's layers one after another."""
        stage = block.stages[position]
        sums = StageFit(stage, same)
        reaching, summing = reach_work(block, position, passes.keeping), sums_work(stage)
        for i, batch in enumerate(self.batches):
            with self.model.lock:
                sums.add(self.rows[i], passes.reach(i, now[i], position), before[i])
            yield self.progress(batch.padded * reaching + batch.tokens * summing)
        gram = sums.gram.finish()
        ridge = ridge_for(self.spec.ridge, sums.tokens, stage.width)
        for k, target in enumerate(stage.targets):
            keep = self._keep(target)
            weight, told = fit(target, keep, gram, sums.wanted(k, keep, gram), ridge, self.spec.tolerance, sums.tokens)
            passes.weights[target.name] = weight
            self.weights[target.name] = weight.cpu()
            self.layers.append(told)
            yield self.progress(solve_work(stage) // len(stage.targets))
