"""A map of a task: its passages and queries in one plane, before and after pruning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gaprune_viz.evaluation.geometry import drift, projection
from gaprune_viz.evaluation.tasks import RetrievalTask, TaskEmbeddings

MOST_POINTS = 600


@dataclass(frozen=True)
class TaskMap:
    """Both spaces in the plane in which the dense one spreads most.

    Attributes:
        points: one row per text: `kind` (passage or query), `id`, `text`, `topic`, `dense_x`, `dense_y`, `pruned_x`,
            `pruned_y`, `drift` (1 - cosine of its two embeddings).
        explained: share of the dense variance along each of the two axes.
        texts: how many there are; more than are drawn, where there are too many.
    """

    points: pd.DataFrame
    explained: tuple[float, float]
    texts: int


def task_map(
    task: RetrievalTask, dense: TaskEmbeddings, pruned: TaskEmbeddings, *, most: int = MOST_POINTS, seed: int = 0
) -> TaskMap:
    """Principal components of all dense texts, passages and queries together, and both models' texts in them.

    Args:
        most: texts that are drawn; of more, as many are sampled. The axes are fitted on all.

    Raises:
        GapruneError: for fewer than two texts, or where all dense texts are in one place.
    """
    before, after = (np.concatenate([e.corpus, e.queries]) for e in (dense.directions, pruned.directions))
    found, moved = projection(before, after), drift(before, after).per_text
    frame = pd.DataFrame(
        {
            "kind": ["passage"] * len(task.corpus) + ["query"] * len(task.queries),
            "id": [*(p.id for p in task.corpus), *task.queries],
            "text": [*(p.title or p.text for p in task.corpus), *task.queries.values()],
            "topic": [*(p.topic for p in task.corpus), *[""] * len(task.queries)],
            "dense_x": found.dense[:, 0],
            "dense_y": found.dense[:, 1],
            "pruned_x": found.pruned[:, 0],
            "pruned_y": found.pruned[:, 1],
            "drift": moved,
        }
    )
    if len(frame) > most:
        frame = frame.iloc[np.sort(np.random.default_rng(seed).choice(len(frame), most, replace=False))]
    return TaskMap(frame.reset_index(drop=True), found.explained, len(before))
