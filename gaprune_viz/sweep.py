"""Many settings on the same tasks: criteria or alignment weights by sparsity, domain beside general.

Every finished cell is on disk before the next begins: a sweep that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from gaprune_viz.config import Settings
from gaprune_viz.core.calibration import Progress
from gaprune_viz.core.encoder import EmbeddingModel
from gaprune_viz.core.exact import ExactScope
from gaprune_viz.core.pruning import masked
from gaprune_viz.core.scoring import criterion
from gaprune_viz.core.statistics import Statistics
from gaprune_viz.core.targets import Target
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.retrieval import (
    Evaluation,
    RetrievalTask,
    compare,
    encode_task,
    evaluate,
    load_task,
)
from gaprune_viz.pipeline import exact_scope, load_dense
from gaprune_viz.results import COMPARED

CELL_FOLDER = "sweep-cells"
CELL_FORMAT = 2
SIDES = ("domain", "general")
COLUMNS = ("row", "sparsity", "task", "side", *COMPARED, "dense_ndcg_at_10", "of_dense", "low", "high")
# The first ten decide the overlap of two rankings; nothing here looks further down.
RANKS_KEPT = 10
HASH_LENGTH = 16


@dataclass(frozen=True)
class SweepPlan:
    """What is swept, and on which tasks.

    Attributes:
        kind: whether the rows are criteria or values of alpha.
        rows: names of criteria, or alignment weights in 0..1.
        sparsities: fractions to prune.
        tasks: starter name or BEIR folder of the domain's task and of the general one.
        base: all that is not swept.

    Raises:
        GapruneError: a row, a sparsity or the base makes no sense here.
    """

    kind: Literal["criteria", "alpha"]
    rows: tuple[str, ...] | tuple[float, ...]
    sparsities: tuple[float, ...]
    tasks: tuple[str, str]
    base: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        if self.kind not in ("criteria", "alpha"):
            raise GapruneError(f"There is no sweep over {self.kind!r}.", "Sweep over criteria or over alpha.")
        for name, values in ((self.kind, self.rows), ("sparsities", self.sparsities)):
            if not values:
                raise GapruneError(f"The list of {name} is empty.", "Give at least one value.")
            if len(set(values)) < len(values):
                raise GapruneError(f"A value of {name} is given twice.", "Give each value once.")
        if self.base.mask.pattern != "unstructured":
            raise GapruneError(
                f"The pattern {self.base.mask.pattern} sets the sparsity itself; there is nothing to sweep.",
                "Use the pattern unstructured.",
            )
        if self.kind == "alpha" and "alpha" not in criterion(self.base.score.criterion).uses:
            raise GapruneError(
                f"The criterion {self.base.score.criterion} has no alpha in its formula.", "Use --criterion dai."
            )
        for row, sparsity in self.places():
            criterion(self.settings(row, sparsity).score.criterion)

    def places(self) -> Iterator[tuple[str | float, float]]:
        """(row, sparsity) of every cell, in the order in which they are computed."""
        return ((row, sparsity) for row in self.rows for sparsity in self.sparsities)

    def settings(self, row: str | float, sparsity: float) -> Settings:
        """The settings of one cell."""
        change = {"criterion" if self.kind == "criteria" else "alpha": row}
        return Settings(score=self.base.score.with_(**change), mask=self.base.mask.with_(sparsity=sparsity))


def sweep(
    analysis_folder: Path, plan: SweepPlan, *, model: EmbeddingModel | None = None
) -> Generator[Progress, None, pd.DataFrame]:
    """Prune and evaluate every cell of a plan. Closing the generator keeps the cells that are finished.

    Args:
        analysis_folder: a finished analysis with its tensors; cells are kept in `sweep-cells` in it.
        model: the dense model, where it is loaded already. It is loaded only if a cell is missing.

    Yields:
        Progress after each task of each cell; what was found on disk counts as done.

    Returns:
        one row per cell and task, columns `COLUMNS`: `row` (criterion or alpha), `sparsity`, `task` (its name),
        `side`, means of the metrics (0..1), `dense_ndcg_at_10`, `of_dense` (nDCG@10 as a fraction of the dense
        model's; nan where that is 0), `low` and `high` (95 % paired bootstrap interval of the difference in nDCG@10;
        nan with a single query).

    Raises:
        GapruneError: whatever a person can put right.
    """
    statistics = Statistics.open(analysis_folder)
    tasks = {side: load_task(source) for side, source in zip(SIDES, plan.tasks, strict=True)}
    bench = _Bench(statistics, _cell_folder(analysis_folder), model)
    places = list(plan.places())
    began, total = time.monotonic(), len(places) * len(tasks)
    yield Progress("Sweep", 0, total, 0.0)
    rows: list[dict[str, Any]] = []
    for row, sparsity in places:
        for side, task in tasks.items():
            cell = bench.cell(plan.settings(row, sparsity), task)
            rows.append({"row": row, "sparsity": sparsity, "task": task.name, "side": side, **cell})
            label = row if plan.kind == "criteria" else f"alpha {row:g}"
            stage = f"{label}, sparsity {sparsity:.0%}, {task.name}"
            yield Progress(stage, len(rows), total, time.monotonic() - began)
    return pd.DataFrame(rows, columns=list(COLUMNS))


class _Bench:
    """Evaluates one cell after another; the model, the scope and the last mask are made when first needed."""

    def __init__(self, statistics: Statistics, folder: Path, model: EmbeddingModel | None) -> None:
        self.statistics, self.folder, self.model = statistics, folder, model
        self.scope: tuple[ExactScope, tuple[Target, ...]] | None = None
        self.dense: dict[str, Evaluation] = {}
        self.masks: tuple[str, dict[str, Any]] = ("", {})

    def cell(self, settings: Settings, task: RetrievalTask) -> dict[str, float]:
        """The numbers of one cell, from disk where they are there."""
        place = self.folder / f"{settings.key()}-{task.content_hash[:HASH_LENGTH]}.json"
        numbers = _read(place, "numbers")
        if numbers is None:
            numbers = self._measure(settings, task)
            _write(place, {"settings": settings.model_dump(mode="json"), "task": task.name, "numbers": numbers})
        return _row(numbers)

    def _measure(self, settings: Settings, task: RetrievalTask) -> dict[str, float | None]:
        dense = self._dense(task)
        model, (scope, targets) = self._loaded()
        if self.masks[0] != settings.key():
            self.masks = (settings.key(), scope.masks(settings).masks)
        with masked(model, targets, self.masks[1]):
            embeddings = encode_task(model, task)
        found = compare(task, dense, evaluate(task, *embeddings))
        low, high = found.intervals["ndcg_at_10"]
        return {
            **{metric: found.pruned[metric] for metric in COMPARED},
            "dense_ndcg_at_10": found.dense["ndcg_at_10"],
            "low": low if math.isfinite(low) else None,
            "high": high if math.isfinite(high) else None,
        }

    def _dense(self, task: RetrievalTask) -> Evaluation:
        if task.content_hash not in self.dense:
            place = self.folder / f"dense-{task.content_hash[:HASH_LENGTH]}.json"
            stored = _read(place, "evaluation")
            if stored is None:
                model, _ = self._loaded()
                with model.lock:
                    embeddings = encode_task(model, task)
                stored = _stored(evaluate(task, *embeddings))
                _write(place, {"task": task.name, "evaluation": stored})
            self.dense[task.content_hash] = _restored(stored)
        return self.dense[task.content_hash]

    def _loaded(self) -> tuple[EmbeddingModel, tuple[ExactScope, tuple[Target, ...]]]:
        self.model = self.model or load_dense(self.statistics)
        self.scope = self.scope or exact_scope(self.statistics, self.model)
        return self.model, self.scope


def _row(numbers: dict[str, float | None]) -> dict[str, float]:
    """A stored cell as it stands in the frame."""
    plain = {key: math.nan if value is None else float(value) for key, value in numbers.items()}
    dense = plain["dense_ndcg_at_10"]
    return {**plain, "of_dense": plain["ndcg_at_10"] / dense if dense > 0 else math.nan}


def _stored(evaluation: Evaluation) -> dict[str, Any]:
    """What a comparison needs of an evaluation, ready for JSON."""
    return {
        "queries": list(evaluation.scores.index),
        "scores": {name: evaluation.scores[name].tolist() for name in evaluation.scores.columns},
        "rankings": [evaluation.rankings[query_id][:RANKS_KEPT] for query_id in evaluation.scores.index],
        "first_relevant": [None if pd.isna(rank) else int(rank) for rank in evaluation.first_relevant],
        "excluded": evaluation.excluded,
    }


def _restored(stored: dict[str, Any]) -> Evaluation:
    index = pd.Index(stored["queries"], name="qid")
    return Evaluation(
        scores=pd.DataFrame(stored["scores"], index=index),
        rankings={
            query_id: [(passage_id, score) for passage_id, score in ranking]
            for query_id, ranking in zip(index, stored["rankings"], strict=True)
        },
        first_relevant=pd.Series(stored["first_relevant"], index=index, dtype="Int64", name="first_relevant"),
        excluded=stored["excluded"],
    )


def _cell_folder(analysis_folder: Path) -> Path:
    folder = analysis_folder / CELL_FOLDER
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise GapruneError(
            f"{folder} cannot be made: {error.strerror}.", "Copy the analysis to a folder you own."
        ) from error
    return folder


def _read(place: Path, part: str) -> dict[str, Any] | None:
    """A part of a stored document; None where there is none of this format: it is then computed again."""
    try:
        document = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict) or document.get("format") != CELL_FORMAT:
        return None
    return document.get(part)


def _write(place: Path, document: dict[str, Any]) -> None:
    """Write a document so that others see all of it or nothing."""
    text = json.dumps({"format": CELL_FORMAT, **document}, ensure_ascii=False, allow_nan=False)
    name = ""
    try:
        with tempfile.NamedTemporaryFile("w", dir=place.parent, suffix=".tmp", delete=False, encoding="utf-8") as file:
            name = file.name
            file.write(text + "\n")
        Path(name).replace(place)
    except OSError as error:
        if name:
            Path(name).unlink(missing_ok=True)
        raise GapruneError(f"Writing {place} failed: {error.strerror}.", "Check free space and permissions.") from error
