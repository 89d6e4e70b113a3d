"""What a refit of the kept weights costs beside the matrix products that it needs, and what it gives back.

Time: the refit of the default model under a mask, in one process and in turn with the plain products of the same
shapes (the forward of the dense model, that of the refitted one, the masked layers on the residual stream, the half of
the Gram matrices, the cross sums, the solver's products as counted), and with steps of retraining. Retraining is timed
over a few steps and multiplied to a hundred. Seconds of the processor stand beside those of the clock: on a machine
that does other things too they are the steadier ones.

Quality: nDCG@10 of the masked and of the refitted model as a share of the dense one's, on tasks whose texts are not
among those that the refit reads.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gaprune_viz.analysis.exact_scores import exact_scope
from gaprune_viz.analysis.making import analyze
from gaprune_viz.analysis.samples import choose_data
from gaprune_viz.calibration.batching import Given
from gaprune_viz.calibration.progress import drain
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import SIDES, CalibrationSpec, ModelSpec, RefitSpec, RetrainSpec, RunSpec, Scope
from gaprune_viz.config.presets import preset
from gaprune_viz.evaluation.retrieval import evaluate
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import RetrievalTask, encode_task
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.applying import masked
from gaprune_viz.pruning.refit.batches import Batch
from gaprune_viz.pruning.refit.gram import GramSum
from gaprune_viz.pruning.refit.refit import Refit, prepared, refit
from gaprune_viz.pruning.refit.solver import row_block
from gaprune_viz.pruning.refit.stages import Layout
from gaprune_viz.pruning.retraining import clone, own_targets, retrain
from gaprune_viz.versions import versions

Triplets = Mapping[str, Sequence[Given]]
RETRAIN_STEPS = 100


def main() -> None:
    """Measure, and print one JSON object or a few lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--samples", type=int, default=128, help="triplets a side")
    parser.add_argument("--presets", nargs="+", default=["balanced"])
    parser.add_argument("--sparsities", nargs="+", type=float, default=[0.5, 0.7])
    parser.add_argument("--ridges", nargs="+", type=float, default=[RefitSpec().ridge])
    parser.add_argument("--repeats", type=int, default=3, help="rounds of the timing; each runs every way once")
    parser.add_argument("--steps", type=int, default=10, help="steps of retraining that are timed")
    parser.add_argument("--analysis", type=Path, help="an analysis to use, or where to make one")
    parser.add_argument("--skip-time", action="store_true")
    parser.add_argument("--skip-quality", action="store_true")
    options = parser.parse_args()
    statistics = analysis_of(options.analysis or Path(tempfile.mkdtemp()) / "analysis", options.samples)
    model = load_model(statistics.run.model)
    scope, targets = exact_scope(statistics, model)
    triplets = {side: choose_data(statistics.run, side, model).samples for side in SIDES}
    spec = RefitSpec(refit=True, samples=options.samples)
    found: dict[str, Any] = {
        "benchmark": "refit",
        "model": model.label,
        "samples": options.samples,
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg()[0],
        "versions": versions(),
    }

    def masks_of(name: str, sparsity: float) -> dict[str, Tensor]:
        settings = preset(name).settings
        return scope.masks(settings.with_(mask=settings.mask.with_(sparsity=sparsity))).masks

    if not options.skip_time:
        masks = masks_of(options.presets[0], options.sparsities[0])
        found["time"] = measure(model, targets, masks, triplets, spec, options.repeats, options.steps)
    if not options.skip_quality:
        tasks = {side: load_task(source) for side, source in zip(SIDES, TASKS, strict=True)}
        found["quality"] = [
            line
            for name in options.presets
            for sparsity in options.sparsities
            for line in quality(
                model, targets, masks_of(name, sparsity), triplets, spec, options.ridges, tasks, (name, sparsity)
            )
        ]
    print(json.dumps(found, indent=2) if options.json else found)


TASKS = ("ontology:chebi:1000", "ontology:mondo:300")


def analysis_of(folder: Path, samples: int) -> Statistics:
    """The analysis of the default model on two ontologies, made where there is none."""
    if not folder.is_dir():
        spec = CalibrationSpec(domain="ontology:chebi", general="ontology:mondo", samples=samples, scope=Scope.LINEAR)
        drain(analyze(RunSpec(model=ModelSpec(), calibration=spec), folder))
    return Statistics.open(folder)


def measure(
    model: EmbeddingModel,
    targets: Sequence[Target],
    masks: Mapping[str, Tensor],
    triplets: Triplets,
    spec: RefitSpec,
    repeats: int,
    steps: int,
    batch_size: int = RetrainSpec().batch_size,
) -> dict[str, Any]:
    """Refit, plain products and retraining in turn; the best round of each, and its seconds of the processor."""
    batches, layout, plan = prepared(model, targets, triplets, spec)
    results: list[Refit] = []
    ways: dict[str, Callable[[], float]] = {
        "refit": lambda: timed(lambda: results.append(drain(refit(model, targets, masks, triplets, spec)))),
        "products": lambda: multiplied(products(layout, batches, results[0])),
        "retraining": lambda: retraining(model, targets, masks, triplets["domain"], steps, batch_size),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    processor: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            PROCESSOR.clear()
            seconds[name].append(way())
            processor[name].append(sum(PROCESSOR))
    best, busy = ({name: min(values) for name, values in found.items()} for found in (seconds, processor))
    shapes = products(layout, batches, results[0])
    return {
        "texts": sum(len(batch.ids) for batch in batches),
        "tokens": plan.tokens,
        "padded_tokens": sum(batch.padded for batch in batches),
        "planned_bytes": plan.peak_bytes,
        "iterations": {layer.name: layer.iterations for layer in results[0].layers},
        "floor_gflop": sum(2 * m * k * n * count for (m, k, n), count in shapes.items()) / 1e9,
        **{f"{name}_s": value for name, value in best.items()},
        **{f"{name}_all_s": [round(v, 2) for v in values] for name, values in seconds.items()},
        **{f"{name}_processor_s": value for name, value in busy.items()},
        "refit_over_products": best["refit"] / best["products"],
        "refit_over_products_processor": busy["refit"] / busy["products"],
        "refit_over_retraining": best["refit"] / best["retraining"],
        "refit_over_retraining_processor": busy["refit"] / busy["retraining"],
        "retraining_steps_timed": steps,
    }


# Seconds of the processor in the way that is being timed.
PROCESSOR: list[float] = []


def timed(work: Callable[[], object], times: float = 1) -> float:
    """Seconds of the clock, times a factor."""
    began, busy = time.perf_counter(), time.process_time()
    work()
    PROCESSOR.append(times * (time.process_time() - busy))
    return times * (time.perf_counter() - began)


def products(layout: Layout, batches: Sequence[Batch], result: Refit) -> Counter[tuple[int, int, int]]:
    """(rows, inner, columns) of every matrix product that a refit cannot do without -> how many."""
    found: Counter[tuple[int, int, int]] = Counter()
    counted = {layer.name: layer.products for layer in result.layers}
    for block in layout.blocks:
        for stage in block.stages:
            edges = GramSum(stage.width, torch.device("meta")).edges
            for batch in batches:
                for target in stage.targets:
                    found[batch.padded, stage.width, target.shape[0]] += 3 if stage.direct else 2
                    if stage.direct:
                        found[target.shape[0], batch.tokens, stage.width] += 1
                for start, end in itertools.pairwise(edges):
                    found[end - start, batch.tokens, stage.width - start] += 1
                # What the very first layers read is the same in both models.
                if not stage.direct and stage is not layout.blocks[0].stages[0]:
                    found[stage.width, batch.tokens, stage.width] += 1
            for target in stage.targets:
                rows = min(row_block(stage.width), target.shape[0])
                found[rows, stage.width, stage.width] += round(counted[target.name] / rows)
                if not stage.direct:
                    found[target.shape[0], stage.width, stage.width] += 2
    return found


def multiplied(shapes: Mapping[tuple[int, int, int], int], share: int = 6) -> float:
    """Seconds of all products: every shape is multiplied a sixth of the times, and the sum is taken six times."""

    exact = sum(-(-c // share) * m * k * n for (m, k, n), c in shapes.items())
    times = sum(c * m * k * n for (m, k, n), c in shapes.items()) / exact

    def multiply(m: int, k: int, n: int, count: int) -> float:
        # The matrices are made before the clock runs.
        a, b, out = torch.randn(m, k), torch.randn(k, n), torch.empty(m, n)
        return timed(lambda: [torch.mm(a, b, out=out) for _ in range(count)], times)

    return sum(multiply(m, k, n, -(-count // share)) for (m, k, n), count in shapes.items())


def retraining(
    model: EmbeddingModel,
    targets: Sequence[Target],
    masks: Mapping[str, Tensor],
    triplets: Sequence[Any],
    steps: int,
    batch_size: int,
) -> float:
    """Seconds of a hundred steps, from a few."""
    student = clone(model)
    work = retrain(
        student, own_targets(student, targets), masks, triplets, RetrainSpec(steps=steps + 1, batch_size=batch_size)
    )
    for _ in range(2):
        next(work)
    return timed(lambda: list(work), RETRAIN_STEPS / steps)


def quality(
    model: EmbeddingModel,
    targets: Sequence[Target],
    masks: Mapping[str, Tensor],
    triplets: Triplets,
    spec: RefitSpec,
    ridges: Sequence[float],
    tasks: Mapping[str, RetrievalTask],
    label: tuple[str, float],
) -> list[dict[str, Any]]:
    """Percent of dense nDCG@10 on each side, masked and refitted."""

    def scores() -> dict[str, float]:
        return {s: evaluate(t, *encode_task(model, t)).means["ndcg_at_10"] for s, t in tasks.items()}

    dense = DENSE.setdefault(model.label, {}) or DENSE[model.label]
    if not dense:
        dense.update(scores())
    with masked(model, targets, masks):
        lines = [{"version": "mask only", **scores()}]
    for ridge in ridges:
        result: Refit = drain(refit(model, targets, masks, triplets, spec.with_(ridge=ridge)))
        with masked(model, targets, masks, result.weights):
            lines.append({"version": f"refit, ridge {ridge:g}", "errors": result.errors, **scores()})
        print(f"{label}: {lines[-1]}", file=sys.stderr, flush=True)
    return [
        {"preset": label[0], "sparsity": label[1], **line, **{f"{s}_of_dense": 100 * line[s] / dense[s] for s in tasks}}
        for line in lines
    ]


DENSE: dict[str, dict[str, float]] = {}


if __name__ == "__main__":
    main()
