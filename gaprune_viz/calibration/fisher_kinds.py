"""The kinds of Fisher information: what is differentiated, how often, and whose gradients are squared.

`contrastive`, the paper's: the loss of each sample, squared at its label. In the statistics' language this is the
empirical Fisher information: samples that the model gets right have a factor (1 - p)^2 of almost nothing.

`model`: the expectation of that square under the model's own softmax over (positive, negatives), with no regard to the
label (Kunstner, Hennig and Balles, Limitations of the empirical Fisher approximation, NeurIPS 2019). With one negative
it is exact, from one backward: the gradient g of the difference of the two logits gives the Fisher information
p (1 - p) g^2 and the gradient of the loss (1 - p) g. With more negatives it is drawn, without bias: the gradient of v.s
for logits s, where v = sqrt(p) e - p (sqrt(p).e) has the covariance diag(p) - p p^T for random signs e. The mean
gradients of the loss then take a backward of their own.

`embedding`: the mean over texts and draws of the squared gradient of r.e(text) for random signs r; its expectation is
the squared derivative of the unit embedding, summed over its components. No label is needed. A backward for each draw,
and where there are triplets one more, for the mean gradients of the contrastive loss: alignment needs them.

Draws depend on the seed, the sample, the text and their number, so that neither batches nor processes change them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gaprune_viz.calibration.batching import Given, Step, texts_in
from gaprune_viz.calibration.contrastive import logits_of, losses_of
from gaprune_viz.config import CalibrationSpec, Fisher

# Told apart, so that two kinds with one seed do not draw the same numbers.
_LABELS, _PROJECTIONS = 1, 2


@dataclass(frozen=True)
class Estimate:
    """What a calibration estimates, and how."""

    kind: Fisher = Fisher.CONTRASTIVE
    temperature: float = 0.05
    projections: int = 2
    seed: int = 0

    @classmethod
    def of(cls, spec: CalibrationSpec) -> Estimate:
        return cls(spec.fisher, spec.temperature, spec.projections, spec.seed)

    @property
    def by_text(self) -> bool:
        """Whether the gradient that is squared is that of a text, not of a sample."""
        return self.kind is Fisher.EMBEDDING

    def squared(self, step: Step) -> int:
        """How many gradients of a batch are squared."""
        return self.projections * len(step.order) if self.by_text else len(step.samples)

    def backwards(self, step: Step) -> int:
        """How many times the gradients of a batch are taken."""
        if self.by_text:
            return self.projections + step.labelled
        return 2 if self.kind is Fisher.MODEL and len(step.owner) > len(step.samples) else 1


@dataclass(frozen=True)
class Sweep:
    """One backward pass over a batch.

    Attributes:
        objective: the number whose gradient is taken; a sum over units.
        units: how many samples of the batch, or texts where it goes by text.
        squares: factor on the square of each unit's gradient, float64 [units]; None where nothing is squared, and the
            gradients are added up as they come.
        total: factor on each unit's gradient in the mean gradient, float64 [units]; None where it has no part in it.
        by_text: whether a unit is a text, not a sample.
    """

    objective: Tensor
    units: int
    squares: np.ndarray | None = None
    total: np.ndarray | None = None
    by_text: bool = False


@dataclass(frozen=True)
class Batch:
    """What a batch leaves beside gradients: float64 [samples of the step] each.

    Attributes:
        losses: contrastive losses; NaN for plain texts, which have none.
        weights: of each sample in the Fisher information: the factor that its squared gradient of the logits carries.
        bad: the first sample whose loss, or whose embedding where there is no loss, is not finite; None where all are.
    """

    losses: np.ndarray
    weights: np.ndarray
    bad: int | None


def look(estimate: Estimate, texts: Tensor, step: Step) -> tuple[Batch, list[Sweep]]:
    """What has to be differentiated for a batch.

    Args:
        texts: unit embeddings, float32 [texts, d], in the order of the step.
    """
    n = len(step.samples)
    if not step.labelled:
        if not estimate.by_text:
            raise ValueError("plain texts have no loss")
        bad = _first_bad(_values(texts).sum(1))
        sweeps = list(_of_embeddings(estimate, texts, step)) if bad is None else []
        return Batch(np.full(n, np.nan), np.ones(n), bad), sweeps
    owner = torch.as_tensor(step.owner, device=texts.device)
    logits = logits_of(texts[:n], texts[n : 2 * n], texts[2 * n :], owner, estimate.temperature)
    losses = _values(losses_of(logits))
    bad = _first_bad(losses)
    if bad is not None:
        return Batch(losses, np.zeros(n), bad), []
    if estimate.by_text:
        return Batch(losses, np.ones(n), None), [*_of_embeddings(estimate, texts, step), _of_losses(logits)]
    if estimate.kind is Fisher.MODEL:
        p = torch.softmax(logits.detach(), dim=1)
        # With one negative this is p (1 - p).
        return Batch(losses, _values(p * (1 - p)).sum(1) / 2, None), _of_model(estimate, logits, p, step)
    ones = np.ones(n)
    sweep = Sweep(losses_of(logits).sum(), n, ones, ones)
    return Batch(losses, np.square(np.expm1(-losses)), None), [sweep]


def _first_bad(values: np.ndarray) -> int | None:
    bad = np.flatnonzero(~np.isfinite(values))
    return int(bad[0]) if bad.size else None


def _of_losses(logits: Tensor) -> Sweep:
    """The mean gradient of the loss, and no squares."""
    return Sweep(losses_of(logits).sum(), len(logits))


def _of_model(estimate: Estimate, logits: Tensor, p: Tensor, step: Step) -> list[Sweep]:
    if logits.shape[1] == 2:
        right, wrong = _values(p).T
        return [Sweep((logits[:, 1] - logits[:, 0]).sum(), len(p), right * wrong, wrong)]
    directions = _drawn_labels(estimate, p, step)
    # Where there is no negative, p and the direction are 0, and the logit is -inf.
    there = logits.masked_fill(~torch.isfinite(logits), 0.0)
    return [Sweep((directions * there).sum(), len(p), np.ones(len(p))), _of_losses(logits)]


def _drawn_labels(estimate: Estimate, p: Tensor, step: Step) -> Tensor:
    """Random directions in the logits with covariance diag(p) - p p^T, float32 [n, 1 + most negatives].

    Of a sample with one negative the direction is exact: both signs give the same square.
    """
    signs = np.ones(p.shape)
    for row, sample in enumerate(step.samples):
        signs[row] = _signs((estimate.seed, _LABELS, sample), p.shape[1])
    drawn = p.sqrt() * torch.as_tensor(signs, dtype=p.dtype, device=p.device)
    drawn = drawn - p * drawn.sum(1, keepdim=True)
    counts = np.bincount(step.owner, minlength=len(p))
    alone = torch.as_tensor(counts == 1, device=p.device)
    exact = torch.zeros_like(p)
    exact[:, 0] = (p[:, 0] * p[:, 1]).sqrt()
    exact[:, 1] = -exact[:, 0]
    return torch.where(alone[:, None], exact, drawn)


def _of_embeddings(estimate: Estimate, texts: Tensor, step: Step) -> Iterator[Sweep]:
    ones = np.ones(len(texts))
    for draw in range(estimate.projections):
        rows = [_signs((estimate.seed, _PROJECTIONS, *text, draw), texts.shape[1]) for text in step.texts]
        directions = torch.as_tensor(np.array(rows), dtype=texts.dtype, device=texts.device)
        yield Sweep((directions * texts).sum(), len(texts), ones, by_text=True)


def _signs(numbers: tuple[int, ...], count: int) -> np.ndarray:
    """Random signs that depend on some numbers and nothing else, float64 [count]."""
    return 2.0 * np.random.default_rng(numbers).integers(0, 2, count) - 1.0


def _values(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy()


def effective_samples(weights: np.ndarray, clusters: np.ndarray | None = None) -> float:
    """Kish's effective number of samples, (sum w)^2 / sum w^2; 0 where no sample has any weight.

    Kish, Survey Sampling, 1965. Samples that carry nothing do not count: of 600 of which ten carry all, it is ten.
    Samples of one cluster are taken for copies of each other, the worst case: together they count as one.

    Args:
        weights: [samples], none below 0.
        clusters: int64 [samples], the cluster of each (`data/schema.py: clusters_of`); None where all are independent.
    """
    if clusters is not None:
        weights = np.bincount(clusters, weights=weights)
    most = float(weights.max(initial=0.0))
    if most <= 0:
        return 0.0
    shares = weights / most
    return float(shares.sum() ** 2 / np.square(shares).sum())


def squared_in_all(estimate: Estimate, samples: Sequence[Given]) -> int:
    """How many gradients are squared over all samples: what the sum of squares is divided by."""
    if not estimate.by_text:
        return len(samples)
    return estimate.projections * sum(len(texts_in(sample)) for sample in samples)
