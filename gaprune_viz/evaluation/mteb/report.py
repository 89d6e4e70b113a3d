"""Scores as a table: one row per task and version, with the difference to the dense model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gaprune_viz.evaluation.mteb.running import Score
from gaprune_viz.evaluation.significance import paired_bootstrap, sign_flip_test

DENSE = "dense"
COLUMNS = (
    "task",
    "kind",
    "variant",
    "metric",
    "score",
    "difference",
    "low",
    "high",
    "p_value",
    "queries",
    "model",
    "revision",
    "data",
    "data_revision",
    "query_prompt",
    "passage_prompt",
    "max_length",
    "dtype",
    "seconds",
    "mrr_at_10",
    "recall_at_10",
    "recall_at_100",
    "map",
)


def frame(scores: Sequence[Score], *, seed: int = 0) -> pd.DataFrame:
    """One row per task and variant, columns `COLUMNS`.

    `difference` is to the dense model on the same task. Where the task is a search, `low` and `high` are its 95 %
    paired bootstrap interval over queries and `p_value` is that of a sign-flip test, both as in `retrieval.compare`;
    where a task has several splits or subsets they weigh by their queries there. What does not apply is nan.
    """
    dense = {score.task: score for score in scores if score.variant == DENSE}
    rows = [_row(score, dense.get(score.task), seed) for score in scores]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def records(scores: Sequence[Score], *, seed: int = 0) -> list[dict[str, Any]]:
    """The same rows as plain values, ready for JSON; what does not apply is left out."""
    return [
        {str(key): value for key, value in row.items() if not (isinstance(value, float) and math.isnan(value))}
        for row in frame(scores, seed=seed).to_dict(orient="records")
    ]


def _row(score: Score, dense: Score | None, seed: int) -> dict[str, Any]:
    compared = dense if dense is not None and score.variant != DENSE else None
    return {
        "task": score.task,
        "kind": score.kind,
        "variant": score.variant,
        "metric": score.metric,
        "score": score.score,
        **_difference(score, compared, seed),
        "queries": len(score.per_query) or math.nan,
        "model": score.model,
        "revision": score.revision,
        "data": score.data,
        "data_revision": score.data_revision,
        "query_prompt": score.prompts["query"],
        "passage_prompt": score.prompts["passage"],
        "max_length": score.max_length,
        "dtype": score.dtype,
        "seconds": score.seconds,
        **score.more,
    }


def _difference(score: Score, dense: Score | None, seed: int) -> dict[str, float]:
    if dense is None:
        return {}
    known = {"difference": score.score - dense.score}
    shared = [id for id in score.per_query if id in dense.per_query]
    if not shared:
        return known
    values = np.array([score.per_query[id] - dense.per_query[id] for id in shared])
    clusters = np.array([score.clusters[id] for id in shared])
    low, high = paired_bootstrap(values, clusters=clusters, seed=seed)
    return {**known, "low": low, "high": high, "p_value": sign_flip_test(values, clusters=clusters, seed=seed)}
