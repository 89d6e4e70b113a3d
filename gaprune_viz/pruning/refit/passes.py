"""What one block is asked for: what its layers read and give, in the dense model and in the one that is being refitted.

A batch goes through a block once for the dense model. For the refitted one it goes through in steps, each up to the
layers that are fitted next; what earlier layers answered is kept, where memory allows, so that every matrix product
is done once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gaprune_viz.errors import GapruneError
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.refit.replay import HINT, Answer, Call, Reached, Sums, answering, applied
from gaprune_viz.pruning.refit.stages import Block, Stage


@dataclass(frozen=True)
class Seen:
    """What a stage shows of one batch, padded.

    Attributes:
        inputs: [texts, longest, in]; None where it is not needed.
        results: of each target of a direct stage [texts, longest, out]: its sum with the residual stream where it goes
            straight onto it, otherwise its output.
    """

    inputs: Tensor | None
    results: tuple[Tensor, ...] = ()


class BlockPasses:
    """The passes of all batches through one block.

    Args:
        calls: the block's other arguments, batch by batch.
        weights: of the refitted model, [out, in] by target name: masked at first, then as they are refitted.
        keeping: whether the answers of layers that are fitted are kept for the steps after them.
    """

    def __init__(self, block: Block, calls: Sequence[Call], weights: dict[str, Tensor], keeping: bool) -> None:
        self.block, self.calls, self.weights, self.keeping = block, calls, weights, keeping
        self.answers: list[dict[str, tuple[Tensor, int]]] = [{} for _ in calls]

    @torch.no_grad()
    def dense(self, batch: int, states: Tensor) -> tuple[Tensor, list[Seen]]:
        """The states after the dense block, and what each of its stages is compared with."""
        inputs: dict[str, Tensor] = {}
        outputs: dict[str, Tensor] = {}
        sums = Sums()

        def heard(stage: Stage, target: Target) -> Answer:
            answer = applied(target, target.weight)

            def forward(x: Tensor) -> Tensor:
                out = answer(x)
                if not stage.direct and target is stage.targets[0]:
                    inputs[target.name] = x.clone()
                elif stage.direct and target.name in stage.added:
                    sums.watch(target.name, out)
                elif stage.direct:
                    outputs[target.name] = out.clone()
                return out

            return forward

        heards = {t.module: heard(stage, t) for stage in self.block.stages for t in stage.targets}
        with answering(heards), sums:
            out = self.calls[batch].run(self.block.module, states)
        outputs |= sums.found
        return out, [
            Seen(inputs.get(stage.targets[0].name), tuple(outputs[t.name] for t in stage.targets if stage.direct))
            for stage in self.block.stages
        ]

    @torch.no_grad()
    def reach(self, batch: int, states: Tensor, position: int) -> Seen:
        """What a stage reads in the refitted model; of a direct one also what its targets, masked, make of it."""
        stage = self.block.stages[position]
        inputs: list[Tensor] = []
        outputs: dict[str, Tensor] = {}
        sums = Sums(tuple(stage.added))

        def heard(target: Target) -> Answer:
            answer = applied(target, self.weights[target.name])

            def forward(x: Tensor) -> Tensor:
                inputs.append(x)
                if not stage.direct:
                    raise Reached
                out = outputs[target.name] = answer(x)
                sums.watch(target.name, out)
                if not stage.added and len(outputs) == len(stage.targets):
                    raise Reached
                return out

            return forward

        answers = self._before(batch, position) | {t.module: heard(t) for t in stage.targets}
        try:
            if stage.added:
                with answering(answers), sums:
                    self.calls[batch].run(self.block.module, states)
            else:
                with answering(answers):
                    self.calls[batch].run(self.block.module, states)
        except Reached:
            self._unchanged(batch)
            outputs |= sums.found
            return Seen(inputs[0], tuple(outputs[t.name] for t in stage.targets if stage.direct))
        raise GapruneError(f"{self.block.name} does not compute as it did before.", HINT)

    @torch.no_grad()
    def finish(self, batch: int, states: Tensor) -> Tensor:
        """The states after the refitted block. What was kept of this batch is let go of."""
        with answering(self._before(batch, len(self.block.stages))):
            out = self.calls[batch].run(self.block.module, states)
        self._unchanged(batch)
        self.answers[batch].clear()
        return out

    def _before(self, batch: int, position: int) -> dict[nn.Module, Answer]:
        """The answers of all layers of earlier stages: as before, or computed now, and kept if they are of use."""
        last = position == len(self.block.stages)
        keeping = self.keeping and not last
        return {
            target.module: self._answer(target, self.answers[batch], keeping)
            for stage in self.block.stages[:position]
            for target in stage.targets
        }

    def _answer(self, target: Target, kept: dict[str, tuple[Tensor, int]], keeping: bool) -> Answer:
        answer = applied(target, self.weights[target.name])

        def forward(x: Tensor) -> Tensor:
            if target.name in kept:
                return kept[target.name][0]
            out = answer(x)
            if keeping:
                kept[target.name] = (out, out._version)
            return out

        return forward

    def _unchanged(self, batch: int) -> None:
        if any(out._version != version for out, version in self.answers[batch].values()):
            raise GapruneError(f"{self.block.name} writes over what its layers answer.", HINT)
