"""What a retraining step learns from: batches of triplets, their distinct passages, and who answers whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gaprune_viz.calibration.batching import Sample

# Triplets that share passages stay together in runs of this length: a batch then needs fewer passages, and each
# query meets more passages that are hard to tell from its own.
RUN = 4


@dataclass(frozen=True)
class Lesson:
    """One batch.

    Attributes:
        queries: texts, one a triplet.
        passages: distinct texts, positives and hard negatives together.
        labels: for each query, the position of its positive among the passages.
        excluded: (query, passage) pairs that take no part: other passages known to answer the same query.
    """

    queries: tuple[str, ...]
    passages: tuple[str, ...]
    labels: tuple[int, ...]
    excluded: tuple[tuple[int, int], ...]


def positives_of(triplets: Sequence[Sample]) -> dict[str, frozenset[str]]:
    """Query text -> every passage that answers it somewhere in the data."""
    found: dict[str, set[str]] = defaultdict(set)
    for t in triplets:
        found[t.query].add(t.positive)
    return {query: frozenset(texts) for query, texts in found.items()}


def lesson_of(batch: Sequence[Sample], positives: Mapping[str, frozenset[str]]) -> Lesson:
    """The texts of a batch, each passage once."""
    passages = tuple(dict.fromkeys([*(t.positive for t in batch), *(n for t in batch for n in t.negatives)]))
    place = {text: i for i, text in enumerate(passages)}
    excluded = tuple(
        (row, place[text])
        for row, t in enumerate(batch)
        for text in sorted(positives[t.query])
        if text != t.positive and text in place
    )
    return Lesson(tuple(t.query for t in batch), passages, tuple(place[t.positive] for t in batch), excluded)


def batches_of(triplets: Sequence[Sample], size: int, steps: int, seed: int) -> Iterator[list[int]]:
    """Positions of the triplets of each step. Every triplet is seen once before any is seen twice.

    Runs of triplets that share passages are shuffled anew in every round; the order depends on the seed alone.

    Args:
        size: triplets of a batch, at most all of them.
        steps: how many batches.
    """
    runs = _runs(triplets)
    rng = np.random.default_rng(seed)
    waiting: list[int] = []
    for _ in range(steps):
        while len(waiting) < size:
            waiting += [i for r in rng.permutation(len(runs)) for i in runs[r]]
        yield waiting[:size]
        waiting = waiting[size:]


def _runs(triplets: Sequence[Sample]) -> list[list[int]]:
    """Groups of triplets linked by shared passages, each cut into runs."""
    parent = list(range(len(triplets)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    owner: dict[str, int] = {}
    for i, t in enumerate(triplets):
        for text in (t.positive, *t.negatives):
            parent[root(i)] = root(owner.setdefault(text, i))
    groups: dict[int, list[int]] = defaultdict(list)
    for i in range(len(triplets)):
        groups[root(i)].append(i)
    return [group[start : start + RUN] for group in groups.values() for start in range(0, len(group), RUN)]
