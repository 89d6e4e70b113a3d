"""Measures the cells of a study; models, analyses and masks are made when the first missing cell needs them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from gaprune_viz.analysis.exact_scores import exact_scope
from gaprune_viz.analysis.making import analyze_once
from gaprune_viz.calibration.progress import Progress, relayed
from gaprune_viz.calibration.statistics import SPEC_FILE, Statistics
from gaprune_viz.config import SIDES, CalibrationSpec, RunSpec, StudySpec
from gaprune_viz.data.triplets import calibration_triplets
from gaprune_viz.evaluation.retrieval import METRICS, Evaluation, evaluate
from gaprune_viz.evaluation.splits import validation_and_test
from gaprune_viz.evaluation.tasks import RetrievalTask, encode_task
from gaprune_viz.experiments.cells import content_key, study_cells
from gaprune_viz.experiments.learned import refuse_learned
from gaprune_viz.experiments.study.plan import Cell, calibration_of
from gaprune_viz.experiments.tracked_retraining import train
from gaprune_viz.masking.from_statistics import ExactScope
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.applying import census, masked
from gaprune_viz.pruning.mask_and_refit import Latest, Pruned, pruned

Scoped = tuple[ExactScope, tuple[Target, ...]]


class Bench:
    """Everything that the cells of one study share.

    Args:
        spec: the study.
        folder: where its analyses, cells and checkpoints are kept.

    Raises:
        GapruneError: whatever a person can put right, such as queries that are both learned from and asked.
    """

    def __init__(self, spec: StudySpec, folder: Path) -> None:
        self.spec, self.folder, self.store = spec, folder, study_cells(folder)
        self.tasks: dict[str, RetrievalTask] = {
            side: validation_and_test(source)[1]
            for side, source in zip(SIDES, (spec.task, spec.general_task), strict=True)
        }
        self.model = load_model(spec.model)
        # Read once: a BEIR folder's hard negatives are found with the model. The domain's are also the lessons.
        self.triplets = {side: calibration_triplets(spec.calibration, side, self.model.directions) for side in SIDES}
        refuse_learned(
            ((task.name, task) for task in self.tasks.values()),
            [(f"the {side} side, {found.name}", found.triplets) for side, found in self.triplets.items()],
        )
        self.calibration_hash = {side: found.content_hash for side, found in self.triplets.items()}
        self._scopes: dict[str, Scoped] = {}
        self._latest = Latest()

    def key(self, cell: Cell) -> str:
        """The name of a cell on disk: a hash of weights, texts, settings and tasks."""
        content: dict[str, Any] = {
            "weights": self.model.weight_hash,
            "reading": [
                self.model.pooling.value,
                self.model.query_prompt,
                self.model.passage_prompt,
                self.model.max_length,
                self.spec.model.dtype.value,
            ],
            "tasks": {side: task.content_hash for side, task in self.tasks.items()},
            **self.model.determining(),
            "settings": None if cell.settings is None else cell.settings.content(),
            "retrain": None if cell.retrain is None else cell.retrain.content(),
        }
        if cell.settings is not None:
            content["calibration"] = {**calibration_of(self.spec, cell).determining(), "data": self.calibration_hash}
        if cell.retrain is not None:
            content["lessons"] = self.calibration_hash["domain"]
        return content_key(content)

    def measured(self, cell: Cell) -> Generator[Progress, None, dict[str, Any]]:
        """Measure one cell.

        Returns:
            `scores`: by side, `ndcg_at_10` (one per judged query, in the order of the task) and the `means` of every
            metric; `zeros`, `scope_weights`; `curve` of a retrained cell.
        """
        yield Progress(cell.label, 0, 0, 0.0)
        masks: dict[str, Tensor] = {}
        weights: Mapping[str, Tensor] | None = None
        targets: tuple[Target, ...] = ()
        if cell.settings is not None:
            scope, targets = yield from self._scope(calibration_of(self.spec, cell))
            made = yield from self._pruned(cell, scope, targets)
            masks, weights = made.masks, made.weights
        found: dict[str, Any] = {"row": cell.row, "sparsity": cell.sparsity}
        if cell.retrain is None:
            with masked(self.model, targets, masks, weights):
                evaluations = yield from self._evaluate(self.model)
        else:
            checkpoint = self.folder / "checkpoints" / f"{self.key(cell)}.safetensors"
            lessons = self.triplets["domain"].triplets
            work = train(self.model, targets, masks, lessons, cell.retrain, weights=weights, checkpoint=checkpoint)
            trained = yield from relayed(work, lambda update: update.progress)
            found["curve"] = trained.curve.document()
            evaluations = yield from self._evaluate(trained.model)
            checkpoint.unlink(missing_ok=True)
        found["scores"] = {side: _scores(evaluation) for side, evaluation in evaluations.items()}
        counted = census(self.model, masks)
        return found | {key: counted[key] for key in ("zeros", "scope_weights", "model_weights")}

    def _evaluate(self, model: EmbeddingModel) -> Generator[Progress, None, dict[str, Evaluation]]:
        evaluations = {}
        for side, task in self.tasks.items():
            yield Progress(f"Measuring {task.name}", 0, 0, 0.0)
            evaluations[side] = evaluate(task, *encode_task(model, task))
        return evaluations

    def analysis_name(self, calibration: CalibrationSpec) -> str:
        """The folder of the analysis with some calibration, in that of the study."""
        content = {**calibration.determining(), "weights": self.model.weight_hash, "data": self.calibration_hash}
        return f"analysis-{calibration.samples}-{content_key(content)}"

    def analysed(self, calibration: CalibrationSpec) -> Generator[Progress, None, Path]:
        """The analysis with some calibration, in the study's folder: made where it is not there, by one at a time."""
        place = self.folder / self.analysis_name(calibration)

        def run() -> RunSpec:
            return RunSpec(model=self.spec.model, calibration=calibration)

        return (yield from analyze_once(place, (place / SPEC_FILE).is_file, run, self.model))

    def _scope(self, calibration: CalibrationSpec) -> Generator[Progress, None, Scoped]:
        name = self.analysis_name(calibration)
        if name not in self._scopes:
            place = yield from self.analysed(calibration)
            # Statistics of a whole model are large: one analysis is open at a time.
            self._scopes = {name: exact_scope(Statistics.open(place), self.model)}
        return self._scopes[name]

    def _pruned(self, cell: Cell, scope: ExactScope, targets: tuple[Target, ...]) -> Generator[Progress, None, Pruned]:
        assert cell.settings is not None
        work = partial(pruned, scope.statistics, self.model, scope, targets, cell.settings)
        return (yield from self._latest.of(f"{cell.settings.key()}-{cell.samples}-{cell.seed}", work))


def _scores(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "ndcg_at_10": evaluation.scores["ndcg_at_10"].tolist(),
        "means": {metric: evaluation.means[metric] for metric in METRICS},
    }
