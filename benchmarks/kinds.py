"""What the neurons' statistics cost in a calibration, as a ratio of times with and without them.

Both ways go through the same batches in one process, in turn; medians of the ratios of the rounds.
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

from benchmarks.calibration import SPEC, WORDS, ours, triplets
from gaprune_viz.calibration import domain_pass
from gaprune_viz.calibration.batching import plan_steps
from gaprune_viz.config import ModelSpec, Scope
from gaprune_viz.data.schema import Triplet
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import Target, in_scope, inventory


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
    """Ratios of the time of every way to that of a calibration without the neurons' statistics."""
    steps = plan_steps(model, samples, SPEC.token_budget)

    def bare() -> object:
        with _no_neurons():
            return ours(model, targets, samples, steps)

    ways: dict[str, Callable[[], object]] = {
        "bare": bare,
        "neurons": lambda: ours(model, targets, samples, steps),
    }
    times = _alternating(ways, repeats)
    ratios = {name: [a / b for a, b in zip(times[name], times["bare"], strict=True)] for name in ways if name != "bare"}
    return {
        "bare_s": round(statistics.median(times["bare"]), 3),
        **{f"{name}_over_bare": round(statistics.median(found), 3) for name, found in ratios.items()},
        **{f"{name}_over_bare_by_round": [round(r, 3) for r in found] for name, found in ratios.items()},
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
