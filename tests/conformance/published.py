"""The procedure of the released GAPrune code, written again from its description, for comparison with the definition.

What it does, and the engine does not: it squares the gradient of the mean loss of a micro-batch of 4, lets the samples
of a micro-batch be each other's negatives, divides the sum over micro-batches by the number of samples, keeps the sum
in bfloat16, adds 1e-8 and stores the result in float16; it pads every text to one length; its alignment is a product
of two unit-norm gradients, box-averaged with zeros around the matrix. Each of these is a separate argument here, so
that its effect can be measured alone. Not repeated: bfloat16 arithmetic inside the model (one could not tell its
rounding from the rest), last-token pooling and left padding (properties of the models it was written for).

Nothing here uses the engine's calibration, batching, loss, alignment or criteria.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional as F

from gaprune_viz.calibration.batching import Sample
from gaprune_viz.config import Pooling
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target

MICRO_BATCH = 4
PAIRED_BATCH = 2  # the alignment takes half a batch of 4 from each side
TEMPERATURE = 0.05
FISHER_EPS = 1e-8
ALPHA, BETA, GAMMA, ROOT_EPS = 0.2, 1.0, 0.5, 1e-8
# Halfway between 0 and the least float16 number above it, 2**-24; half-way cases go to the even one, 0.
FLUSHED = 2.0**-25

Gradients = dict[str, Tensor]


def batch_gradients(
    model: EmbeddingModel,
    targets: Sequence[Target],
    triplets: Sequence[Sample],
    *,
    micro_batch: int = MICRO_BATCH,
    in_batch: bool = True,
    pad_to: int | None = None,
) -> Iterator[tuple[int, Gradients]]:
    """Gradient of the mean loss of each micro-batch, in the order of the triplets.

    Args:
        triplets: the first negative of each is used; the published data have one.
        in_batch: whether the positives and negatives of the others in the micro-batch are candidates too.
        pad_to: tokens that every text is padded to; None for the longest of its kind in the micro-batch.

    Yields:
        (samples in the micro-batch, float32 [out, in] by target name).
    """
    if model.pooling is not Pooling.MEAN:
        raise ValueError(f"written for mean pooling, not {model.pooling.value}")
    with _differentiable(targets):
        for start in range(0, len(triplets), micro_batch):
            part = triplets[start : start + micro_batch]
            queries = _embed(model, [t.query for t in part], "query", pad_to)
            positives = _embed(model, [t.positive for t in part], "passage", pad_to)
            negatives = _embed(model, [t.negatives[0] for t in part], "passage", pad_to)
            loss = _mean_loss(queries, positives, negatives, in_batch)
            found = torch.autograd.grad(loss, [t.parameter for t in targets])
            pairs = zip(targets, found, strict=True)
            yield len(part), {t.name: (g.t() if t.transposed else g).float() for t, g in pairs}


def fisher(
    gradients: Iterable[tuple[int, Gradients]],
    *,
    accumulate: torch.dtype = torch.bfloat16,
    divide_by_samples: bool = True,
) -> Gradients:
    """Sum of squared micro-batch gradients over the number of samples (published) or of micro-batches.

    Args:
        accumulate: number format of the squares and of their running sum.

    Returns:
        that format, [out, in] by target name.
    """
    sums: Gradients = {}
    count = 0
    for samples, found in gradients:
        count += samples if divide_by_samples else 1
        for name, gradient in found.items():
            square = gradient.to(accumulate) ** 2
            sums[name] = sums[name] + square if name in sums else square
    return {name: total / count for name, total in sums.items()}


def mean_gradient(gradients: Iterable[tuple[int, Gradients]]) -> Gradients:
    """Mean of the micro-batch gradients, float32 [out, in] by target name."""
    sums: Gradients = {}
    count = 0
    for _, found in gradients:
        count += 1
        for name, gradient in found.items():
            sums[name] = sums[name] + gradient if name in sums else gradient.clone()
    return {name: total / count for name, total in sums.items()}


def stored_fisher(values: Tensor) -> Tensor:
    """What is left of Fisher information after 1e-8 is added and it is written as float16; float32."""
    return stored(values + FISHER_EPS)


def stored(values: Tensor) -> Tensor:
    """Values after they are written as float16 and read again; float32."""
    return values.to(torch.float16).float()


def alignment(grad_domain: Tensor, grad_general: Tensor) -> Tensor:
    """Unit-norm gradients multiplied, then averaged over 3x3 windows that count 0 outside the matrix.

    Args:
        grad_domain, grad_general: mean gradients, float32 [out, in].

    Returns:
        float32 [out, in].
    """
    product = grad_domain / (grad_domain.norm() + 1e-8) * (grad_general / (grad_general.norm() + 1e-8))
    padded = F.pad(product, (1, 1, 1, 1))
    rows, columns = product.shape
    windows = [padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    return torch.stack(windows).sum(0) / 9


def scores(
    theta: Tensor, fisher_domain: Tensor, fisher_general: Tensor, aligned: Tensor, *, softplus: bool = True
) -> Tensor:
    """The released importance: alignment scales the Fisher difference only, and softplus goes over the sum."""
    size = theta.abs().float()
    difference = fisher_domain * size - BETA * (fisher_general * size)
    raw = difference * torch.clamp(1.0 + ALPHA * aligned, 1.0 - ALPHA, 1.0 + ALPHA)
    raw = raw + GAMMA * torch.sqrt(size + ROOT_EPS)
    # Spelled out, so that its rounding is not that of one library function: log(1 + e^x).
    return torch.log1p(torch.exp(raw)) if softplus else raw


def masks(scored: Mapping[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """One threshold over all matrices; bool [out, in], True = kept; equal scores go in order of position."""
    flat = torch.cat([values.reshape(-1) for values in scored.values()])
    gone = torch.argsort(flat, stable=True)[: math.floor(sparsity * len(flat))]
    kept = torch.ones(len(flat), dtype=torch.bool)
    kept[gone] = False
    parts = kept.split([values.numel() for values in scored.values()])
    return {name: part.view(values.shape) for (name, values), part in zip(scored.items(), parts, strict=True)}


def total(fishers: Mapping[str, Tensor]) -> float:
    """Sum over all weights, float64: the mass of a Fisher estimate."""
    return sum(float(values.double().sum()) for values in fishers.values())


def _embed(model: EmbeddingModel, texts: list[str], kind: str, pad_to: int | None) -> Tensor:
    batch = model.tokenizer(
        [model.prompt(kind) + text for text in texts],
        truncation=True,
        max_length=model.max_length,
        padding=False,
    )["input_ids"]
    width = max(pad_to or 0, max(len(row) for row in batch))
    filler = model.tokenizer.pad_token_id
    ids = torch.tensor([row + [filler] * (width - len(row)) for row in batch])
    real = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in batch])
    states = model.backbone(input_ids=ids, attention_mask=real).last_hidden_state
    weights = real.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)


def _mean_loss(queries: Tensor, positives: Tensor, negatives: Tensor, in_batch: bool) -> Tensor:
    queries, positives, negatives = (F.normalize(rows, dim=-1) for rows in (queries, positives, negatives))
    if in_batch:
        logits = queries @ torch.cat([positives, negatives]).t() / TEMPERATURE
        right = torch.arange(len(queries))
    else:
        logits = torch.stack([(queries * rows).sum(-1) for rows in (positives, negatives)], dim=1) / TEMPERATURE
        right = torch.zeros(len(queries), dtype=torch.long)
    return F.cross_entropy(logits, right)


@contextmanager
def _differentiable(targets: Sequence[Target]) -> Iterator[None]:
    """Let the targets' parameters take gradients, and put them back as they were."""
    before = [t.parameter.requires_grad for t in targets]
    try:
        for target in targets:
            target.parameter.requires_grad_(True)
        yield
    finally:
        for target, needed in zip(targets, before, strict=True):
            target.parameter.requires_grad_(needed)
