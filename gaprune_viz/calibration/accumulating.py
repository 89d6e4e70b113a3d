"""Running sums of one pass over a domain: per-sample squares, gradients and squared inputs of every target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from gaprune_viz.calibration.batching import Chunk
from gaprune_viz.calibration.distributed import Workers
from gaprune_viz.calibration.fisher_kinds import Sweep
from gaprune_viz.models.blocks import is_linear
from gaprune_viz.models.targets import Target

# A per-sample gradient is formed in blocks of rows that stay in the processor's cache.
BLOCK_BYTES = 4 * 2**20


@dataclass
class Call:
    """One call of a target in one forward pass."""

    chunk: Chunk
    inputs: Tensor
    grads: Tensor | None = None


@dataclass
class Accumulator:
    """Running sums of one target, over all layers that use it: squared gradients, gradients, squared inputs."""

    target: Target
    users: tuple[nn.Module, ...]
    scratch: Tensor
    squares: Tensor = field(init=False)
    total: Tensor = field(init=False)
    inputs: Tensor = field(init=False)
    tokens: int = 0

    def __post_init__(self) -> None:
        rows, columns = self.target.shape
        device = self.target.parameter.device
        self.squares = torch.zeros(rows, columns, device=device)
        self.total = torch.zeros(rows, columns, device=device)
        self.inputs = torch.zeros(columns, dtype=wide(device), device=device)

    @torch.no_grad()
    def add(self, calls: Sequence[Call], sweep: Sweep, first: bool = True) -> None:
        """Take in the tokens of one batch.

        Args:
            calls: every call of the target in the batch, with output gradients.
            sweep: the backward pass that gave them.
            first: whether the inputs have not been taken in yet: a batch may have several backward passes.
        """
        spans = sorted(
            (unit, c, row)
            for c, call in enumerate(calls)
            for row, unit in enumerate(call.chunk.texts if sweep.by_text else call.chunk.samples)
        )
        lengths = np.zeros(sweep.units, dtype=np.int64)
        inputs, grads = [], []
        for unit, c, row in spans:
            call = calls[c]
            length = len(call.chunk.ids[row])
            lengths[unit] += length
            inputs.append(call.inputs[row, :length])
            if call.grads is not None:
                grads.append(call.grads[row, :length])
        a = torch.cat(inputs).float()
        if first:
            # One batch in float32, whose sums are cascaded; the batches in the wider format. Widening every square
            # first took a tenth of a calibration.
            self.inputs += a.square().sum(0)
            self.tokens += len(a)
        if len(grads) < len(inputs):
            return
        d = torch.cat(grads).float()
        if sweep.squares is None:
            self.total.addmm_(d.t(), a)
        else:
            self._add_products(d, a, np.concatenate([[0], np.cumsum(lengths)]), sweep.squares, sweep.total)

    def _add_products(
        self, d: Tensor, a: Tensor, bounds: np.ndarray, factors: np.ndarray, shares: np.ndarray | None
    ) -> None:
        columns = self.squares.shape[1]
        block = max(1, len(self.scratch) // columns)
        for top in range(0, len(self.squares), block):
            rows = slice(top, min(top + block, len(self.squares)))
            squares, total = self.squares[rows], self.total[rows]
            buffer = self.scratch[: squares.numel()].view(squares.shape)
            for i in range(len(bounds) - 1):
                tokens = slice(int(bounds[i]), int(bounds[i + 1]))
                torch.mm(d[tokens, rows].t(), a[tokens], out=buffer)
                squares.addcmul_(buffer, buffer, value=float(factors[i]))
                if shares is not None:
                    total.add_(buffer, alpha=float(shares[i]))

    def finish(self, squared: int, samples: int, workers: Workers) -> None:
        """Turn the sums of all processes into means, in place: no second copy is ever held.

        Args:
            squared: how many gradients were squared, over all processes.
            samples: how many samples there are.
        """
        workers.add_up(self.squares).div_(squared)
        workers.add_up(self.total).div_(samples)
        tokens = workers.add_up(torch.tensor(self.tokens, device=self.inputs.device))
        workers.add_up(self.inputs).div_(max(int(tokens), 1)).sqrt_()


def accumulators_of(backbone: nn.Module, targets: Sequence[Target]) -> dict[str, Accumulator]:
    """An empty accumulator for each target, on the target's device. Those of a device share one scratch block."""
    scratch: dict[torch.device, Tensor] = {}
    for target in targets:
        device, columns = target.parameter.device, target.shape[1]
        size = max(BLOCK_BYTES // 4, columns, len(scratch.get(device, ())))
        if device not in scratch or len(scratch[device]) < size:
            scratch[device] = torch.empty(size, device=device)
    return {t.name: Accumulator(t, users_of(backbone, t), scratch[t.parameter.device]) for t in targets}


def wide(device: torch.device) -> torch.dtype:
    """The widest floating type of a device: Apple's has no float64."""
    return torch.float32 if device.type == "mps" else torch.float64


def users_of(backbone: nn.Module, target: Target) -> tuple[nn.Module, ...]:
    """Every layer that computes with a target's weight: more than one where layers share it."""
    return tuple(m for m in backbone.modules() if is_linear(m) and m.weight is target.parameter)
