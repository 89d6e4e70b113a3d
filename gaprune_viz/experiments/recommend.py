"""Search the DAI family for settings that keep the domain: chosen on validation topics, reported on others.

The search is a plain grid, then steps around its best point. Nothing is chosen on the queries that are reported.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from gaprune_viz.analysis.exact import exact_scope, load_dense
from gaprune_viz.calibration.progress import Phases, Progress, drain
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import SIDES, Alignment, FisherEstimate, MaskSpec, Objective, RecommendSpec, ScoreSpec, Settings
from gaprune_viz.config.fields import field_info
from gaprune_viz.config.presets import PRESETS
from gaprune_viz.criteria.registry import settled
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.retrieval import evaluate
from gaprune_viz.evaluation.significance import paired_bootstrap, sign_flip_test
from gaprune_viz.evaluation.splits import validation_and_test
from gaprune_viz.evaluation.tasks import RetrievalTask, encode_task
from gaprune_viz.experiments.cells import content_key, rounded, study_cells
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.pruning.applying import masked
from gaprune_viz.pruning.pruned import Latest, Pruned, pruned

FOLDER = "recommend"
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
    analysis_folder: Path, spec: RecommendSpec, *, model: EmbeddingModel | None = None
) -> Generator[Progress, None, dict[str, Any]]:
    """Search, then compare the winner with the presets on queries that the search has not seen.

    Args:
        analysis_folder: a finished analysis with its tensors; what is measured is kept in `recommend` in it, so that
            a search that was stopped goes on.
        spec: what is searched.
        model: the dense model, where it is loaded already.

    Returns:
        `settings` of the winner, `sentence`, `trials` (validation: score, percent of dense by side, objective) and
        `test`: for the winner and the presets, percent of dense by side with 95 % paired bootstrap intervals, and the
        winner's difference to each with its p-value.

    Raises:
        GapruneError: whatever a person can put right; also, the dense model scores 0 on a part of a task.
    """
    yield Progress("Loading the model", 0, 1, 0.0)
    statistics = Statistics.open(analysis_folder)
    parts = [validation_and_test(source) for source in (spec.task, spec.general_task)]
    validation, test = ({side: part[i] for side, part in zip(SIDES, parts, strict=True)} for i in (0, 1))
    bench = _Measure(statistics, model or load_dense(statistics), spec.sparsity)
    presets = {name: PRESETS[name].settings.at(spec.sparsity).with_(refit=spec.refit) for name in COMPARED}
    texts = [sum(len(task.queries) + len(task.corpus) for task in tasks.values()) for tasks in (validation, test)]
    # The dense model is measured too, before the trials and before the tests.
    job = Phases({"trials": (1 + spec.trials) * texts[0], "tests": (2 + len(presets)) * texts[1]})
    yield job.at("trials", "Validation")
    search = _Search(bench, validation, spec)
    for trial in search.run():
        done = len(search.trials)
        label = f"Trial {done}: {trial.of_dense['domain']:.1f} % of dense on validation"
        yield job.at("trials", label, (1 + done) / (1 + spec.trials))
    winner = _at(spec, search.best.score)
    rows = {"recommended": winner, **presets}
    measured: dict[str, dict[str, np.ndarray]] = {}
    yield job.at("tests", "Test: dense")
    dense = {side: bench.dense(task) for side, task in test.items()}
    for name, settings in rows.items():
        yield job.at("tests", f"Test: {name}", (1 + len(measured)) / (1 + len(rows)))
        measured[name] = {side: bench.values(settings, task) for side, task in test.items()}
    table = _test_table(measured, dense, test)
    return rounded(
        {
            "format": 1,
            "spec": spec.model_dump(mode="json"),
            "analysis": statistics.document["key"],
            "settings": winner.model_dump(mode="json"),
            "sentence": _sentence(spec, table, parts[0][1]),
            "queries": {side: len(task.queries) for side, task in test.items()},
            "trials": [
                {"score": t.score.model_dump(mode="json"), "of_dense": t.of_dense, "objective": t.objective}
                for t in search.trials
            ],
            "test": table,
        }
    )


class _Measure:
    """nDCG@10 of every query under some settings, kept on disk."""

    def __init__(self, statistics: Statistics, model: EmbeddingModel, sparsity: float) -> None:
        self.statistics, self.model, self.sparsity = statistics, model, sparsity
        self.scope, self.targets = exact_scope(statistics, model)
        self.store = study_cells(statistics.folder / FOLDER)
        self._latest = Latest()

    def values(self, settings: Settings | None, task: RetrievalTask) -> np.ndarray:
        """float64 [queries]; `settings` None for the dense model."""
        chosen = None if settings is None else settled(settings).content()
        key = content_key({"settings": chosen, "task": task.content_hash, "analysis": self.statistics.document["key"]})
        found = self.store.read(key)
        if found is None:
            made = None if settings is None else self._pruned(settings)
            with nullcontext() if made is None else masked(self.model, self.targets, made.masks, made.weights):
                evaluation = evaluate(task, *encode_task(self.model, task))
            found = self.store.write(key, {"ndcg_at_10": evaluation.scores["ndcg_at_10"].tolist()})
        return np.asarray(found["ndcg_at_10"], dtype=np.float64)

    def dense(self, task: RetrievalTask) -> np.ndarray:
        """float64 [queries] of the dense model, by which all else is measured.

        Raises:
            GapruneError: all are 0: nothing is a percent of that.
        """
        found = self.values(None, task)
        if found.mean() <= 0:
            raise GapruneError(
                f"{task.name}: the dense model has no answer among its first ten for any of {len(found):,} queries, so "
                "nothing can be said in percent of it.",
                "Give a task that the model can answer, or one with more queries.",
            )
        return found

    def _pruned(self, settings: Settings) -> Pruned:
        work = partial(pruned, self.statistics, self.model, self.scope, self.targets, settings)
        return drain(self._latest.of(settings.key(), work))


class _Search:
    """A grid in a seeded order, the preset `balanced` first, then steps around the best point."""

    def __init__(self, bench: _Measure, tasks: dict[str, RetrievalTask], spec: RecommendSpec) -> None:
        self.bench, self.tasks, self.spec = bench, tasks, spec
        self.dense = {side: bench.dense(task).mean() for side, task in tasks.items()}
        self.trials: list[Trial] = []

    @property
    def best(self) -> Trial:
        """The trial with the largest objective; of equal ones the earlier."""
        return max(self.trials, key=lambda trial: trial.objective)

    def run(self) -> Iterator[Trial]:
        """Measure until the trials are used up."""
        seen: set[str] = set()
        around = max(1, self.spec.trials // 3)
        for scores in (self._grid(self.spec.trials - around), self._around()):
            for score in scores:
                if len(self.trials) >= self.spec.trials:
                    return
                if score.key() not in seen:
                    seen.add(score.key())
                    yield self._measure(score)

    def _grid(self, most: int) -> Iterator[ScoreSpec]:
        yield PRESETS["balanced"].settings.score
        # Analyses of earlier versions have no estimates but the measured one.
        kinds = GRID["fisher_estimate"] if "mass_domain" in self.bench.statistics.scales else (FisherEstimate.RAW,)
        grid = {**GRID, "fisher_estimate": kinds}
        points = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
        order = np.random.default_rng(self.spec.seed).permutation(len(points))
        for i in order[: most - 1]:
            yield _score(points[int(i)])

    def _around(self) -> Iterator[ScoreSpec]:
        """Steps from the best point so far, one constant at a time; the best may change on the way."""
        for _ in range(self.spec.trials):
            base = self.best.score
            for name, moves in STEPS.items():
                for move in moves:
                    value = round(getattr(base, name) + move, 3)
                    bounds = field_info(ScoreSpec, name)
                    if max(bounds["minimum"], LEAST.get(name, -np.inf)) <= value <= bounds["maximum"]:
                        yield base.with_(**{name: value})

    def _measure(self, score: ScoreSpec) -> Trial:
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
