"""Similarities, orders and ranks, and two rankings of one query side by side.

Scores are accumulated in float64 and kept as float32, so that equal passages get equal scores however the work is
cut up. Ties go to the smaller passage id.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from gaprune_viz.evaluation.tasks import COSINE, Passage

CORPUS_BLOCK = 1 << 15


def similarity(queries: np.ndarray, corpus: np.ndarray, by: str = COSINE) -> np.ndarray:
    """How like every query is to every passage, as sentence-transformers counts it: higher is nearer.

    Args:
        queries: [q, d]; unit rows for `cosine`.
        corpus: [p, d]; unit rows for `cosine`.
        by: `cosine` or `dot`, the product of two rows; `euclidean` or `manhattan`, their distance below 0.

    Returns:
        float32 [q, p].
    """
    out = np.empty((len(queries), len(corpus)), dtype=np.float32)
    wide = queries.astype(np.float64)
    for start in range(0, len(corpus), CORPUS_BLOCK):
        block = corpus[start : start + CORPUS_BLOCK].astype(np.float64)
        out[:, start : start + len(block)] = _likeness(wide, block, by)
    return out


def _likeness(queries: np.ndarray, block: np.ndarray, by: str) -> np.ndarray:
    if by in (COSINE, "dot"):
        return queries @ block.T
    if by not in ("euclidean", "manhattan"):
        raise ValueError(f"no similarity is called {by!r}")
    order = 2 if by == "euclidean" else 1
    return -np.stack([np.linalg.norm(block - query, ord=order, axis=1) for query in queries])


def id_order(passages: Sequence[Passage]) -> np.ndarray:
    """Positions of passages in the order of their ids: over scores in this order, a stable sort settles ties."""
    return np.array(sorted(range(len(passages)), key=lambda i: passages[i].id), dtype=np.intp)


def top(scores: np.ndarray, k: int) -> np.ndarray:
    """Positions of the k highest of scores [p], best first; equal scores stay in order."""
    if k < len(scores):
        bar = np.partition(scores, len(scores) - k)[len(scores) - k]
        candidates = np.flatnonzero(scores >= bar)
    else:
        candidates = np.arange(len(scores))
    return candidates[np.argsort(-scores[candidates], kind="stable")][:k]


def rank_of(scores: np.ndarray, position: int) -> int:
    """Rank, from 1, of one position among scores [p]; of equal scores the earlier position is first."""
    score = scores[position]
    return 1 + int(np.count_nonzero(scores > score)) + int(np.count_nonzero(scores[:position] == score))


@dataclass(frozen=True, slots=True)
class RankedPassage:
    """A passage in both rankings of one query. Ranks count from 1 over the whole corpus; scores are similarities."""

    id: str
    title: str
    text: str
    topic: str
    dense_rank: int
    pruned_rank: int
    dense_score: float
    pruned_score: float
    relevant: bool

    @property
    def move(self) -> int:
        """Places gained by pruning: positive is up, negative is down."""
        return self.dense_rank - self.pruned_rank

    @property
    def score_change(self) -> float:
        """Pruned cosine less dense cosine."""
        return self.pruned_score - self.dense_score


@dataclass(frozen=True)
class SideBySide:
    """The best passages of each model for one query, best first.

    Attributes:
        overlap: share that both lists hold.
        passages: how many were ranked.
    """

    dense: tuple[RankedPassage, ...]
    pruned: tuple[RankedPassage, ...]
    overlap: float
    passages: int = 0


def side_by_side(
    dense_scores: np.ndarray,
    pruned_scores: np.ndarray,
    passages: Sequence[Passage],
    relevant_ids: Collection[str] = (),
    k: int = 10,
) -> SideBySide:
    """The top k of each model, every passage with its true rank in both.

    Args:
        dense_scores: [p], one query's row of `similarity`.
        pruned_scores: [p], the same query and passages with the pruned model.
        passages: p passages.
        relevant_ids: passages known to answer the query; none for a query that somebody typed.
        k: length of each list; fewer where the corpus is smaller.

    Raises:
        ValueError: where lengths differ, k is below 1, or a score is not finite.
    """
    both = np.stack([dense_scores, pruned_scores]) if dense_scores.shape == pruned_scores.shape else np.empty((0,))
    if both.shape != (2, len(passages)) or not len(passages) or k < 1 or not np.isfinite(both).all():
        raise ValueError(
            f"side_by_side needs k >= 1 and one finite score per passage from each model; got k={k}, "
            f"{dense_scores.shape}, {pruned_scores.shape} and {len(passages)} passages"
        )
    order = id_order(passages)
    best = [order[np.argsort(-line[order], kind="stable")] for line in (both[0], both[1])]
    rank = np.empty(both.shape, dtype=int)
    for model, positions in enumerate(best):
        rank[model, positions] = np.arange(1, len(passages) + 1)

    def entry(i: int) -> RankedPassage:
        p = passages[i]
        return RankedPassage(
            id=p.id,
            title=p.title,
            text=p.text,
            topic=p.topic,
            dense_rank=int(rank[0, i]),
            pruned_rank=int(rank[1, i]),
            dense_score=float(both[0, i]),
            pruned_score=float(both[1, i]),
            relevant=p.id in relevant_ids,
        )

    dense, pruned = (tuple(entry(int(i)) for i in positions[:k]) for positions in best)
    shared = {p.id for p in dense} & {p.id for p in pruned}
    return SideBySide(dense, pruned, len(shared) / len(dense), len(passages))
