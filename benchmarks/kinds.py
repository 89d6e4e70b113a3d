"""What the neurons' statistics and each kind of Fisher information cost, as ratios of times in one run.

All ways go through the same batches in one process, in turn; medians of the ratios of the rounds. `bare` is the
contrastive kind without the neurons' statistics, `neurons` with them: a calibration as it is. The others are set
against that: `model` with one negative and, on the same triplets with a second one, `model_two`; `embedding` with two
projections, on triplets (where the mean gradients of the loss take a backward of their own) and on their texts alone.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.calibration import SPEC, WORDS, triplets
from gaprune_viz.calibration import domain_pass
from gaprune_viz.calibration.batching import Given, plan_steps, texts_in
from gaprune_viz.calibration.domain_pass import calibrate
from gaprune_viz.calibration.fisher_kinds import Estimate
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import Fisher, ModelSpec, Scope
from gaprune_viz.data.schema import PlainText, Triplet
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import Target, in_scope, inventory

AGAINST = {
    "neurons": "bare",
    "model": "neurons",
    "model_two": "contrastive_two",
    "embedding": "neurons",
    "embedding_of_texts": "neurons",
}


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=64, help="short triplets; a quarter as many long ones")
    parser.add_argument("--repeats", type=int, default=9, help="rounds; each runs every way once")
    parser.add_argument("--scope", choices=[s.value for s in Scope], default=Scope.MLP.value)
    options = parser.parse_args()
    model = load_model(ModelSpec())
    targets = in_scope(inventory(model), Scope(options.scope), model.label)
    found: dict[str, Any] = {
        "benchmark": "kinds",
        "model": model.label,
        "scope": options.scope,
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg()[0],
    }
    for kind in WORDS:
        samples = triplets(kind, options.samples if kind == "short" else max(8, options.samples // 4))
        found[kind] = measure(model, targets, samples, options.repeats)
    print(json.dumps(found, indent=2))


def measure(
    model: EmbeddingModel, targets: Sequence[Target], samples: Sequence[Triplet], repeats: int
) -> dict[str, Any]:
    """Ratios of the times of the ways that are to be compared."""
    pairs = zip(samples, samples[::-1], strict=True)
    two = [Triplet(t.query, t.positive, (*t.negatives, other.positive)) for t, other in pairs]
    texts = [PlainText(text) for t in samples for text in texts_in(t)]

    def way(given: Sequence[Given], estimate: Estimate) -> Callable[[], object]:
        steps = plan_steps(model, given, SPEC.token_budget)
        return lambda: drain(calibrate(model, targets, given, stage="kinds", estimate=estimate, steps=steps))

    usual = way(samples, Estimate())

    def bare() -> object:
        with _no_neurons():
            return usual()

    ways: dict[str, Callable[[], object]] = {
        "bare": bare,
        "neurons": usual,
        "model": way(samples, Estimate(Fisher.MODEL)),
        "contrastive_two": way(two, Estimate()),
        "model_two": way(two, Estimate(Fisher.MODEL)),
        "embedding": way(samples, Estimate(Fisher.EMBEDDING)),
        "embedding_of_texts": way(texts, Estimate(Fisher.EMBEDDING)),
    }
    times = _alternating(ways, repeats)
    ratios = {
        f"{name}_over_{base}": [a / b for a, b in zip(times[name], times[base], strict=True)]
        for name, base in AGAINST.items()
    }
    return {
        "bare_s": round(statistics.median(times["bare"]), 3),
        **{name: round(statistics.median(found), 3) for name, found in ratios.items()},
        **{f"{name}_by_round": [round(r, 3) for r in found] for name, found in ratios.items()},
    }


def _alternating(ways: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Processor seconds of every way and round: other work on the machine counts less than in wall time."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for round_ in range(repeats):
        # Every other round backwards, so that no way always comes after the same one.
        for name, way in list(ways.items())[:: 1 if round_ % 2 else -1]:
            began = time.process_time()
            way()
            times[name].append(time.process_time() - began)
    return times


@contextmanager
def _no_neurons() -> Iterator[None]:
    made, domain_pass.neuron_sums = domain_pass.neuron_sums, lambda *arguments: {}
    try:
        yield
    finally:
        domain_pass.neuron_sums = made


if __name__ == "__main__":
    main()
