"""How honest the jobs' "2 min left" is: the worst ratio of what is said to what it then took, over jobs of all kinds.

Every job is run once in this process, and asked four times a second what is left. What is said counts from five seconds
after the job began, or after a neighbour (a process that computes on two threads) began or ended beside it, until two
seconds before the end. The ratio is the larger of said / true and true / said; the target is 1.5.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import benchmarks._settled  # noqa: F401
from gaprune_viz.analysis.exact_scores import exact_scope
from gaprune_viz.analysis.making import analyze
from gaprune_viz.analysis.samples import choose_data
from gaprune_viz.calibration.progress import Progress, drain
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import (
    SIDES,
    CalibrationSpec,
    RecommendSpec,
    RefitSpec,
    RetrainSpec,
    RunSpec,
    Sampling,
    Scope,
    StudySpec,
)
from gaprune_viz.config.presets import preset
from gaprune_viz.evaluation.embedding_cache import EmbeddingCache
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.experiments.recommend import recommend
from gaprune_viz.experiments.retraining_trial import Trial, try_retraining
from gaprune_viz.experiments.study.runner import run_study
from gaprune_viz.experiments.sweep import SweepPlan, sweep
from gaprune_viz.experiments.tracked_retraining import train
from gaprune_viz.jobs.eta import Eta
from gaprune_viz.models.loading import load_model
from gaprune_viz.pruning.refit.refit import refit

TARGET, AFTER, BEFORE_END, EVERY = 1.5, 5.0, 2.0, 0.25
NEIGHBOUR = "import torch\ntorch.set_num_threads(2)\na = torch.rand(1500, 1500)\nwhile True: a = (a @ a) / 1e3"
Job = Callable[[], Generator[Any, None, Any]]


def main() -> None:
    """Measure, and print one JSON object or a line for each job."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--scale", type=float, default=1.0, help="how long the jobs are, beside the usual")
    parser.add_argument("--only", nargs="+", default=[], help="jobs by name")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GAPRUNE_VIZ_WORKSPACE"] = folder
        jobs = jobs_of(Path(folder), options.scale)
        chosen = options.only or list(jobs)
        found: dict[str, dict[str, Any]] = {}
        for name in chosen:
            found[name] = watched(*jobs[name])
            print(name, found[name], file=sys.stderr, flush=True)
    ratios = [told["worst"] for told in found.values() if told["worst"] is not None]
    worst = max(ratios, default=None)
    if options.json:
        whole = {"benchmark": "eta", "load_average": os.getloadavg()[0], "target": TARGET, "worst": worst}
        print(json.dumps({**whole, "jobs": found}))
        return
    for name, told in found.items():
        print(f"{name:28} {told['seconds']:6.1f} s  asked {told['asked']:4} times  worst {told['worst']}")
    print(f"worst of all {worst} (target {TARGET})")


@dataclass
class Watch:
    """What was said of a job while it ran: (seconds, said)."""

    said: list[tuple[float, float]] = field(default_factory=list)
    changes: list[float] = field(default_factory=list)


def watched(make: Job, beside: tuple[float, float] | None) -> dict[str, Any]:
    """Run a job and compare what was said with what it took.

    Args:
        make: the job.
        beside: after how many seconds a neighbour begins, and ends; None for none.
    """
    watch, eta, began, over = Watch(), Eta(), time.monotonic(), threading.Event()

    def ask() -> None:
        while not over.wait(EVERY):
            said = eta.left()
            if said is not None:
                watch.said.append((time.monotonic() - began, said))

    asking = threading.Thread(target=ask)
    with neighbour(beside, watch, began):
        asking.start()
        for news in make():
            step = news if isinstance(news, Progress) else news.progress
            eta.told(step)
        ended = time.monotonic() - began
        over.set()
        asking.join()
    edges = [0.0, *watch.changes]
    # A neighbour that is to come cannot be known: what is said before it is true of the time without it only.
    last = max(edges)
    pairs = [(said, ended - at) for at, said in watch.said if at >= last + AFTER and ended - at >= BEFORE_END]
    ratios = [max(said / true, true / max(said, 1e-3)) for said, true in pairs]
    worst = round(max(ratios), 3) if ratios else None
    changes = [round(at, 1) for at in watch.changes]
    found = {"seconds": round(ended, 1), "asked": len(pairs), "worst": worst, "changes": changes}
    if ratios:
        said, true = pairs[ratios.index(max(ratios))]
        found["at_worst"] = {"said": round(said, 1), "true": round(true, 1)}
    return found


@contextmanager
def neighbour(beside: tuple[float, float] | None, watch: Watch, began: float) -> Iterator[None]:
    """A process that computes from some second to another."""
    if beside is None:
        yield
        return
    over, process = threading.Event(), list[subprocess.Popen[bytes]]()

    def live() -> None:
        if over.wait(beside[0]):
            return
        process.append(subprocess.Popen([sys.executable, "-c", NEIGHBOUR]))
        watch.changes.append(time.monotonic() - began)
        if not over.wait(beside[1] - beside[0]):
            process[0].kill()
            watch.changes.append(time.monotonic() - began)

    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for one in process:
            one.kill()
            one.wait()


def jobs_of(folder: Path, scale: float) -> dict[str, tuple[Job, tuple[float, float] | None]]:
    """Ten jobs of the default model, and when each has a neighbour."""

    def many(count: float) -> int:
        return max(2, round(count * scale))

    run = RunSpec(calibration=CalibrationSpec(samples=16, sampling=Sampling.RANDOM))
    place = drain(analyze(run))
    model = load_model(run.model)
    statistics = Statistics.open(place)
    scope, targets = exact_scope(statistics, model)
    triplets = {side: choose_data(run, side, model).samples for side in SIDES}
    settings = preset("balanced").settings
    masks = scope.masks(settings).masks
    tasks = {side: load_task(source) for side, source in zip(SIDES, ("chemistry", "general"), strict=True)}
    lessons = load_lessons(run, model)

    def analysis(samples: int, scope: Scope = Scope.MLP, seed: int = 1) -> Job:
        spec = CalibrationSpec(samples=samples, sampling=Sampling.RANDOM, scope=scope, seed=seed)
        return partial(analyze, RunSpec(calibration=spec), folder / f"made-{samples}-{scope.value}-{seed}", model=model)

    def sweeping(criteria: tuple[str, ...], sparsities: tuple[float, ...]) -> Job:
        plan = SweepPlan("criteria", criteria, sparsities[: many(len(sparsities))], ("chemistry", "general"))
        return partial(sweep, place, plan, model=model)

    def trial() -> Generator[Any, None, Any]:
        cache = EmbeddingCache(None)
        spec = RetrainSpec(steps=many(8), warmup=1)
        return try_retraining(Trial(), model, targets, masks, lessons, spec, tasks, cache)

    study = StudySpec(
        calibration=CalibrationSpec(samples=16, sampling=Sampling.RANDOM),
        retrain=RetrainSpec(steps=many(6), warmup=1),
        rows=("paper", "magnitude"),
        sparsities=(0.5, 0.7),
        ablation=False,
        sample_sizes=(),
    )
    refitting = RefitSpec(refit=True, samples=many(24))
    return {
        "analyze, mlp": (analysis(many(64)), None),
        "analyze, all linear": (analysis(many(32), Scope.LINEAR), None),
        "analyze, a neighbour begins": (analysis(many(64), seed=2), (4.0, 600.0)),
        "analyze, a neighbour ends": (analysis(many(64), seed=3), (0.0, 6.0)),
        "sweep": (sweeping(("dai", "magnitude"), (0.3, 0.5, 0.7)), None),
        "sweep, a neighbour begins": (sweeping(("obd_joint", "wanda"), (0.3, 0.5, 0.7)), (5.0, 600.0)),
        "refit": (partial(refit, model, targets, masks, triplets, refitting), None),
        "retrain": (partial(train, model, targets, masks, lessons, RetrainSpec(steps=many(16)), tasks=tasks), None),
        "retrain, with its control": (trial, None),
        "recommend": (partial(recommend, place, RecommendSpec(trials=many(5)), model=model), None),
        "study": (partial(run_study, study, folder / "study"), None),
    }


def load_lessons(run: RunSpec, model: Any) -> Any:
    """What a retraining learns from."""
    from gaprune_viz.data.triplets import calibration_triplets

    return calibration_triplets(run.calibration, "domain", model.directions).triplets


if __name__ == "__main__":
    main()
