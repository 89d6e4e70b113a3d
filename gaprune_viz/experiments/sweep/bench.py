"""One cell after another, each on disk before the next begins."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gaprune_viz.analysis.exact_scores import exact_scope, load_dense
from gaprune_viz.calibration.progress import Progress
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import Settings
from gaprune_viz.evaluation.comparison import COMPARED
from gaprune_viz.evaluation.embedding_cache import CachedEncoder, by_its_own_weights, embedding_cache
from gaprune_viz.evaluation.retrieval import Evaluation, compare, evaluate
from gaprune_viz.evaluation.tasks import RetrievalTask, encode_task
from gaprune_viz.experiments.cells import sweep_cells
from gaprune_viz.masking.from_statistics import ExactScope
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.mask_and_refit import Latest, pruned
from gaprune_viz.pruning.structured.making import plan

# The first ten decide the overlap of two rankings; nothing here looks further down.
RANKS_KEPT = 10
HASH_LENGTH = 16


@dataclass(frozen=True)
class Cell:
    """One setting on one task.

    Attributes:
        numbers: means of the metrics, `dense_ndcg_at_10`, `low`, `high`, `p`; nan where there is none.
        ndcg_at_10: float64 [queries], of each judged query in the task's order.
    """

    numbers: dict[str, float]
    ndcg_at_10: np.ndarray


class Bench:
    """Evaluates one cell after another; the model, the scope and what was pruned last are made when first needed.

    Args:
        analysis: folder of a finished analysis; cells are kept in it.
        model: the dense model, where it is loaded already.
    """

    def __init__(self, analysis: Path, model: EmbeddingModel | None = None) -> None:
        self.statistics, self.store, self.model = Statistics.open(analysis), sweep_cells(analysis), model
        self.cache = embedding_cache()
        self.scope: tuple[ExactScope, tuple[Target, ...]] | None = None
        self.dense: dict[str, Evaluation] = {}
        self.latest = Latest()
        self.cut: tuple[str, EmbeddingModel] | None = None

    def known(self, settings: Settings, task: RetrievalTask) -> Cell | None:
        """A cell, where it is on disk."""
        document = self.store.read(self.key(settings, task), "numbers", "ndcg_at_10")
        return None if document is None else _cell(document)

    def measured(self, settings: Settings, task: RetrievalTask) -> Generator[Progress, None, dict[str, Any]]:
        """A cell as it is kept, measured now; it tells of what is made of the weights."""
        found = yield from self._measure(settings, task)
        return {
            "settings": settings.model_dump(mode="json"),
            "task": task.name,
            "numbers": {key: value if math.isfinite(value) else None for key, value in found.numbers.items()},
            "ndcg_at_10": found.ndcg_at_10.tolist(),
        }

    def keep(self, settings: Settings, task: RetrievalTask, document: dict[str, Any]) -> Cell:
        """Put a cell on disk, unless it is there; it as kept.

        Raises:
            GapruneError: it cannot be written.
        """
        return _cell(self.store.write_once(self.key(settings, task), document))

    def key(self, settings: Settings, task: RetrievalTask) -> str:
        """The name of a cell on disk."""
        return f"{settings.key()}-{task.content_hash[:HASH_LENGTH]}"

    def dense_known(self, task: RetrievalTask) -> bool:
        """Whether the dense model has been measured on a task."""
        return self.store.read(_dense_key(task), "evaluation") is not None

    def dense_scores(self, task: RetrievalTask) -> np.ndarray:
        """nDCG@10 of the dense model, float64 [queries], of each judged query in the task's order."""
        return self._dense(task).scores["ndcg_at_10"].to_numpy(float)

    def loaded(self) -> EmbeddingModel:
        """The dense model."""
        self.model = self.model or load_dense(self.statistics)
        return self.model

    def _measure(self, settings: Settings, task: RetrievalTask) -> Generator[Progress, None, Cell]:
        dense = self._dense(task)
        encoder = yield from self._encoder(settings)
        evaluation = evaluate(task, *encode_task(encoder, task))
        found = compare(task, dense, evaluation)
        low, high = found.intervals["ndcg_at_10"]
        numbers = {
            **{metric: found.pruned[metric] for metric in COMPARED},
            "dense_ndcg_at_10": found.dense["ndcg_at_10"],
            "low": low,
            "high": high,
            "p": found.p_values["ndcg_at_10"],
        }
        return Cell(numbers, evaluation.scores["ndcg_at_10"].to_numpy(float))

    def _encoder(self, settings: Settings) -> Generator[Progress, None, CachedEncoder]:
        """The pruned model: dense under a mask, or without its structures."""
        model = self.loaded()
        self.scope = self.scope or exact_scope(self.statistics, model)
        scope, targets = self.scope
        if settings.structure.whole:
            if self.cut is None or self.cut[0] != settings.key():
                made = yield from plan(self.statistics, model, scope, settings).made(model)
                self.cut = (settings.key(), by_its_own_weights(made.tried.best))
            return CachedEncoder(self.cut[1], self.cache)
        work = partial(pruned, self.statistics, model, scope, targets, settings)
        made = yield from self.latest.of(settings.key(), work)
        return CachedEncoder(model, self.cache, targets, made.masks, made.weights)

    def _dense(self, task: RetrievalTask) -> Evaluation:
        if task.content_hash not in self.dense:
            key = _dense_key(task)
            document = self.store.read(key, "evaluation")
            if document is None:
                embeddings = encode_task(CachedEncoder(self.loaded(), self.cache), task)
                document = {"task": task.name, "evaluation": _stored(evaluate(task, *embeddings))}
                self.store.write(key, document)
            self.dense[task.content_hash] = _restored(document["evaluation"])
        return self.dense[task.content_hash]


def _dense_key(task: RetrievalTask) -> str:
    return f"dense-{task.content_hash[:HASH_LENGTH]}"


def _cell(document: dict[str, Any]) -> Cell:
    numbers = {key: math.nan if value is None else float(value) for key, value in document["numbers"].items()}
    return Cell(numbers, np.array(document["ndcg_at_10"], dtype=np.float64))


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
