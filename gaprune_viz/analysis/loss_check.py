"""Whether the losses of a calibration are those of a model that guesses."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gaprune_viz.calibration.batching import Given, Sample
from gaprune_viz.data.schema import PlainText

WHAT_TO_TRY = "Try another pooling, the prompts that the model was trained with, or a model made for retrieval."
# Fewer say nothing of a mean.
LEAST_SAMPLES = 8
# Standard errors that a mean loss has to be below that of guessing.
CLEARLY = 2.0


def guessing_note(name: str, losses: np.ndarray, samples: Sequence[Given]) -> str:
    """A sentence where a model does not tell positives from negatives; else nothing.

    To guess among a positive and n negatives costs log(1 + n), whatever the temperature.

    Args:
        name: of the data.
        losses: float64 [samples]; NaN for plain texts.
    """
    labelled: list[Sample] = [sample for sample in samples if not isinstance(sample, PlainText)]
    if len(labelled) < max(LEAST_SAMPLES, len(samples)):
        return ""
    guesses = np.array([math.log1p(len(sample.negatives)) for sample in labelled])
    gains = guesses - losses
    if gains.mean() > CLEARLY * gains.std(ddof=1) / math.sqrt(len(gains)):
        return ""
    return (
        f"{name}: the loss, {losses.mean():.3f}, is not clearly below that of guessing, {guesses.mean():.3f}: the "
        f"model does not tell these positives from the negatives, and its statistics say little. {WHAT_TO_TRY}"
    )
