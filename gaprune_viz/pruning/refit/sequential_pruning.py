"""Prune by a criterion with an update: layer by layer as they compute, each with the inputs that the pruned ones give.

What a criterion asks for is one Gram matrix a layer (`gaprune_viz.criteria.criterion.Update`); how many weights go
where is decided before, by its scores.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gaprune_viz.calibration.batching import Given
from gaprune_viz.calibration.progress import Progress
from gaprune_viz.config import Allocation, MaskSpec, RefitSpec
from gaprune_viz.criteria.criterion import Criterion, Quota
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.refit.batches import TOKEN_BUDGET, Batch
from gaprune_viz.pruning.refit.gram import GramSum
from gaprune_viz.pruning.refit.passes import BlockPasses
from gaprune_viz.pruning.refit.refit import captured, prepared
from gaprune_viz.pruning.refit.replay import Call
from gaprune_viz.pruning.refit.resource_plan import HALF, RefitPlan, reach_work
from gaprune_viz.pruning.refit.stages import Block, Layout, Stage

STAGE = "Pruning layer by layer"


@dataclass(frozen=True)
class Updated:
    """Masks and the weights that were made with them.

    Attributes:
        masks: bool [out, in] by target name, True = kept.
        weights: [out, in] in the model's dtype on the processor; exactly 0 where the mask is.
        tokens: real ones that were read.
        notes: what a person should be told.
    """

    masks: dict[str, Tensor]
    weights: dict[str, Tensor]
    tokens: int
    notes: tuple[str, ...]


def quotas_of(masks: Mapping[str, Tensor], spec: MaskSpec, label: str) -> dict[str, Quota]:
    """How many weights of each matrix go: as many as under these masks, row by row where rows are counted apart.

    Args:
        masks: bool [out, in], True = kept: of the criterion's scores under `spec`.
        spec: settled.
        label: of the criterion.

    Raises:
        GapruneError: `spec` asks for what an update does not keep to.
    """
    within = spec.pattern != "unstructured" or spec.allocation is Allocation.ROW
    asked = {"whole neurons": spec.whole_neurons, "a ceiling per row": spec.row_ceiling < 1}
    if not within and (given := [what for what, on in asked.items() if on]):
        raise GapruneError(
            f"{label} chooses weights while it goes through the layers, and does not keep to {' or '.join(given)}.",
            "Leave that out, or count row by row (allocation row).",
        )
    gone = {name: (~mask).sum(dim=1) for name, mask in masks.items()}
    return {name: Quota(rows if within else rows.sum()[None], spec.n_m) for name, rows in gone.items()}


def update(
    model: EmbeddingModel,
    targets: Sequence[Target],
    quotas: Mapping[str, Quota],
    triplets: Mapping[str, Sequence[Given]],
    chosen: Criterion,
    spec: RefitSpec,
    *,
    memory: int | None = None,
    token_budget: int = TOKEN_BUDGET,
) -> Generator[Progress, None, Updated]:
    """Prune all targets that have a quota. Closing the generator stops the work; the model stays as it is.

    Args:
        model: dense.
        triplets: of each side (`domain`, `general`); their texts are read, not who answers whom.
        chosen: a criterion with an update.
        spec: which texts are read, and how much each side counts.
        memory: bytes that the work may take on top of the model; None for no limit.
        token_budget: most padded tokens of a batch.

    Yields:
        Progress in units of work, after every batch and every layer.

    Raises:
        GapruneError: the blocks cannot be replayed, memory is too little, texts are missing, numbers are not finite.
    """
    own = [target for target in targets if target.name in quotas]
    batches, layout, plan = prepared(model, own, triplets, spec, memory=memory, token_budget=token_budget)
    job = _Job(model, quotas, chosen, batches, _plain(layout), plan)
    yield job.progress()
    yield from job.run()
    return Updated(job.masks, job.weights, plan.tokens, tuple(job.notes()))


def _plain(layout: Layout) -> Layout:
    """The same layers, of which nothing but their inputs is asked."""
    blocks = [
        dataclasses.replace(b, stages=tuple(Stage(s.targets, frozenset(), direct=False) for s in b.stages))
        for b in layout.blocks
    ]
    return dataclasses.replace(layout, blocks=tuple(blocks))


@dataclass
class _Job:
    """One way through the blocks."""

    model: EmbeddingModel
    quotas: Mapping[str, Quota]
    chosen: Criterion
    batches: list[Batch]
    layout: Layout
    plan: RefitPlan
    masks: dict[str, Tensor] = field(default_factory=dict)
    weights: dict[str, Tensor] = field(default_factory=dict)
    done: int = 0

    def __post_init__(self) -> None:
        self.began = time.monotonic()
        self.rows = [batch.rows() for batch in self.batches]
        self.work = sum(map(self._work, self.layout.blocks))

    def progress(self, work: int = 0) -> Progress:
        """How far it is, after some more multiplications."""
        self.done += work
        return Progress(STAGE, min(self.done, self.work), self.work, time.monotonic() - self.began)

    def run(self) -> Generator[Progress, None, None]:
        """All blocks."""
        calls, now = captured(self.model, self.layout, self.batches)
        for position, block in enumerate(self.layout.blocks):
            dense = {t.name: t.weight for stage in block.stages for t in stage.targets}
            passes = BlockPasses(block, [c[position] for c in calls], dense, self.plan.keeping)
            for place, stage in enumerate(block.stages):
                yield from self._stage(block, place, stage, passes, now)
            for i, batch in enumerate(self.batches):
                with self.model.lock:
                    now[i] = passes.finish(i, now[i])
                yield self.progress(batch.padded * reach_work(block, len(block.stages), self.plan.keeping))
            for batch in calls:
                batch[position] = Call((), {})

    def _stage(
        self, block: Block, place: int, stage: Stage, passes: BlockPasses, now: list[Tensor]
    ) -> Generator[Progress, None, None]:
        """Sum over all batches, then prune the stage's layers one after another."""
        gram = GramSum(stage.width, stage.targets[0].parameter.device)
        for i, batch in enumerate(self.batches):
            with self.model.lock:
                inputs = passes.reach(i, now[i], place).inputs
            assert inputs is not None
            gram.add(self.rows[i].weighted(self.rows[i].of(inputs)))
            yield self.progress(batch.padded * reach_work(block, place, self.plan.keeping) + _sum_work(stage, batch))
        whole = gram.finish()
        if not bool(torch.isfinite(whole).all()):
            raise GapruneError(
                f"What {stage.targets[0].name} reads is not finite.", "Use float32, or a lower sparsity."
            )
        for target in stage.targets:
            keep, weight = self._pruned(target, whole)
            passes.weights[target.name] = weight
            self.masks[target.name], self.weights[target.name] = keep.cpu(), weight.cpu()
            yield self.progress(_solve_work(target))

    def _pruned(self, target: Target, gram: Tensor) -> tuple[Tensor, Tensor]:
        assert self.chosen.update is not None
        keep, weight = self.chosen.update(target.weight, gram, self.quotas[target.name])
        weight = weight.to(target.parameter.dtype).masked_fill_(~keep, 0)
        if not bool(torch.isfinite(weight).all()):
            raise GapruneError(
                f"{self.chosen.label} gives weights of {target.name} that are not finite.", "Use float32."
            )
        return keep, weight

    def notes(self) -> list[str]:
        """A line where the texts hold fewer tokens than the widest layer has inputs."""
        widest = max((stage for block in self.layout.blocks for stage in block.stages), key=lambda stage: stage.width)
        if self.plan.tokens >= widest.width:
            return []
        return [
            f"The texts hold {self.plan.tokens:,} tokens, fewer than the {widest.width:,} inputs of "
            f"{widest.targets[0].name}: what {self.chosen.label} makes of it rests on its damping. More texts would do "
            "better."
        ]

    def _work(self, block: Block) -> int:
        """Multiplications for one block."""
        total = 0
        for place, stage in enumerate(block.stages):
            reaching = reach_work(block, place, self.plan.keeping)
            total += sum(batch.padded * reaching + _sum_work(stage, batch) for batch in self.batches)
            total += sum(map(_solve_work, stage.targets))
        return total + sum(b.padded for b in self.batches) * reach_work(block, len(block.stages), self.plan.keeping)


def _sum_work(stage: Stage, batch: Batch) -> int:
    return int(HALF * stage.width**2) * batch.tokens


def _solve_work(target: Target) -> int:
    """Of the factor of the Gram matrix, and of the columns one by one, which are read from memory again and again."""
    rows, columns = target.shape
    return columns**3 + 8 * rows * columns**2
