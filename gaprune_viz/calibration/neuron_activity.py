"""What the neurons of the MLPs do while texts are calibrated: their mean activation, and how often each is on.

A neuron is an input feature of a `down` matrix. Its activation is what `down` reads. It is *on* for a token where its
activation function lets something through:

- in a plain MLP where the activation is above 0 (of GELU, SiLU and ReLU that is: the pre-activation is);
- in a gated MLP where the output of `gate` is above 0, because the sign of the product says nothing: `up` may be
  negative. Of a fused gate and up, the half that is the gate counts (`models/roles.py` finds it out).

A `down` whose gate is not known is read as that of a plain MLP. Only real tokens count, never padding.

And what each neuron is worth: taking it out changes a sample's loss, to first order, by the sum over the sample's
tokens of its activation times the gradient of it, which is the sum of w * g over its column of `down`. The mean over
samples of the square is Fisher information of the neuron as a whole: what its weights' own lack are the products.
(Theis et al., Faster gaze prediction with dense networks and Fisher pruning, arXiv 1801.05787.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gaprune_viz.calibration.accumulating import users_of, wide
from gaprune_viz.calibration.batching import Chunk
from gaprune_viz.calibration.distributed import Workers
from gaprune_viz.calibration.fisher_kinds import Sweep
from gaprune_viz.models.mlps import FUSED, mlps_of
from gaprune_viz.models.targets import Target

# Three float64 sums for each neuron.
NEURON_BYTES = 24
# Tokens are compared in blocks that stay in the processor's cache.
_BLOCK = 2**17


def gates_of(targets: Sequence[Target]) -> dict[str, Target]:
    """The gate of each `down` that has one, by the name of `down`."""
    by_name = {target.name: target for target in targets}
    found = {}
    for mlp in mlps_of(targets):
        gates = [by_name[name] for name in mlp.feeders if by_name[name].role in ("gate", FUSED)]
        if gates:
            found[mlp.down] = gates[0]
    return found


@dataclass
class NeuronSums:
    """Running sums over the real tokens of one `down` matrix, of all layers that use it."""

    down: Target
    users: tuple[nn.Module, ...]
    gate: Target | None = None
    gate_users: tuple[nn.Module, ...] = ()
    total: Tensor = field(init=False)
    on: Tensor = field(init=False)
    cut: Tensor = field(init=False)
    tokens: int = 0
    judged: int = 0
    felt: list[tuple[Chunk, Tensor]] = field(default_factory=list)

    def __post_init__(self) -> None:
        device, neurons = self.down.parameter.device, self.down.columns
        self.total = torch.zeros(neurons, dtype=wide(device), device=device)
        self.on = torch.zeros_like(self.total)
        self.cut = torch.zeros_like(self.total)

    def watch(self, chunk: Callable[[], Chunk]) -> list[Any]:
        """Hooks that take in every forward pass, until they are removed.

        Args:
            chunk: the texts that are in the model.
        """

        def before(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            if torch.is_grad_enabled() and not args[0].requires_grad:
                # Where no weight before it is of interest, the graph begins here.
                args[0].requires_grad_(True)

        def on_down(module: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> None:
            inputs, seen = args[0].detach(), chunk()
            self.read(inputs, seen)
            if args[0].requires_grad:
                args[0].register_hook(lambda grad: self.feel(inputs, grad.detach(), seen))

        def on_gate(module: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> None:
            self.judge(out.detach(), chunk())

        handles: list[Any] = [user.register_forward_pre_hook(before) for user in self.users]
        handles += [user.register_forward_hook(on_down) for user in self.users]
        return handles + [user.register_forward_hook(on_gate) for user in self.gate_users]

    @torch.no_grad()
    def read(self, inputs: Tensor, chunk: Chunk) -> None:
        """Take in what `down` read: [texts, longest, neurons], or flattened."""
        for block in _blocks(inputs, chunk):
            self.total += block.sum(0)
            self.tokens += len(block)
            if self.gate is None:
                self._count(block)

    @torch.no_grad()
    def judge(self, outputs: Tensor, chunk: Chunk) -> None:
        """Take in what the gate gave: [texts, longest, neurons], twice as wide where it is fused, or flattened."""
        gate, neurons = self.gate, self.down.columns
        if gate is not None and gate.role == FUSED:
            outputs = outputs[..., :neurons] if gate.gate_first else outputs[..., neurons:]
        for block in _blocks(outputs, chunk):
            self._count(block)

    def _count(self, block: Tensor) -> None:
        # Sums of float32 are several times faster than those of truth values.
        self.on += torch.gt(block, 0, out=torch.empty_like(block)).sum(0)
        self.judged += len(block)

    @torch.no_grad()
    def feel(self, inputs: Tensor, grads: Tensor, chunk: Chunk) -> None:
        """Take in the gradient of what `down` read, in the shape of that; kept until the sweep is closed."""
        shape = (len(chunk.ids), max(map(len, chunk.ids)), self.down.columns)
        inputs, grads = inputs.reshape(shape), grads.reshape(shape)
        changes = torch.empty(shape[0], shape[2], device=inputs.device)
        for row, ids in enumerate(chunk.ids):
            # Text by text: what is multiplied stays in the processor's cache.
            torch.sum(inputs[row, : len(ids)].float() * grads[row, : len(ids)].float(), dim=0, out=changes[row])
        self.felt.append((chunk, changes))

    @torch.no_grad()
    def close(self, sweep: Sweep) -> None:
        """Square what a backward pass gave, sample by sample, or text by text; nothing where it squares nothing."""
        felt, self.felt = self.felt, []
        if sweep.squares is None or not felt:
            return
        units = torch.zeros(sweep.units, self.down.columns, device=self.cut.device)
        for chunk, changes in felt:
            places = torch.tensor(chunk.texts if sweep.by_text else chunk.samples, device=units.device)
            units.index_add_(0, places, changes)
        factors = torch.as_tensor(sweep.squares, dtype=units.dtype, device=units.device)
        self.cut += factors @ units.square_()

    def finish(self, workers: Workers, squared: int) -> tuple[Tensor, Tensor, Tensor]:
        """Mean activation, share of tokens where the neuron is on, and mean squared change of the loss where it is
        taken out, over all processes; float32 [neurons], CPU.

        Args:
            squared: how many changes were squared, over all processes.
        """
        counts = torch.tensor([self.tokens, self.judged], device=self.total.device)
        tokens, judged = (max(int(n), 1) for n in workers.add_up(counts))
        return (
            (workers.add_up(self.total) / tokens).float().cpu(),
            (workers.add_up(self.on) / judged).float().cpu(),
            (workers.add_up(self.cut) / squared).float().cpu(),
        )


def neuron_sums(
    backbone: nn.Module, targets: Sequence[Target], gates: Mapping[str, Target] | None = None
) -> dict[str, NeuronSums]:
    """Empty sums for each `down` of some targets.

    Args:
        gates: by the name of `down`, also of matrices that are no targets; None for those among the targets.
    """
    gates = gates_of(targets) if gates is None else gates
    found = {}
    for down in (t for t in targets if t.role == "down"):
        gate = gates.get(down.name)
        found[down.name] = NeuronSums(
            down, users_of(backbone, down), gate, () if gate is None else users_of(backbone, gate)
        )
    return found


def _blocks(values: Tensor, chunk: Chunk) -> list[Tensor]:
    """The rows of the real tokens, float32 [tokens, width] each: texts of one length together, a few at a time."""
    lengths = [len(ids) for ids in chunk.ids]
    width = values.shape[-1]
    values = values.reshape(len(lengths), max(lengths), width)
    blocks, first = [], 0
    while first < len(lengths):
        last, length = first + 1, lengths[first]
        while last < len(lengths) and lengths[last] == length and (last - first + 1) * length * width <= _BLOCK:
            last += 1
        blocks.append(values[first:last, :length].reshape(-1, width).float())
        first = last
    return blocks
