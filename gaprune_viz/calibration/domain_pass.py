"""One pass over a domain: per-sample Fisher information, mean gradient and activation norms of every target.

Forward and backward hooks give, for each target, its inputs `a` [tokens, in] and output gradients `d` [tokens, out]
of a sum over samples. The samples are independent, so a sample's gradient is `d_i^T a_i` over the tokens of its own
texts: one batched backward yields every per-sample gradient, and the weights themselves need no gradient. Whose sum it
is, and how often, the kind of Fisher information decides (`calibration/fisher_kinds.py`).
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gaprune_viz.calibration.accumulating import Accumulator, accumulators_of
from gaprune_viz.calibration.batching import Given, Step, plan_steps, texts_in
from gaprune_viz.calibration.distributed import Workers
from gaprune_viz.calibration.fisher_kinds import Batch, Estimate, effective_samples, look, squared_in_all
from gaprune_viz.calibration.hooks import Recorder
from gaprune_viz.calibration.neuron_activity import NeuronSums, neuron_sums
from gaprune_viz.calibration.progress import Progress
from gaprune_viz.data.schema import clusters_of
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target


@dataclass(frozen=True)
class DomainStatistics:
    """What one pass over a domain yields, by target name; float32 on the CPU.

    Attributes:
        fisher: [out, in], the Fisher information: with the contrastive kind the mean over samples of the squared
            per-sample gradient.
        grad: [out, in], mean over samples of the gradient of the contrastive loss; 0 for plain texts, which have none.
        act: [in], root mean square of the inputs over tokens.
        mean: [in], mean of the inputs over tokens; of `down` matrices only, whose inputs are neurons.
        on: [in], share of tokens where the neuron is on (`calibration/neuron_activity.py`); of `down` matrices only.
        cut: [in], mean over samples of the squared change of the loss, to first order, where the neuron is taken out;
            of `down` matrices only. By text with the embedding kind.
        losses: float64 [samples], in the order of the samples; NaN for plain texts.
        effective: how many samples the Fisher information really rests on (`effective_samples`); of the embedding
            kind, in which all count alike, the number of texts times draws.
        tokens: real tokens seen.
    """

    fisher: dict[str, Tensor]
    grad: dict[str, Tensor]
    act: dict[str, Tensor]
    mean: dict[str, Tensor]
    on: dict[str, Tensor]
    cut: dict[str, Tensor]
    losses: np.ndarray
    effective: float
    tokens: int


def calibrate(
    model: EmbeddingModel,
    targets: Sequence[Target],
    samples: Sequence[Given],
    *,
    stage: str,
    estimate: Estimate | None = None,
    temperature: float = 0.05,
    token_budget: int = 0,
    steps: Sequence[Step] | None = None,
    workers: Workers | None = None,
    gates: Mapping[str, Target] | None = None,
) -> Generator[Progress, None, DomainStatistics]:
    """Accumulate the statistics of a domain, batch by batch.

    Closing the generator stops the work and leaves the model as it was.

    Args:
        targets: the weight matrices of interest.
        samples: triplets or plain texts, one kind or the other.
        stage: name shown with the progress.
        estimate: what is estimated; None for the contrastive kind at `temperature`, the tau of the InfoNCE loss.
        token_budget: most tokens of a batch, where `steps` are not given.
        steps: the batches, where they were planned before; this process's share of them where there are several.
        workers: the processes whose sums are added up; None for this one alone.
        gates: as `neuron_sums`.

    Yields:
        Progress, in this process's tokens, after every batch.

    Raises:
        GapruneError: a loss is NaN or infinite (the sample is named), or gradients are too large for float32.
    """
    workers, estimate = workers or Workers(), estimate or Estimate(temperature=temperature)
    if steps is None:
        steps = plan_steps(model, samples, token_budget, share=(workers.rank, workers.count))
    total = sum(step.tokens for step in steps)
    accumulators = accumulators_of(model.backbone, targets)
    neurons = neuron_sums(model.backbone, targets, gates)
    losses, weights = np.zeros(len(samples)), np.zeros(len(samples))
    began, done = time.monotonic(), 0
    error: GapruneError | None = None
    yield Progress(stage, 0, total, 0.0)
    try:
        for step in steps:
            with model.lock, torch.enable_grad():
                batch = _run_step(model, step, accumulators, neurons, estimate)
            _refuse_bad(batch, step, samples)
            losses[list(step.samples)], weights[list(step.samples)] = batch.losses, batch.weights
            done += step.tokens
            yield Progress(stage, done, total, time.monotonic() - began)
    except GapruneError as raised:
        error = raised
    # Who fails says so before the others wait for its sums.
    workers.agree(error)
    squared = squared_in_all(estimate, samples)
    for accumulator in accumulators.values():
        accumulator.finish(squared, len(samples), workers)
    found = {name: sums.finish(workers, squared) for name, sums in neurons.items()}
    _refuse_bad_gradients(accumulators)
    carried, clusters = workers.add_up_array(weights), clusters_of(texts_in(sample)[0] for sample in samples)
    return DomainStatistics(
        fisher={name: a.squares.cpu() for name, a in accumulators.items()},
        grad={name: a.total.cpu() for name, a in accumulators.items()},
        act={name: a.inputs.float().cpu() for name, a in accumulators.items()},
        mean={name: mean for name, (mean, _, _) in found.items()},
        on={name: on for name, (_, on, _) in found.items()},
        cut={name: cut for name, (_, _, cut) in found.items()},
        losses=workers.add_up_array(losses),
        effective=float(squared) if estimate.by_text else effective_samples(carried, clusters),
        tokens=int(workers.add_up_array(np.array(float(done)))),
    )


def _run_step(
    model: EmbeddingModel,
    step: Step,
    accumulators: dict[str, Accumulator],
    neurons: dict[str, NeuronSums],
    estimate: Estimate,
) -> Batch:
    """Forward pass of one batch, and its backward passes where all numbers are finite."""
    with Recorder(accumulators, neurons, step) as recorder:
        vectors: list[Tensor] = []
        for chunk in step.chunks:
            recorder.chunk = chunk
            vectors.append(model.embed(model.features(chunk.ids, chunk.kind)))
        texts = torch.cat(vectors)[torch.as_tensor(step.order, device=vectors[0].device)]
        batch, sweeps = look(estimate, texts, step)
        recorder.backward(sweeps)
    return batch


def _refuse_bad(batch: Batch, step: Step, samples: Sequence[Given]) -> None:
    if batch.bad is None:
        return
    number = step.samples[batch.bad]
    text = texts_in(samples[number])[0][:80]
    if step.labelled:
        raise GapruneError(
            f"The loss of sample {number + 1} is {batch.losses[batch.bad]} (query: {text!r}).",
            "Take this sample out, use float32, or raise the temperature.",
        )
    raise GapruneError(
        f"The embedding of text {number + 1} is not finite ({text!r}).", "Take this text out, or use float32."
    )


def _refuse_bad_gradients(accumulators: dict[str, Accumulator]) -> None:
    bad = [name for name, a in accumulators.items() if not bool(torch.isfinite(a.squares).all())]
    if bad:
        raise GapruneError(
            f"The gradients of {bad[0]} are not finite ({len(bad)} of {len(accumulators)} matrices).",
            "Use float32, or raise the temperature.",
        )
