"""What an analysis will take, before it runs and before a weight is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gaprune_viz.calibration.batching import Given
from gaprune_viz.calibration.memory_plan import Plan
from gaprune_viz.calibration.run_plan import plan_of
from gaprune_viz.config import SIDES, RunSpec, Sampling
from gaprune_viz.data.sampling import choose
from gaprune_viz.data.triplets import calibration_samples
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.prompts import told


def predict(run: RunSpec, *, timed: bool = False) -> Plan:
    """What an analysis will take, from the texts and the shapes alone: no weight is read.

    The samples are drawn at random where the run would take them by k-means, which needs the model.

    Args:
        timed: whether to measure this machine for half a second, for a prediction of seconds.

    Raises:
        GapruneError: whatever a person can put right; also, the run's memory is too little.
    """
    model, sides = outlined(run)
    prompts = {"query": model.query_prompt, "passage": model.passage_prompt, "source": model.prompts_from}
    reading = told(model.query_prompt, model.passage_prompt, model.prompts_from)
    found = plan_of(run, model, None, sides, timed=timed)
    return replace(found, prompts=prompts, reading=reading, notes=model.notes)


def outlined(run: RunSpec) -> tuple[EmbeddingModel, dict[str, list[Given]]]:
    """A run's model without its weights, and some samples of each side, as many as the run takes.

    Raises:
        GapruneError: whatever a person can put right.
    """
    model = load_model(run.model, weights=False)
    spec = run.calibration
    sides = {}
    for side in SIDES:
        source = calibration_samples(spec, side, _arbitrary)
        sampling = Sampling.RANDOM if spec.sampling is Sampling.KMEANS else spec.sampling
        chosen = choose(source.samples, spec.samples, sampling, spec.seed, _arbitrary)
        sides[side] = [source.samples[i] for i in chosen]
    return model, sides


def _arbitrary(texts: Sequence[str], kind: str) -> np.ndarray:
    """Directions without meaning: to mine some negative for each query, whose length is all that a plan asks for."""
    return np.random.default_rng(0).standard_normal((len(texts), 8)).astype(np.float32)
