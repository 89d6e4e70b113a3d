"""What a search measures: nDCG@10 of every query under some settings, here or by workers, kept on disk."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gaprune_viz.analysis.exact_scores import exact_scope, load_dense
from gaprune_viz.calibration.progress import Progress, drain
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import SIDES, RecommendSpec, Settings
from gaprune_viz.criteria.registry import settled
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.retrieval import evaluate
from gaprune_viz.evaluation.splits import validation_and_test
from gaprune_viz.evaluation.tasks import RetrievalTask, encode_task
from gaprune_viz.experiments.cells import content_key, study_cells
from gaprune_viz.experiments.executors.coordinator import ran
from gaprune_viz.experiments.executors.from_address import Team
from gaprune_viz.experiments.executors.tasks import Source, Task, refuse_failed
from gaprune_viz.experiments.tracked_retraining import texts_of
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.pruning.applying import masked
from gaprune_viz.pruning.mask_and_refit import Latest, Pruned, pruned

FOLDER = "recommend"
VALIDATION, TEST = "validation", "test"
Argument = tuple[Settings, str]
"""Settings, and the part of both tasks that they are measured on."""


class SearchBench:
    """What all trials of a search share; and the search as the executors understand it.

    Args:
        analysis: folder of a finished analysis.
        model: the dense model, where it is loaded already.
    """

    def __init__(self, analysis: Path, spec: RecommendSpec, model: EmbeddingModel | None = None) -> None:
        self.statistics, self.spec = Statistics.open(analysis), spec
        pairs = {s: validation_and_test(t) for s, t in zip(SIDES, (spec.task, spec.general_task), strict=True)}
        self.parts = {part: {side: pairs[side][i] for side in SIDES} for i, part in enumerate((VALIDATION, TEST))}
        self.model = model or load_dense(self.statistics)
        self.scope, self.targets = exact_scope(self.statistics, self.model)
        self.store = study_cells(self.statistics.folder / FOLDER)
        self._latest = Latest()

    def values(self, settings: Settings | None, task: RetrievalTask) -> np.ndarray:
        """float64 [queries]; `settings` None for the dense model."""
        key = self._key(settings, task)
        found = self.store.read(key) or self.store.write_once(key, self._measured(settings, task))
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

    def name(self, argument: Argument) -> str:
        settings, part = argument
        return "-".join(self._key(settings, task) for task in self.parts[part].values())

    def known(self, argument: Argument) -> dict[str, Any] | None:
        settings, part = argument
        found = {side: self.store.read(self._key(settings, task)) for side, task in self.parts[part].items()}
        return None if None in found.values() else found

    def done(self, argument: Argument) -> Generator[Progress, None, dict[str, Any]]:
        settings, part = argument
        found = {}
        for side, task in self.parts[part].items():
            yield Progress(f"Measuring {task.name}", 0, 0, 0.0)
            found[side] = self._measured(settings, task)
        return found

    def keep(self, argument: Argument, document: dict[str, Any]) -> dict[str, Any]:
        settings, part = argument
        for side, task in self.parts[part].items():
            self.store.write_once(self._key(settings, task), document[side])
        return document

    def _key(self, settings: Settings | None, task: RetrievalTask) -> str:
        chosen = None if settings is None else settled(settings).content()
        return content_key({"settings": chosen, "task": task.content_hash, "analysis": self.statistics.document["key"]})

    def _measured(self, settings: Settings | None, task: RetrievalTask) -> dict[str, Any]:
        made = None if settings is None else self._pruned(settings)
        with nullcontext() if made is None else masked(self.model, self.targets, made.masks, made.weights):
            evaluation = evaluate(task, *encode_task(self.model, task))
        return {"ndcg_at_10": evaluation.scores["ndcg_at_10"].tolist()}

    def _pruned(self, settings: Settings) -> Pruned:
        work = partial(pruned, self.statistics, self.model, self.scope, self.targets, settings)
        return drain(self._latest.of(settings.key(), work))


def measured_by_workers(
    team: Team, bench: SearchBench, chosen: Sequence[Settings], part: str
) -> Generator[Progress, None, None]:
    """Have workers measure some settings on a part of both tasks.

    Raises:
        GapruneError: some could not be measured; the others are kept.
    """
    cost = sum(map(texts_of, bench.parts[part].values()))
    arguments: list[Argument] = [(settings, part) for settings in chosen]
    tasks = [Task(bench.name(a), part.capitalize(), cost, a) for a in arguments if bench.known(a) is None]
    given = {"analysis": str(bench.statistics.folder.resolve()), "spec": bench.spec.model_dump(mode="json")}
    refuse_failed((yield from ran(team, Source(open_bench, given), bench, tasks)), len(tasks))


def open_bench(analysis: str, spec: dict[str, Any]) -> SearchBench:
    """The search as a worker has it."""
    return SearchBench(Path(analysis), RecommendSpec.parse(spec))
