"""Masked fine-tuning: a pruned model learns from triplets again, and what was pruned stays zero.

Contrastive with in-batch and hard negatives: each query is told apart from every other passage of its batch
(van den Oord et al. 2018, InfoNCE). The model stays in eval mode, so that a run is the same every time.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gaprune_viz.calibration.batching import Sample, like_lengths
from gaprune_viz.config import RetrainSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target, inventory
from gaprune_viz.pruning.checkpoints import load_checkpoint, save_checkpoint
from gaprune_viz.pruning.retraining_batches import Lesson, batches_of, lesson_of, positives_of

CHECKPOINT_EVERY = 25


@dataclass(frozen=True)
class RetrainStep:
    """One optimizer step.

    Attributes:
        step, total: steps done and in all; 0 before the first.
        loss: mean contrastive loss of the batch, nan before the first step.
        learning_rate: used in this step.
        seconds: since retraining began in this process.
        resumed: steps that were taken from a checkpoint.
    """

    step: int
    total: int
    loss: float
    learning_rate: float
    seconds: float
    resumed: int = 0


def clone(model: EmbeddingModel) -> EmbeddingModel:
    """A copy with float32 weights of its own, so that training leaves the dense model alone."""
    with model.lock:
        st = copy.deepcopy(model.st).float()
    return dataclasses.replace(model, st=st, lock=threading.RLock())


def own_targets(student: EmbeddingModel, targets: Sequence[Target]) -> tuple[Target, ...]:
    """The same weight matrices in a clone."""
    names = {target.name for target in targets}
    return tuple(target for target in inventory(student).targets if target.name in names)


def retrain(
    student: EmbeddingModel,
    targets: Sequence[Target],
    masks: Mapping[str, Tensor],
    triplets: Sequence[Sample],
    spec: RetrainSpec,
    *,
    checkpoint: Path | None = None,
) -> Generator[RetrainStep, None, None]:
    """Train a model in place with AdamW, linear warm-up and linear decay. Every mask is exact after every step.

    Args:
        student: from `clone`; all its weights are trained.
        targets: its weight matrices that `masks` belong to.
        masks: bool [out, in] by target name, True = kept; {} trains a dense model.
        triplets: at least one batch.
        spec: how.
        checkpoint: a file that is written every 25 steps and at the end; training goes on from it where it is there
            and of the same spec and masks.

    Yields:
        RetrainStep, once before the first step and after every step. Closing the generator stops the training.

    Raises:
        GapruneError: fewer triplets than a batch, or a loss that is not finite.
    """
    if len(triplets) < spec.batch_size:
        raise GapruneError(
            f"Retraining needs at least one batch: there are {len(triplets)} triplets and the batch size is "
            f"{spec.batch_size}.",
            "Give more data, or a smaller --batch-size.",
        )
    pruned = {t.name: (t, ~masks[t.name].to(t.parameter.device)) for t in targets if t.name in masks}
    _keep_zero(pruned)
    trained = dict(student.backbone.named_parameters())
    optimizer = _optimizer(trained, spec)
    done = load_checkpoint(checkpoint, trained, optimizer, spec, masks) if checkpoint else 0
    schedule = [_rate(step, spec) for step in range(spec.steps)]
    positives = positives_of(triplets)
    limit = min(student.max_length, spec.max_length or student.max_length)
    reader = dataclasses.replace(student, max_length=limit)
    began = time.monotonic()
    yield RetrainStep(done, spec.steps, float("nan"), 0.0, 0.0, done)
    try:
        for p in trained.values():
            p.requires_grad_(True)
        resumed = done
        for step, batch in enumerate(batches_of(triplets, spec.batch_size, spec.steps, spec.seed)):
            if step < resumed:
                continue
            for group in optimizer.param_groups:
                group["lr"] = schedule[step]
            lesson = lesson_of([triplets[i] for i in batch], positives)
            with student.lock, torch.enable_grad():
                loss = _step(reader, lesson, optimizer, pruned, spec)
            if not math.isfinite(loss):
                raise GapruneError(
                    f"The loss of retraining is {loss} at step {step + 1}.", "Use a smaller --learning-rate."
                )
            if checkpoint and ((step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == spec.steps):
                save_checkpoint(checkpoint, trained, optimizer, spec, masks, step + 1)
            yield RetrainStep(step + 1, spec.steps, loss, schedule[step], time.monotonic() - began, resumed)
    finally:
        for p in trained.values():
            p.requires_grad_(False)
            p.grad = None


def _optimizer(trained: Mapping[str, nn.Parameter], spec: RetrainSpec) -> torch.optim.AdamW:
    matrices = [p for p in trained.values() if p.ndim > 1]
    others = [p for p in trained.values() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": spec.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=spec.learning_rate, fused=True)


def _rate(step: int, spec: RetrainSpec) -> float:
    """Learning rate of a step, counted from 0: up over the warm-up, then down to 0 just after the last step."""
    if step < spec.warmup:
        return spec.learning_rate * (step + 1) / spec.warmup
    return spec.learning_rate * (spec.steps - step) / max(1, spec.steps - spec.warmup)


def _step(
    reader: EmbeddingModel,
    lesson: Lesson,
    optimizer: torch.optim.Optimizer,
    pruned: Mapping[str, tuple[Target, Tensor]],
    spec: RetrainSpec,
) -> float:
    loss = batch_loss(reader, lesson, spec.temperature)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    parameters = [p for p in reader.backbone.parameters() if p.grad is not None]
    for target, mask in pruned.values():
        if target.parameter.grad is not None:
            grad = target.parameter.grad
            (grad.t() if target.transposed else grad).masked_fill_(mask, 0)
    nn.utils.clip_grad_norm_(parameters, spec.clip)
    optimizer.step()
    _keep_zero(pruned)
    return float(loss.detach())


def batch_loss(reader: EmbeddingModel, lesson: Lesson, temperature: float) -> Tensor:
    """Mean over the queries of -log softmax(cos(q, passages) / tau) at the positive; false negatives take no part."""
    queries = embed_in_chunks(reader, lesson.queries, "query")
    passages = embed_in_chunks(reader, lesson.passages, "passage")
    logits = queries @ passages.t() / temperature
    if lesson.excluded:
        rows, columns = zip(*lesson.excluded, strict=True)
        logits = logits.index_put(
            (torch.tensor(rows, device=logits.device), torch.tensor(columns, device=logits.device)),
            logits.new_tensor(float("-inf")),
        )
    return F.cross_entropy(logits, torch.tensor(lesson.labels, device=logits.device))


def embed_in_chunks(reader: EmbeddingModel, texts: Sequence[str], kind: str) -> Tensor:
    """Embeddings [texts, dimension] in the order of `texts`, computed with texts of like length together."""
    ids = reader.token_ids(texts, kind)
    lengths = [len(row) for row in ids]
    order = sorted(range(len(ids)), key=lambda i: (-lengths[i], i))
    parts = like_lengths(order, lengths, padded=not reader.padding_dependent)
    vectors = torch.cat([reader.embed(reader.features([ids[i] for i in part], kind)) for part in parts])
    place = torch.empty(len(ids), dtype=torch.long)
    place[torch.tensor([i for part in parts for i in part])] = torch.arange(len(ids))
    return vectors[place.to(vectors.device)]


@torch.no_grad()
def _keep_zero(pruned: Mapping[str, tuple[Target, Tensor]]) -> None:
    for target, mask in pruned.values():
        target.weight.masked_fill_(mask, 0)
