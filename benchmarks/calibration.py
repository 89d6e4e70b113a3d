"""What per-sample Fisher information costs beside a plain backward, the published procedure, and a loop of backwards.

Four ways through the same texts in one process, in turn: the engine's calibration; a forward and backward of the same
batches that leaves plain weight gradients (the least any gradient-based criterion needs, and too little for a
per-sample one); the published procedure, two passes with every text padded to 512 tokens; and the exact loop everybody
writes first, one backward per sample. Medians over the rounds. The last two take so long that they run over a share of
the samples, and their time is multiplied.
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
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._published_calibration import PADDED, published, share_of
from benchmarks._time_split import time_split
from gaprune_viz.calibration.batching import Step, plan_steps
from gaprune_viz.calibration.contrastive import info_nce
from gaprune_viz.calibration.domain_pass import DomainStatistics, calibrate
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import CalibrationSpec, ModelSpec, Scope
from gaprune_viz.data.schema import Triplet
from gaprune_viz.data.starter import starter_passages
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import Target, in_scope, inventory
from gaprune_viz.versions import versions
from tests.conformance.reference import naive as reference

SPEC = CalibrationSpec()
# Words that make about 20 and about 200 tokens of the starter's chemistry passages.
WORDS = {"short": 15, "long": 150}
EXACT_SAMPLES = 8
# The loop runs over every k-th sample; the published procedure over this many micro-batches, all of one cost.
NAIVE_SHARE = 4
PUBLISHED_BATCHES = 1
# Three long samples weigh as much as thirty short ones.
LONG_SHARE = 4


def main() -> None:
    """Measure, and print one JSON object or a few lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--samples", type=int, default=64, help="short triplets; a quarter as many long ones")
    parser.add_argument("--repeats", type=int, default=5, help="rounds; each runs every way once")
    parser.add_argument("--kinds", nargs="+", choices=list(WORDS), default=list(WORDS), help="which lengths of text")
    parser.add_argument("--scope", choices=[s.value for s in Scope], default=Scope.LINEAR.value)
    options = parser.parse_args()
    torch.manual_seed(0)
    model = load_model(ModelSpec())
    targets = in_scope(inventory(model), Scope(options.scope), model.label)
    found: dict[str, Any] = {
        "benchmark": "calibration",
        "model": model.label,
        "scope": options.scope,
        "weights": sum(t.size for t in targets),
        "repeats": options.repeats,
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg()[0],
        "versions": versions(),
        "texts": {},
    }
    for kind in options.kinds:
        samples = options.samples if kind == "short" else max(EXACT_SAMPLES, options.samples // LONG_SHARE)
        found["texts"][kind] = measure(model, targets, triplets(kind, samples), options.repeats)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for kind, row in found["texts"].items():
        print(
            f"{kind}: ours {row['ours_s']:.2f} s, plain {row['plain_s']:.2f} s, published {row['published_s']:.1f} s, "
            f"naive {row['naive_s']:.2f} s; ours/plain {row['ours_over_plain']:.2f}, "
            f"published/ours {row['published_over_ours']:.1f}, naive/ours {row['naive_over_ours']:.2f}, "
            f"error {row['exactness']['worst']:.1e}"
        )


def triplets(kind: str, count: int) -> tuple[Triplet, ...]:
    """Texts of about one length: starter passages, cut, or joined with those that follow them."""
    passages = starter_passages("chemistry")

    def text(start: int) -> str:
        words: list[str] = []
        while len(words) < WORDS[kind]:
            words += passages[start % len(passages)].text.split()
            start += 1
        return " ".join(words[: WORDS[kind]])

    return tuple(Triplet(text(3 * i), text(3 * i + 1), (text(3 * i + 2),)) for i in range(count))


def measure(
    model: EmbeddingModel, targets: Sequence[Target], samples: Sequence[Triplet], repeats: int, pad_to: int = PADDED
) -> dict[str, Any]:
    """Times of every way through the samples, where ours goes, exactness, and the floor."""
    steps = plan_steps(model, samples, SPEC.token_budget)
    few, padded = samples[::NAIVE_SHARE], share_of(samples, PUBLISHED_BATCHES)
    alone = [plan_steps(model, [sample], SPEC.token_budget)[0] for sample in few]
    ways: dict[str, Callable[[], object]] = {
        "ours": lambda: ours(model, targets, samples, steps),
        "plain": lambda: plain(model, targets, steps),
        "published": lambda: published(model, targets, padded, pad_to),
        "naive": lambda: naive(model, targets, alone),
    }
    scale = {"published": len(samples) / len(padded), "naive": len(samples) / len(few)}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for name, way in ways.items():
        way()
        _say(f"{name} warmed up")
    for _ in range(repeats):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            times[name].append((time.perf_counter() - began) * scale.get(name, 1.0))
    median = {name: statistics.median(values) for name, values in times.items()}
    _say(f"medians {median}")
    tokens = sum(step.tokens for step in steps)
    weights = sum(t.size for t in targets)
    # Forward, input gradients and weight gradients: a multiplication and an addition each, per weight and token.
    floor = {"plain": 6 * weights * tokens, "ours": 6 * weights * tokens + 3 * weights * len(samples)}
    return {
        "samples": len(samples),
        "naive_samples": len(few),
        "published_samples": len(padded),
        "tokens": tokens,
        "tokens_per_text": tokens / (3 * len(samples)),
        "padded_tokens": sum(len(c.ids) * max(map(len, c.ids)) for s in steps for c in s.chunks),
        "batches": len(steps),
        **{f"{name}_s": value for name, value in median.items()},
        **{f"{name}_all_s": [round(v, 3) for v in values] for name, values in times.items()},
        "ours_over_plain": median["ours"] / median["plain"],
        "ours_over_plain_by_round": [round(a / b, 3) for a, b in zip(times["ours"], times["plain"], strict=True)],
        "published_over_ours": median["published"] / median["ours"],
        "naive_over_ours": median["naive"] / median["ours"],
        "time_split": time_split(lambda: ours(model, targets, samples, steps)),
        "floor_gflop": {name: value / 1e9 for name, value in floor.items()},
        "floor": "6 x weights x tokens; ours adds 3 x weights x samples (square, two additions)",
        "gflop_per_s": {name: value / 1e9 / median[name] for name, value in floor.items()},
        "exactness": exactness(model, targets, samples[:EXACT_SAMPLES]),
    }


def ours(
    model: EmbeddingModel, targets: Sequence[Target], samples: Sequence[Triplet], steps: Sequence[Step]
) -> DomainStatistics:
    """The engine's calibration."""
    return drain(
        calibrate(
            model,
            targets,
            samples,
            temperature=SPEC.temperature,
            token_budget=SPEC.token_budget,
            stage="Calibrating",
            steps=steps,
        )
    )


def plain(model: EmbeddingModel, targets: Sequence[Target], steps: Sequence[Step]) -> None:
    """The same batches, and the gradient of their summed loss."""
    with _weights(targets) as weights:
        for step in steps:
            torch.autograd.grad(losses(model, step).sum(), weights)


def naive(model: EmbeddingModel, targets: Sequence[Target], alone: Sequence[Step]) -> list[Tensor]:
    """One backward per sample, squared and added up in place, in float32."""
    with _weights(targets) as weights:
        squares = [torch.zeros_like(w, requires_grad=False) for w in weights]
        totals = [torch.zeros_like(w, requires_grad=False) for w in weights]
        for step in alone:
            gradients = torch.autograd.grad(losses(model, step).sum(), weights)
            for square, total, gradient in zip(squares, totals, gradients, strict=True):
                square.addcmul_(gradient, gradient)
                total.add_(gradient)
    return squares


@contextmanager
def _weights(targets: Sequence[Target]) -> Iterator[list[Tensor]]:
    """The targets' parameters, which need a gradient for as long as this lasts."""
    weights: list[Tensor] = [t.parameter for t in targets]
    for weight in weights:
        weight.requires_grad_(True)
    try:
        yield weights
    finally:
        for weight in weights:
            weight.requires_grad_(False)


def losses(model: EmbeddingModel, step: Step) -> Tensor:
    """The losses of one batch, float32 [samples], as the engine computes them but without hooks."""
    vectors = torch.cat([model.embed(model.features(chunk.ids, chunk.kind)) for chunk in step.chunks])
    texts = vectors[torch.as_tensor(step.order)]
    n = len(step.samples)
    return info_nce(texts[:n], texts[n : 2 * n], texts[2 * n :], torch.as_tensor(step.owner), SPEC.temperature)


def exactness(model: EmbeddingModel, targets: Sequence[Target], samples: Sequence[Triplet]) -> dict[str, Any]:
    """Largest relative error (Frobenius) over all matrices against the unbatched, unpadded float64 loop."""
    found = ours(model, targets, samples, plan_steps(model, samples, SPEC.token_budget))
    expected = reference(model, targets, samples, SPEC.temperature, model.pooling.value)
    errors = {
        field: max(
            float((value.double() - getattr(expected, field)[name]).norm() / getattr(expected, field)[name].norm())
            for name, value in getattr(found, field).items()
        )
        for field in ("fisher", "grad", "act")
    }
    return {"samples": len(samples), **errors, "worst": max(errors.values())}


def _say(text: str) -> None:
    print(f"{time.process_time():.0f} s of processor time: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
