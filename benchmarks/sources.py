"""Calibrating several sources in one analysis, as a ratio to calibrating each of them as a side of a plain one.

In turn: two analyses with two sides each, and one whose domain is three of these sources. Texts, samples and weights
are the same; the seconds are those from the first batch to the last, without choosing and without writing. Medians over
the rounds; beside them what it takes to mix the sources into a side, which a plain analysis need not do.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import benchmarks._settled  # noqa: F401
from gaprune_viz.analysis import making
from gaprune_viz.analysis.making import analyze
from gaprune_viz.config import CalibrationSpec, RunSpec, Sampling, Scope
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model

TARGET = 1.03
PAIRS = (("chemistry", "general"), ("finance", "ontology:chebi"))
TOGETHER = ("chemistry + finance + ontology:chebi", "general")


def main() -> None:
    """Measure, and print one JSON object or a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--samples", type=int, default=64, help="triplets a source")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    load, model = os.getloadavg()[0], load_model(RunSpec().model)
    apart, together, mixing = list[float](), list[float](), list[float]()
    for number in range(options.rounds + 1):
        own = sum(calibrating(model, *pair, options.samples)[0] for pair in PAIRS)
        whole, mixed = calibrating(model, *TOGETHER, options.samples)
        print(f"round {number}: apart {own:.2f} s, together {whole:.2f} s, mixing {mixed:.2f} s", file=sys.stderr)
        # In the first one libraries are loaded and memory is asked for.
        if number:
            apart.append(own)
            together.append(whole)
            mixing.append(mixed)
    ratios = [a / b for a, b in zip(together, apart, strict=True)]
    found: dict[str, Any] = {
        "benchmark": "sources",
        "load_average": load,
        "target": TARGET,
        "sources": 4,
        "samples": options.samples,
        "ratio": statistics.median(ratios),
        "ratios": [round(ratio, 4) for ratio in ratios],
        "apart_s": statistics.median(apart),
        "mixing_s": statistics.median(mixing),
    }
    print(json.dumps(found) if options.json else found)


def calibrating(model: EmbeddingModel, domain: str, general: str, samples: int) -> tuple[float, float]:
    """Seconds of the batches of an analysis, and of mixing its sources."""
    spec = CalibrationSpec(
        domain=domain, general=general, samples=samples, sampling=Sampling.RANDOM, scope=Scope.LINEAR
    )
    mixing, plain = [0.0], making.mixed

    def timed(*arguments: Any) -> Any:
        began = time.perf_counter()
        found = plain(*arguments)
        mixing[0] = time.perf_counter() - began
        return found

    first = last = 0.0
    making.mixed = timed  # type: ignore[assignment]
    try:
        with tempfile.TemporaryDirectory(prefix="gaprune-sources-") as folder:
            for step in analyze(RunSpec(calibration=spec), Path(folder) / "analysis", model=model):
                if step.stage.startswith("Calibrating"):
                    last = time.perf_counter()
                    first = first or last
    finally:
        making.mixed = plain
    return last - first, mixing[0]


if __name__ == "__main__":
    main()
