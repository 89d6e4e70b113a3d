"""What an analysis will take, before it runs and before a weight is read."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import torch

from gaprune_viz.analysis.summaries import histogram_rows, scope_medians, summary_row
from gaprune_viz.calibration.batching import Given, texts_in
from gaprune_viz.calibration.memory_plan import Plan, measure_speed
from gaprune_viz.calibration.run_plan import plan_of
from gaprune_viz.calibration.statistics import MatrixInfo, MatrixStatistics
from gaprune_viz.config import SIDES, SKETCH_CAP, CalibrationSpec, RunSpec, Sampling
from gaprune_viz.data.sampling import choose
from gaprune_viz.data.sources.naming import places_of
from gaprune_viz.data.triplets import calibration_sources
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.prompts import told
from gaprune_viz.sketch.building import SketchBuilder
from gaprune_viz.storage.checksums import tensor_digest

LOADING, CHOOSING, CALIBRATING, WRITING = "loading", "choosing samples", "calibrating", "writing"


@dataclass(frozen=True)
class Outline:
    """What a plan is made from: no weight is read.

    Attributes:
        model: without its weights.
        sides: some samples of each side, as many as the run takes.
        tokens: that the model will read to choose them.
        seconds: what it took to load libraries that were not there yet, the model's files and the data; an analysis
            reads them just so.
    """

    model: EmbeddingModel
    sides: dict[str, list[Given]]
    tokens: int
    seconds: float


def predict(run: RunSpec, *, timed: bool = False, outline: Outline | None = None) -> Plan:
    """What an analysis will take, from the texts and the shapes alone: no weight is read.

    The samples are drawn at random where the run would take them by k-means, which needs the model.

    Args:
        timed: whether to measure this machine for a second, for a prediction of seconds.
        outline: of the run, where it is there already.

    Raises:
        GapruneError: whatever a person can put right; also, the run's memory is too little.
    """
    outline = outline or outlined(run)
    model = outline.model
    prompts = {"query": model.query_prompt, "passage": model.passage_prompt, "source": model.prompts_from}
    reading = told(model.query_prompt, model.passage_prompt, model.prompts_from)
    found = plan_of(run, model, None, outline.sides, timed=timed, sources=len(places_of(run.calibration)))
    found = replace(found, prompts=prompts, reading=reading, notes=(*model.notes, *found.notes))
    return found if found.seconds is None else _with_stages(found, found.seconds, outline)


def outlined(run: RunSpec) -> Outline:
    """The outline of a run.

    Raises:
        GapruneError: whatever a person can put right.
    """
    began = time.perf_counter()
    model = load_model(run.model, weights=False)
    texts = StandIn(model)
    sides = {side: _samples(run.calibration, side, texts) for side in SIDES}
    return Outline(model, sides, texts.tokens, time.perf_counter() - began)


@dataclass
class StandIn:
    """Stands in for the model where it would embed texts: to mine some negative for each query, whose length is all
    that a plan asks for, and to choose samples by k-means. Counts what the model would have to read."""

    model: EmbeddingModel
    tokens: int = field(default=0, init=False)

    def __call__(self, texts: Sequence[str], kind: str) -> np.ndarray:
        self.tokens += sum(map(len, self.model.token_ids(texts, kind)))
        return np.random.default_rng(0).standard_normal((len(texts), 8)).astype(np.float32)


def _samples(spec: CalibrationSpec, side: str, texts: StandIn) -> list[Given]:
    found: list[Given] = []
    for _, data in calibration_sources(spec, side, texts):
        sampling = spec.sampling
        if sampling is Sampling.KMEANS and spec.samples < len(data.samples):
            texts([texts_in(sample)[0] for sample in data.samples], "query")
            sampling = Sampling.RANDOM
        found += [data.samples[i] for i in choose(data.samples, spec.samples, sampling, spec.seed, texts)]
    return found


def _with_stages(found: Plan, calibrating: float, outline: Outline) -> Plan:
    """The seconds of each stage, and of all."""
    cost = measure_writing()
    stages: Mapping[str, float] = {
        LOADING: outline.seconds,
        CHOOSING: found.token_flops * outline.tokens / measure_speed().products,
        CALIBRATING: calibrating,
        WRITING: cost.weight * found.weights + cost.sketched * min(found.weights, SKETCH_CAP),
    }
    return replace(found, stages=stages, seconds=sum(stages.values()))


@dataclass(frozen=True)
class WritingCost:
    """Seconds to write an analysis down: for each weight, and for each that is sketched besides."""

    weight: float
    sketched: float


@cache
def measure_writing(rows: int = 768, columns: int = 768) -> WritingCost:
    """Describe a made-up matrix with few of its weights sketched, and with many: what `contents.write` does to each."""
    few, many = 1_024, rows * columns // 4
    _describe_matrix(rows, columns, few)
    bare = min(_describe_matrix(rows, columns, few) for _ in range(3))
    whole = min(_describe_matrix(rows, columns, many) for _ in range(3))
    return WritingCost(bare / (rows * columns), max(0.0, whole - bare) / (many - few))


def _describe_matrix(rows: int, columns: int, sketched: int) -> float:
    """Seconds for one matrix of random statistics."""
    generator = torch.Generator().manual_seed(0)
    theta, *grads = (torch.randn(rows, columns, generator=generator) for _ in range(3))
    acts = [torch.rand(columns, generator=generator) for _ in SIDES]
    stats = MatrixStatistics(theta, grads[0] ** 2, grads[1] ** 2, *grads, *acts)
    info = MatrixInfo("encoder.layer.0.output.dense.weight", 0, "down", "mlp", rows, columns)
    began = time.perf_counter()
    medians = scope_medians(lambda: [(theta, stats.fisher_domain)], theta.numel())
    builder = SketchBuilder([info], 0, sketched, medians)
    summary_row(info, stats)
    histogram_rows(stats)
    builder.add(stats)
    for tensor in (stats.fisher_domain, stats.fisher_general, stats.grad_domain, stats.grad_general):
        tensor_digest(tensor)
    builder.build()
    return time.perf_counter() - began
