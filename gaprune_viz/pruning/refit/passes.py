"""What one block is asked for: what its layers read and give, in the dense model and in the one that is being refitted.

A batch goes through a block once for the dense model. For the refitted one it goes through in steps, each up to the
layers that are fitted next; what earlier layers answered is kept, where memory allows, so that every matrix product
is done once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gaprune_viz.errors import GapruneError
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.refit.replay import HINT, Answer, Call, Reached, Sums, answering, applied
from gaprune_viz.pruning.refit.stages import Block, Part, Stage


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
        self.kept: list[dict[str, Any]] = [{} for _ in calls]

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
        self.kept[batch].clear()
        return out

    def _before(self, batch: int, position: int) -> dict[nn.Module, Callable[..., Any]]:
        """What is fitted answers as before, or computes; the largest parts that are done answer whole."""
        kept, block = self.kept[batch], self.block
        answers: dict[nn.Module, Callable[..., Any]] = {
            t.module: applied(t, self.weights[t.name]) for stage in block.stages[:position] for t in stage.targets
        }
        if not self.keeping:
            return answers
        if position < len(block.stages):
            for part in block.done(position):
                answers[part.module] = self._kept_after(kept, part, answers.get(part.module, part.module.forward))
        for part in block.parts:
            if part.name in kept:
                answers[part.module] = _always(kept[part.name][0])
        return answers

    def _kept_after(self, kept: dict[str, Any], part: Part, compute: Callable[..., Any]) -> Callable[..., Any]:
        """Keep what a part answers, instead of what parts of it answered."""

        def forward(*args: Any, **kwargs: Any) -> Any:
            out = compute(*args, **kwargs)
            for inner in [name for name in kept if name.startswith(f"{part.name}.")]:
                del kept[inner]
            kept[part.name] = (out, _versions(out))
            return out

        return forward

    def _unchanged(self, batch: int) -> None:
        if any(_versions(out) != versions for out, versions in self.kept[batch].values()):
            raise GapruneError(f"{self.block.name} writes over what its layers answer.", HINT)


def _always(out: Any) -> Callable[..., Any]:
    return lambda *args, **kwargs: out


def _versions(out: Any) -> list[int]:
    """How often each tensor of an answer has been written to."""
    return [t._version for t in (out if isinstance(out, (tuple, list)) else (out,)) if isinstance(t, Tensor)]
