"""Whether a model searches better than chance: its rankings, handed to other queries than they were made for.

A model that cannot retrieve (a plain language model, a wrong pooling, missing prompts) has rankings that serve any
query alike, and what pruning does to them means nothing. The queries are permuted (a permutation test: Good,
Permutation Tests, 2000); the observed arrangement counts as one of them (Phipson and Smyth, 2010).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from gaprune_viz.analysis.loss_check import WHAT_TO_TRY

if TYPE_CHECKING:
    from gaprune_viz.evaluation.tasks import RetrievalTask

PERMUTATIONS = 400
MOST_QUERIES = 500
CUT = 10
LEVEL = 0.01
# With fewer, a model that answers every query would hardly reach the level: nothing can be told apart.
LEAST_ARRANGEMENTS = round(5 / LEVEL)


class Ranked(Protocol):
    """What is read of an evaluation: query id -> (passage id, similarity), best first."""

    @property
    def rankings(self) -> dict[str, list[tuple[str, float]]]: ...


@dataclass(frozen=True)
class Chance:
    """What a model reaches where its rankings are handed to other queries.

    Attributes:
        observed: mean nDCG@10 of the queries looked at, each with its own ranking.
        expected: the same where rankings are permuted, mean over permutations.
        p_value: share of permutations that reach as much, in (0, 1].
        queries: how many were looked at.
        arrangements: in how many ways their rankings can be handed out, those of queries with the same answers being
            alike.
    """

    observed: float
    expected: float
    p_value: float
    queries: int
    arrangements: int

    @property
    def is_clear(self) -> bool:
        """Whether the model is clearly above chance, or there are too few arrangements to say that it is not."""
        return self.arrangements < LEAST_ARRANGEMENTS or self.p_value <= LEVEL


def chance_of(task: RetrievalTask, found: Ranked, *, seed: int = 0) -> Chance:
    """Compare rankings with what they would be worth to other queries.

    Above 500 queries, as many are drawn.
    """
    rng = np.random.default_rng(seed)
    asked = list(found.rankings)
    if len(asked) > MOST_QUERIES:
        asked = [asked[i] for i in np.sort(rng.choice(len(asked), MOST_QUERIES, replace=False))]
    worth = _worth(
        [[id for id, _ in found.rankings[query][:CUT]] for query in asked],
        [{id: grade for id, grade in task.qrels[query].items() if grade > 0} for query in asked],
    )
    everywhere = np.arange(len(asked))
    observed = float(worth[everywhere, everywhere].mean()) if asked else 0.0
    drawn = np.array([worth[everywhere, rng.permutation(len(asked))].mean() for _ in range(PERMUTATIONS)])
    reached = int(np.count_nonzero(drawn >= observed - 1e-12))
    p_value = (1 + reached) / (1 + PERMUTATIONS)
    return Chance(observed, float(drawn.mean()), p_value, len(asked), _arrangements(task, asked))


def _arrangements(task: RetrievalTask, asked: Sequence[str]) -> int:
    """Permutations of the queries that differ: queries of one cluster may change places, and nothing is another."""
    _, sizes = np.unique(task.clusters(asked), return_counts=True)
    return math.factorial(len(asked)) // math.prod(math.factorial(int(size)) for size in sizes)


def _worth(tops: Sequence[Sequence[str]], grades: Sequence[Mapping[str, int]]) -> np.ndarray:
    """nDCG@10 of every ranking for every query, linear gain as in trec_eval, float64 [rankings, queries]."""
    wanted: dict[str, list[tuple[int, int]]] = {}
    for query, judged in enumerate(grades):
        for id, grade in judged.items():
            wanted.setdefault(id, []).append((query, grade))
    discounts = 1 / np.log2(np.arange(CUT) + 2)
    worth = np.zeros((len(tops), len(grades)))
    for row, top in enumerate(tops):
        for rank, id in enumerate(top):
            for query, grade in wanted.get(id, ()):
                worth[row, query] += grade * discounts[rank]
    best = [sorted(judged.values(), reverse=True)[:CUT] for judged in grades]
    ideal = np.array([np.dot(found, discounts[: len(found)]) for found in best])
    return worth / np.where(ideal > 0, ideal, 1)


def remark(chance: Chance, label: str = "The dense model") -> str:
    """A sentence where a comparison with the model means nothing; else nothing."""
    if chance.is_clear:
        return ""
    return (
        f"{label} does not search clearly better than chance here (nDCG@10 {chance.observed:.3f}, with the queries "
        f"permuted {chance.expected:.3f}, p = {chance.p_value:.2g}), so that a comparison with it means nothing. "
        f"{WHAT_TO_TRY}"
    )
