"""Hooks on a model that catch, batch by batch, what calibration adds up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from gaprune_viz.calibration.accumulating import Accumulator, Call
from gaprune_viz.calibration.batching import Step
from gaprune_viz.calibration.fisher_kinds import Sweep
from gaprune_viz.calibration.neuron_activity import NeuronSums
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.roles import reads_tokens


class Recorder:
    """Hooks that hand each target's inputs and output gradients to its accumulator, for one batch."""

    def __init__(self, accumulators: dict[str, Accumulator], neurons: dict[str, NeuronSums], step: Step) -> None:
        self.accumulators, self.neurons = accumulators, neurons
        self.calls: dict[str, list[Call]] = {name: [] for name in accumulators}
        self.waiting: dict[str, int] = dict.fromkeys(accumulators, 0)
        self.sweep: Sweep | None = None
        self.first = self.last = True
        self.chunk = step.chunks[0]
        self.handles: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> Recorder:
        for accumulator in self.accumulators.values():
            hook = self._on_forward(accumulator)
            self.handles += [user.register_forward_hook(hook) for user in accumulator.users]
        for sums in self.neurons.values():
            self.handles += sums.watch(lambda: self.chunk)
        return self

    def __exit__(self, *exc: object) -> None:
        for handle in self.handles:
            handle.remove()
        self.calls.clear()
        for sums in self.neurons.values():
            sums.felt.clear()
        # The graph holds the hooks, and these hold this: if this held the graph, only the collector would free both.
        self.sweep = None

    def backward(self, sweeps: Sequence[Sweep]) -> None:
        """Run the backward passes of the batch, one after another, and hand over what they give."""
        for number, sweep in enumerate(sweeps):
            self.sweep, self.first, self.last = sweep, number == 0, number == len(sweeps) - 1
            self.waiting = {name: len(calls) for name, calls in self.calls.items()}
            if not sweep.objective.requires_grad:
                raise GapruneError(
                    "No gradient comes from the embedding to the weights of this scope: the model computes without.",
                    "Choose another scope or another model.",
                )
            sweep.objective.backward(retain_graph=not self.last)
            for name, waiting in self.waiting.items():
                if waiting:
                    self._hand_over(name)
            for sums in self.neurons.values():
                sums.close(sweep)

    def _on_forward(self, accumulator: Accumulator) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
        name = accumulator.target.name

        def hook(module: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> Tensor:
            if not out.requires_grad:
                # No weight needs a gradient, so the graph begins at the first targets, and nothing before them costs
                # a backward. A copy, because a model may change it in place, which a leaf forbids.
                out = out.requires_grad_(True).clone()
            shape = (len(self.chunk.ids), max(map(len, self.chunk.ids)))
            if not reads_tokens(args[0], *shape):
                raise GapruneError(
                    f"{name} reads {tuple(args[0].shape)} where {shape[0]} texts of {shape[1]} tokens went in.",
                    "Its gradient cannot be told apart by sample: choose a scope without it, or another model.",
                )
            call = Call(self.chunk, args[0].detach().reshape(*shape, args[0].shape[-1]))
            self.calls[name].append(call)
            if not out.requires_grad:
                # The model computes this call without gradients: it adds none, and its inputs count all the same.
                return out

            def on_grad(grad: Tensor) -> None:
                call.grads = grad.reshape(*shape, grad.shape[-1])
                self.waiting[name] -= 1
                if not self.waiting[name]:
                    self._hand_over(name)

            out.register_hook(on_grad)
            return out

        return hook

    def _hand_over(self, name: str) -> None:
        """Give a target's calls to its accumulator. A call whose output does not reach the embedding counts as zero."""
        calls, accumulator = self.calls[name], self.accumulators[name]
        for call in calls:
            if call.grads is None:
                call.grads = call.inputs.new_zeros(*call.inputs.shape[:-1], accumulator.target.shape[0])
        if self.sweep is not None:
            accumulator.add(calls, self.sweep, self.first)
        for call in calls:
            call.grads = None
        if self.last:
            # Let go of as soon as can be: what is left of the batch needs the room.
            self.calls[name] = []
