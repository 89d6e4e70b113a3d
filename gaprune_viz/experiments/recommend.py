"""Search the DAI family for settings that keep the domain: chosen on validation topics, reported on others.

The search is a plain grid, then steps around its best point. Nothing is chosen on the queries that are reported.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, product
from pathlib import Path
from typing import Any

import numpy as np

from gaprune_viz.calibration.progress import Phases, Progress, relayed
from gaprune_viz.config import (
    Alignment,
    ExecutorSpec,
    FisherEstimate,
    MaskSpec,
    Objective,
    RecommendSpec,
    ScoreSpec,
    Settings,
)
from gaprune_viz.config.fields import field_info
from gaprune_viz.config.presets import PRESETS
from gaprune_viz.evaluation.significance import paired_bootstrap, sign_flip_test
from gaprune_viz.evaluation.tasks import RetrievalTask
from gaprune_viz.experiments.cells import rounded
from gaprune_viz.experiments.executors.from_address import Team, opened
from gaprune_viz.experiments.search_bench import TEST, VALIDATION, SearchBench, measured_by_workers
from gaprune_viz.models.encoder import EmbeddingModel

HERE = ExecutorSpec()
COMPARED = ("magnitude", "paper", "balanced", "obd")
GRID: dict[str, tuple[Any, ...]] = {
    "fisher_power": (0.5, 1.0),
    "beta": (-0.3, 0.0, 0.3, 0.6),
    "gamma": (0.5, 1.0, 2.0),
    "fisher_estimate": (FisherEstimate.RAW, FisherEstimate.RANK_ONE),
    "alpha": (0.0, 0.2),
}
LEAST = {"gamma": 0.05}
"""Below this a constant has no part in the score any more."""
STEPS: dict[str, tuple[float, ...]] = {"beta": (-0.15, 0.15), "gamma": (-0.25, 0.5), "alpha": (-0.2, 0.3)}


@dataclass(frozen=True)
class Trial:
    """Settings and how they did on the validation part: percent of dense by side, and the objective."""

    score: ScoreSpec
    of_dense: dict[str, float]
    objective: float


def recommend(
    analysis_folder: Path, spec: RecommendSpec, *, model: EmbeddingModel | None = None, executor: ExecutorSpec = HERE
) -> Generator[Progress, None, dict[str, Any]]:
    """Search, then compare the winner with the presets on queries that the search has not seen.

    Args:
        analysis_folder: a finished analysis with its tensors; what is measured is kept in `recommend` in it, so that
            a search that was stopped goes on.
        spec: what is searched.
        model: the dense model, where it is loaded already.
        executor: where trials are measured: those of the grid at once, then the steps around each best point.

    Returns:
        `settings` of the winner, `sentence`, `trials` (validation: score, percent of dense by side, objective) and
        `test`: for the winner and the presets, percent of dense by side with 95 % paired bootstrap intervals, and the
        winner's difference to each with its p-value.

    Raises:
        GapruneError: whatever a person can put right; also, the dense model scores 0 on a part of a task.
    """
    with opened(executor, (analysis_folder,)) as team:
        return (yield from _recommended(analysis_folder, spec, model, team))


def _recommended(
    analysis_folder: Path, spec: RecommendSpec, model: EmbeddingModel | None, team: Team | None
) -> Generator[Progress, None, dict[str, Any]]:
    yield Progress("Loading the model", 0, 1, 0.0)
    bench = SearchBench(analysis_folder, spec, model)
    validation, test = bench.parts[VALIDATION], bench.parts[TEST]
    presets = {name: PRESETS[name].settings.at(spec.sparsity).with_(refit=spec.refit) for name in COMPARED}
    # The parts differ in their queries, which are much shorter than the passages that they share.
    texts = [sum(task.letters for task in tasks.values()) for tasks in (validation, test)]
    # The dense model is measured too, before the trials and before the tests.
    costs = {"trials": (1 + spec.trials) * texts[0], "tests": (2 + len(presets)) * texts[1]}
    job = Phases(costs)
    yield job.at("trials", "Validation")
    search = _Search(bench, spec)
    for scores in search.rounds():
        far = (1 + len(search.trials)) / (1 + spec.trials)
        if team is not None:
            ahead = measured_by_workers(team, bench, [_at(spec, score) for score in scores], VALIDATION)
            yield from relayed(ahead, lambda step, far=far: job.at("trials", step.stage, far))
        for score in scores:
            trial = search.measure(score)
            done = len(search.trials)
            label = f"Trial {done}: {trial.of_dense['domain']:.1f} % of dense on validation"
            yield job.at("trials", label, (1 + done) / (1 + spec.trials))
    winner = _at(spec, search.best.score)
    rows = {"recommended": winner, **presets}
    measured: dict[str, dict[str, np.ndarray]] = {}
    # The winner may be one of the presets.
    missing = {settings.key() for settings in rows.values() if bench.known((settings, TEST)) is None}
    job = Phases({**costs, "tests": (1 + len(missing)) * texts[1]})
    yield job.at("tests", "Test: dense")
    dense = {side: bench.dense(task) for side, task in test.items()}
    if team is not None:
        ahead = measured_by_workers(team, bench, list(rows.values()), TEST)
        yield from relayed(ahead, lambda step: job.at("tests", step.stage, 1 / (1 + len(rows))))
    asked = len(missing)
    for name, settings in rows.items():
        yield job.at("tests", f"Test: {name}", (1 + asked - len(missing)) / (1 + asked))
        missing.discard(settings.key())
        measured[name] = {side: bench.values(settings, task) for side, task in test.items()}
    table = _test_table(measured, dense, test)
    return rounded(
        {
            "format": 1,
            "spec": spec.model_dump(mode="json"),
            "analysis": bench.statistics.document["key"],
            "settings": winner.model_dump(mode="json"),
            "sentence": _sentence(spec, table, test["domain"]),
            "queries": {side: len(task.queries) for side, task in test.items()},
            "trials": [
                {"score": t.score.model_dump(mode="json"), "of_dense": t.of_dense, "objective": t.objective}
                for t in search.trials
            ],
            "test": table,
        }
    )


class _Search:
    """A grid in a seeded order, the preset `balanced` first, then steps around the best point."""

    def __init__(self, bench: SearchBench, spec: RecommendSpec) -> None:
        self.bench, self.tasks, self.spec = bench, bench.parts[VALIDATION], spec
        self.dense = {side: bench.dense(task).mean() for side, task in self.tasks.items()}
        self.trials: list[Trial] = []

    @property
    def best(self) -> Trial:
        """The trial with the largest objective; of equal ones the earlier."""
        return max(self.trials, key=lambda trial: trial.objective)

    def rounds(self) -> Iterator[list[ScoreSpec]]:
        """What is to be measured together, until the trials are used up: no score of a round depends on another."""
        seen: set[str] = set()
        around = max(1, self.spec.trials // 3)
        for scores in chain([list(self._grid(self.spec.trials - around))], self._around()):
            fresh = list({score.key(): score for score in scores if score.key() not in seen}.values())
            fresh = fresh[: self.spec.trials - len(self.trials)]
            seen |= {score.key() for score in fresh}
            if fresh:
                yield fresh

    def _grid(self, most: int) -> Iterator[ScoreSpec]:
        yield PRESETS["balanced"].settings.score
        # Analyses of earlier versions have no estimates but the measured one.
        kinds = GRID["fisher_estimate"] if "mass_domain" in self.bench.statistics.scales else (FisherEstimate.RAW,)
        grid = {**GRID, "fisher_estimate": kinds}
        points = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
        order = np.random.default_rng(self.spec.seed).permutation(len(points))
        for i in order[: most - 1]:
            yield _score(points[int(i)])

    def _around(self) -> Iterator[list[ScoreSpec]]:
        """Steps from the best point so far, one constant at a time; the best may change from round to round."""
        for _ in range(self.spec.trials):
            base, scores = self.best.score, []
            for name, moves in STEPS.items():
                for move in moves:
                    value = round(getattr(base, name) + move, 3)
                    bounds = field_info(ScoreSpec, name)
                    if max(bounds["minimum"], LEAST.get(name, -np.inf)) <= value <= bounds["maximum"]:
                        scores.append(base.with_(**{name: value}))
            yield scores

    def measure(self, score: ScoreSpec) -> Trial:
        settings = _at(self.spec, score)
        of_dense = {
            side: float(100 * self.bench.values(settings, task).mean() / self.dense[side])
            for side, task in self.tasks.items()
        }
        trial = Trial(score, of_dense, _objective(self.spec, of_dense))
        self.trials.append(trial)
        return trial


def _at(spec: RecommendSpec, score: ScoreSpec) -> Settings:
    """A score at the sparsity that is searched, refitted where that is asked for."""
    return Settings(score=score, mask=MaskSpec(sparsity=spec.sparsity), refit=spec.refit)


def _objective(spec: RecommendSpec, of_dense: Mapping[str, float]) -> float:
    """What is made as large as possible, in percent of dense."""
    if spec.objective is Objective.WORST:
        return min(of_dense.values())
    return (1 - spec.general_weight) * of_dense["domain"] + spec.general_weight * of_dense["general"]


def _score(point: dict[str, Any]) -> ScoreSpec:
    return ScoreSpec(alignment=Alignment.CORRELATION, fisher_scale="auto", **point)


def _test_table(
    measured: dict[str, dict[str, np.ndarray]], dense: dict[str, np.ndarray], tasks: dict[str, RetrievalTask]
) -> list[dict[str, Any]]:
    rows = []
    for name, values in measured.items():
        row: dict[str, Any] = {"row": name}
        for side, task in tasks.items():
            clusters = task.clusters(task.judged)
            scale = 100 / dense[side].mean()
            low, high = paired_bootstrap(values[side] - dense[side], clusters=clusters)
            row[side] = {
                "of_dense": float(values[side].mean() * scale),
                "low": float(100 + low * scale),
                "high": float(100 + high * scale),
            }
            if name != "recommended":
                gain = measured["recommended"][side] - values[side]
                row[side]["recommended_over"] = {
                    "points": float(gain.mean() * scale),
                    "p": sign_flip_test(gain, clusters=clusters),
                }
        rows.append(row)
    return rows


def _sentence(spec: RecommendSpec, table: list[dict[str, Any]], task: RetrievalTask) -> str:
    best = table[0]["domain"]
    over = next(row for row in table if row["row"] == "magnitude")["domain"]["recommended_over"]
    return (
        f"On {len(task.queries):,} queries that the search did not see, at {100 * spec.sparsity:g} %, the recommended "
        f"settings keep {best['of_dense']:.1f} % of dense (95 % {best['low']:.1f} to {best['high']:.1f}), "
        f"{over['points']:+.1f} points over magnitude (p {over['p']:.4f})."
    )
