"""Tasks and embeddings made by hand, whose rankings can be worked out on paper."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from gaprune_viz.evaluation.tasks import Passage, RetrievalTask


def angle(*degrees: float) -> np.ndarray:
    turns = np.radians(degrees)
    return np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)


def unit(n: int, d: int, seed: int) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def task_of(ids: Sequence[str], qrels: dict[str, dict[str, int]]) -> RetrievalTask:
    return RetrievalTask.of(
        "test", [Passage(id, f"text of {id}") for id in ids], {q: f"query {q}" for q in qrels}, qrels
    )


def random_task(passages: int = 150, queries: int = 20, seed: int = 0) -> RetrievalTask:
    rng = random.Random(seed)
    ids = [f"p{i}" for i in range(passages)]
    return task_of(
        ids, {f"q{i}": {id: rng.randint(0, 3) for id in rng.sample(ids, 8)} | {ids[i]: 1} for i in range(queries)}
    )
