"""One pass over a domain: per-sample Fisher information, mean gradient and activation norms of every target.

Forward and backward hooks give, for each target, its inputs `a` [tokens, in] and output gradients `d` [tokens, out]
of the summed loss. The samples are independent, so a sample's gradient is `d_i^T a_i` over the tokens of its own
texts: one batched backward yields every per-sample gradient, and the weights themselves need no gradient.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from gaprune_viz.calibration.accumulating import Accumulator, Call, accumulators_of
from gaprune_viz.calibration.batching import Sample, Step, plan_steps
from gaprune_viz.calibration.contrastive import info_nce
from gaprune_viz.calibration.neurons import NeuronSums, neuron_sums
from gaprune_viz.calibration.processes import Workers
from gaprune_viz.calibration.progress import Progress
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.roles import reads_tokens
from gaprune_viz.models.targets import Target


@dataclass(frozen=True)
class DomainStatistics:
    """What one pass over a domain yields, by target name; float32 on the CPU.

    Attributes:
        fisher: [out, in], mean over samples of the squared per-sample gradient.
        grad: [out, in], mean over samples of the gradient.
        act: [in], root mean square of the inputs over tokens.
        mean: [in], mean of the inputs over tokens; of `down` matrices only, whose inputs are neurons.
        on: [in], share of tokens where the neuron is on (`calibration/neurons.py`); of `down` matrices only.
        losses: float64 [samples], in the order of the triplets.
        tokens: real tokens seen.
    """

    fisher: dict[str, Tensor]
    grad: dict[str, Tensor]
    act: dict[str, Tensor]
    mean: dict[str, Tensor]
    on: dict[str, Tensor]
    losses: np.ndarray
    tokens: int


def calibrate(
    model: EmbeddingModel,
    targets: Sequence[Target],
    triplets: Sequence[Sample],
    *,
    temperature: float,
    stage: str,
    token_budget: int = 0,
    steps: Sequence[Step] | None = None,
    workers: Workers | None = None,
    gates: Mapping[str, Target] | None = None,
) -> Generator[Progress, None, DomainStatistics]:
    """Accumulate the statistics of a domain, batch by batch.

    Closing the generator stops the work and leaves the model as it was.

    Args:
        targets: the weight matrices of interest.
        triplets: at least two samples.
        temperature: tau of the InfoNCE loss.
        stage: name shown with the progress.
        token_budget: most tokens of a batch, where `steps` are not given.
        steps: the batches, where they were planned before; this process's share of them where there are several.
        workers: the processes whose sums are added up; None for this one alone.
        gates: as `neuron_sums`.

    Yields:
        Progress, in this process's tokens, after every batch.

    Raises:
        GapruneError: a loss is NaN or infinite (the sample is named), or gradients are too large for float32.
    """
    workers = workers or Workers()
    if steps is None:
        steps = plan_steps(model, triplets, token_budget, share=(workers.rank, workers.count))
    total = sum(step.tokens for step in steps)
    accumulators = accumulators_of(model.backbone, targets)
    neurons = neuron_sums(model.backbone, targets, gates)
    losses = np.zeros(len(triplets))
    began, done = time.monotonic(), 0
    error: GapruneError | None = None
    yield Progress(stage, 0, total, 0.0)
    try:
        for step in steps:
            with model.lock, torch.enable_grad():
                values = _run_step(model, step, accumulators, neurons, temperature)
            _refuse_bad_losses(values, step, triplets)
            losses[list(step.samples)] = values
            done += step.tokens
            yield Progress(stage, done, total, time.monotonic() - began)
    except GapruneError as raised:
        error = raised
    # Who fails says so before the others wait for its sums.
    workers.agree(error)
    for accumulator in accumulators.values():
        accumulator.finish(len(triplets), workers)
    found = {name: sums.finish(workers) for name, sums in neurons.items()}
    _refuse_bad_gradients(accumulators)
    return DomainStatistics(
        fisher={name: a.squares.cpu() for name, a in accumulators.items()},
        grad={name: a.total.cpu() for name, a in accumulators.items()},
        act={name: a.inputs.float().cpu() for name, a in accumulators.items()},
        mean={name: mean for name, (mean, _) in found.items()},
        on={name: on for name, (_, on) in found.items()},
        losses=workers.add_up_array(losses),
        tokens=int(workers.add_up_array(np.array(float(done)))),
    )


def _run_step(
    model: EmbeddingModel,
    step: Step,
    accumulators: dict[str, Accumulator],
    neurons: dict[str, NeuronSums],
    temperature: float,
) -> np.ndarray:
    """Forward and backward of one batch; returns its losses, float64 [samples of the step]."""
    with _Recorder(accumulators, neurons, step) as recorder:
        vectors: list[Tensor] = []
        for chunk in step.chunks:
            recorder.chunk = chunk
            vectors.append(model.embed(model.features(chunk.ids, chunk.kind)))
        device = vectors[0].device
        texts = torch.cat(vectors)[torch.as_tensor(step.order, device=device)]
        n = len(step.samples)
        losses = info_nce(
            texts[:n], texts[n : 2 * n], texts[2 * n :], torch.as_tensor(step.owner, device=device), temperature
        )
        values = losses.detach().cpu().double().numpy()
        if np.isfinite(values).all():
            losses.sum().backward()
    return values


def _refuse_bad_losses(values: np.ndarray, step: Step, triplets: Sequence[Sample]) -> None:
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        sample = step.samples[int(bad[0])]
        raise GapruneError(
            f"The loss of sample {sample + 1} is {values[bad[0]]} (query: {triplets[sample].query[:80]!r}).",
            "Take this sample out, use float32, or raise the temperature.",
        )


def _refuse_bad_gradients(accumulators: dict[str, Accumulator]) -> None:
    bad = [name for name, a in accumulators.items() if not bool(torch.isfinite(a.squares).all())]
    if bad:
        raise GapruneError(
            f"The gradients of {bad[0]} are not finite ({len(bad)} of {len(accumulators)} matrices).",
            "Use float32, or raise the temperature.",
        )


class _Recorder:
    """Hooks that hand each target's inputs and output gradients to its accumulator, for one batch."""

    def __init__(self, accumulators: dict[str, Accumulator], neurons: dict[str, NeuronSums], step: Step) -> None:
        self.accumulators, self.neurons, self.step = accumulators, neurons, step
        self.calls: dict[str, list[Call]] = {name: [] for name in accumulators}
        self.waiting: dict[str, int] = dict.fromkeys(accumulators, 0)
        self.chunk = step.chunks[0]
        self.handles: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> _Recorder:
        for accumulator in self.accumulators.values():
            hook = self._on_forward(accumulator)
            self.handles += [user.register_forward_hook(hook) for user in accumulator.users]
        for sums in self.neurons.values():
            self.handles += sums.watch(lambda: self.chunk)
        return self

    def __exit__(self, *exc: object) -> None:
        for handle in self.handles:
            handle.remove()
        if exc[0] is None:
            self._finish()
        self.calls.clear()

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
            self.waiting[name] += 1

            def on_grad(grad: Tensor) -> None:
                call.grads = grad.reshape(*shape, grad.shape[-1])
                self.waiting[name] -= 1
                if not self.waiting[name]:
                    accumulator.add(self.calls[name], len(self.step.samples))
                    self.calls[name] = []

            out.register_hook(on_grad)
            return out

        return hook

    def _finish(self) -> None:
        """Take in what got no gradient: a layer whose output does not reach the embedding counts as zero."""
        for name, calls in self.calls.items():
            if calls:
                for call in calls:
                    if call.grads is None:
                        rows = self.accumulators[name].target.shape[0]
                        call.grads = call.inputs.new_zeros(*call.inputs.shape[:-1], rows)
                self.accumulators[name].add(calls, len(self.step.samples))
