"""What may follow a cut: biases, a refit, retraining. Each is tried, and what is best on held-out queries is kept."""

from __future__ import annotations

import copy
import dataclasses
import threading
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from gaprune_viz.calibration.batching import Given, texts_in
from gaprune_viz.calibration.progress import Progress, relayed
from gaprune_viz.config import RefitSpec, RetrainSpec, Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.refit.refit import refit
from gaprune_viz.pruning.retraining import RetrainStep, retrain
from gaprune_viz.pruning.structured.biases import biased, correct_biases
from gaprune_viz.pruning.structured.cutting import Cut, masks_of, take_out
from gaprune_viz.pruning.structured.holdout_choice import Judge, Texts

# Texts of each side whose tokens a bias is the mean of.
BIAS_TEXTS = 128


@dataclass
class Tried:
    """Ways of finishing a cut, and the best one so far.

    Attributes:
        best: the model.
        kept: the name of its way.
        rows: of each way its `name` and `of_dense`, by side; none where nothing was tried.
    """

    best: EmbeddingModel
    kept: str
    rows: list[dict[str, object]] = field(default_factory=list)
    value: float = -1.0

    def judge(self, name: str, model: EmbeddingModel, judge: Judge) -> None:
        """Measure a way; it is kept where it is better than all before it."""
        shares = judge.of_dense(model)
        value = float(np.mean(list(shares.values())))
        self.rows.append({"name": name, "of_dense": shares})
        if value > self.value:
            self.best, self.kept, self.value = model, name, value


def smaller(
    dense: EmbeddingModel, cut: Cut, kept: Sequence[Tensor], weights: Mapping[str, Tensor] | None = None
) -> EmbeddingModel:
    """A copy of a model without some of its units; the model stays as it is.

    Args:
        weights: of a refit, [out, in] by target name; None for those of the model.
    """
    with dense.lock:
        st = copy.deepcopy(dense.st)
    model = dataclasses.replace(dense, st=st, lock=threading.RLock())
    own = cut.on(model)
    if weights:
        for target in {slab.target.name: slab.target for group in own.groups for slab in group.slabs}.values():
            target.weight.copy_(weights[target.name])
    take_out(model, own, kept)
    return model


def finished(
    dense: EmbeddingModel,
    targets: Sequence[Target],
    cut: Cut,
    kept: Sequence[Tensor],
    settings: Settings,
    texts: Texts,
    memory: int | None = None,
) -> Generator[Progress, None, Tried]:
    """Try what the settings ask for.

    Args:
        targets: all linear weights of the dense model's blocks.
        settings: with a refit, retraining, or both.
        memory: bytes that a refit may take on top of the model; None for no limit.

    Yields:
        Progress of each way.

    Raises:
        GapruneError: as `refit` and `retrain`.
    """
    judge = Judge(dense, texts.held)
    plain = smaller(dense, cut, kept)
    tried = Tried(plain, "as cut")
    tried.judge("as cut", plain, judge)
    if settings.refit.refit:
        yield from _with_biases(dense, cut, plain, tried, "with biases", texts, judge)
        weights = yield from _refitted(dense, targets, cut, kept, settings.refit, texts, memory)
        fitted = smaller(dense, cut, kept, weights)
        tried.judge("refitted", fitted, judge)
        yield from _with_biases(dense, cut, fitted, tried, "refitted, with biases", texts, judge)
    if settings.structure.steps:
        yield from _retrained(tried, settings.structure.steps, texts, judge)
    return tried


def refuse_unfinishable(dense: EmbeddingModel, settings: Settings) -> None:
    """Refuse, before any work, a refit that cannot follow a cut.

    Raises:
        GapruneError: padding moves what the model gives.
    """
    if not settings.refit.refit:
        return
    if dense.padding_dependent:
        raise GapruneError(
            f"A refit pads texts, and padding changes what {dense.label} gives for them.", "Cut it without a refit."
        )


def _with_biases(
    dense: EmbeddingModel, cut: Cut, model: EmbeddingModel, tried: Tried, name: str, texts: Texts, judge: Judge
) -> Generator[Progress, None, None]:
    """Correct the biases of a copy; nothing where there are none."""
    downs = biased(model, [group.down for group in cut.groups])
    if not downs:
        return
    changed = dataclasses.replace(model, st=copy.deepcopy(model.st), lock=threading.RLock())
    chosen = [text for samples in texts.calibrated.values() for text in _passages(samples)[:BIAS_TEXTS]]
    yield from correct_biases(dense, changed, downs, chosen)
    tried.judge(name, changed, judge)


def _passages(samples: Sequence[Given]) -> list[str]:
    """The queries and answers of some samples, each once."""
    return list(dict.fromkeys(text for sample in samples for text in texts_in(sample)[:2]))


def _refitted(
    dense: EmbeddingModel,
    targets: Sequence[Target],
    cut: Cut,
    kept: Sequence[Tensor],
    spec: RefitSpec,
    texts: Texts,
    memory: int | None,
) -> Generator[Progress, None, Mapping[str, Tensor]]:
    masks = masks_of(cut, kept)
    found = yield from refit(dense, targets, masks, texts.calibrated, spec, memory=memory)  # type: ignore[arg-type]
    return found.weights


def _retrained(tried: Tried, steps: int, texts: Texts, judge: Judge) -> Generator[Progress, None, None]:
    """Retrain a copy of the best so far."""
    with tried.best.lock:
        st = copy.deepcopy(tried.best.st)
    student = dataclasses.replace(tried.best, st=st, lock=threading.RLock())
    spec = RetrainSpec(steps=steps)
    triplets = texts.learned["domain"]
    spec = spec.with_(batch_size=max(2, min(spec.batch_size, len(triplets))), warmup=min(spec.warmup, steps))

    def told(step: RetrainStep) -> Progress:
        return Progress("Retraining", step.step - step.resumed, step.total - step.resumed, step.seconds)

    yield from relayed(retrain(student, (), {}, triplets, spec), told)  # type: ignore[arg-type]
    tried.judge(f"{tried.kept}, retrained for {steps} steps", student, judge)
