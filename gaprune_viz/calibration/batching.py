"""Plan calibration batches: texts of like length together, queries apart from passages, within a token budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gaprune_viz.models.encoder import EmbeddingModel

# A chunk is closed where the next text would be shorter than this share of its longest one.
LEAST_FILL = 0.75
LEAST_CHUNK = 4


class Sample(Protocol):
    """What calibration needs of a triplet."""

    @property
    def query(self) -> str: ...

    @property
    def positive(self) -> str: ...

    @property
    def negatives(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Chunk:
    """Texts that go through the model together.

    Attributes:
        kind: `query` or `passage`.
        ids: token ids of each text.
        samples: position within the step of the sample each text belongs to.
    """

    kind: str
    ids: tuple[tuple[int, ...], ...]
    samples: tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """One batch of samples.

    Attributes:
        samples: their positions in the list of triplets.
        chunks: the forward passes.
        order: where, in the concatenated outputs of the chunks, each query, then each positive, then each negative is.
        owner: for each negative, its sample's position within the step.
        tokens: real tokens.
    """

    samples: tuple[int, ...]
    chunks: tuple[Chunk, ...]
    order: tuple[int, ...]
    owner: tuple[int, ...]
    tokens: int


Ids = tuple[int, ...]


@dataclass(frozen=True)
class Tokens:
    """The token ids of one sample: of its query, and of its positive and its negatives."""

    query: Ids
    passages: tuple[Ids, ...]

    @property
    def count(self) -> int:
        return len(self.query) + sum(map(len, self.passages))


def tokens_of(model: EmbeddingModel, triplets: Sequence[Sample]) -> list[Tokens]:
    """The token ids of each sample, in the order of the triplets."""
    queries = model.token_ids([t.query for t in triplets], "query")
    flat = [text for t in triplets for text in (t.positive, *t.negatives)]
    passages = iter(model.token_ids(flat, "passage"))
    return [
        Tokens(tuple(query), tuple(tuple(next(passages)) for _ in range(1 + len(t.negatives))))
        for query, t in zip(queries, triplets, strict=True)
    ]


def plan_steps(
    model: EmbeddingModel, triplets: Sequence[Sample], token_budget: int, share: tuple[int, int] = (0, 1)
) -> list[Step]:
    """Split triplets into steps, as `steps_of`."""
    return steps_of(tokens_of(model, triplets), token_budget, share)


def steps_of(samples: Sequence[Tokens], token_budget: int, share: tuple[int, int] = (0, 1)) -> list[Step]:
    """Split samples into steps. The longest ones come first, so that lack of memory shows at once.

    Args:
        token_budget: most tokens of a step; a longer sample is a step of its own.
        share: (rank, count): the steps of one of several processes, each of which takes every count-th sample in the
            order of length.
    """
    sizes = [sample.count for sample in samples]
    rank, count = share
    order = sorted(range(len(samples)), key=lambda i: (-sizes[i], i))[rank::count]
    steps: list[Step] = []
    group: list[int] = []
    used = 0
    for i in order:
        if group and used + sizes[i] > token_budget:
            steps.append(_step(group, samples))
            group, used = [], 0
        group.append(i)
        used += sizes[i]
    if group:
        steps.append(_step(group, samples))
    return steps


def _step(group: list[int], samples: Sequence[Tokens]) -> Step:
    texts: list[tuple[str, Ids, int]] = []  # kind, ids, sample; queries, then positives, then negatives
    texts += [("query", samples[i].query, s) for s, i in enumerate(group)]
    texts += [("passage", samples[i].passages[0], s) for s, i in enumerate(group)]
    negatives = [("passage", ids, s) for s, i in enumerate(group) for ids in samples[i].passages[1:]]
    texts += negatives
    chunks: list[Chunk] = []
    position = [0] * len(texts)
    placed = 0
    for kind in ("query", "passage"):
        members = sorted((k for k, text in enumerate(texts) if text[0] == kind), key=lambda k: (-len(texts[k][1]), k))
        for part in like_lengths(members, [len(text[1]) for text in texts]):
            chunks.append(Chunk(kind, tuple(texts[k][1] for k in part), tuple(texts[k][2] for k in part)))
            for k in part:
                position[k] = placed
                placed += 1
    return Step(
        samples=tuple(group),
        chunks=tuple(chunks),
        order=tuple(position),
        owner=tuple(s for _, _, s in negatives),
        tokens=sum(len(ids) for _, ids, _ in texts),
    )


def like_lengths(members: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    """Cut texts, sorted from long to short, into chunks with little padding.

    Args:
        members: indices into `lengths`, longest text first.
        lengths: tokens of each text.
    """
    parts: list[list[int]] = []
    for k in members:
        part = parts[-1] if parts else None
        if part is None or (len(part) >= LEAST_CHUNK and lengths[k] < LEAST_FILL * lengths[part[0]]):
            parts.append([k])
        else:
            part.append(k)
    return parts
