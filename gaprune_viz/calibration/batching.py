"""Plan calibration batches: texts of like length together, queries apart from passages, within a token budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gaprune_viz.data.schema import PlainText
from gaprune_viz.models.encoder import EmbeddingModel

# A chunk is closed where the next text would be shorter than this share of its longest one.
LEAST_FILL = 0.75
LEAST_CHUNK = 4


class Sample(Protocol):
    """What training and a contrastive loss need of a triplet."""

    @property
    def query(self) -> str: ...

    @property
    def positive(self) -> str: ...

    @property
    def negatives(self) -> tuple[str, ...]: ...


Given = Sample | PlainText
"""What calibration takes: a triplet, or a text without label."""


def texts_in(sample: Given) -> tuple[str, ...]:
    """The texts of a sample: query, positive, negatives; or the plain text."""
    if isinstance(sample, PlainText):
        return (sample.text,)
    return (sample.query, sample.positive, *sample.negatives)


@dataclass(frozen=True)
class Chunk:
    """Texts that go through the model together.

    Attributes:
        kind: `query` or `passage`.
        ids: token ids of each text.
        samples: position within the step of the sample each text belongs to.
        texts: position of each text among those of the step: queries, then positives, then negatives.
    """

    kind: str
    ids: tuple[tuple[int, ...], ...]
    samples: tuple[int, ...]
    texts: tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """One batch of samples.

    Attributes:
        samples: their positions in the list of samples.
        chunks: the forward passes.
        order: where, in the concatenated outputs of the chunks, each query, then each positive, then each negative is;
            of plain texts, where each text is.
        owner: for each negative, its sample's position within the step.
        texts: of each text in that order, its sample in the list, and its place in the sample: 0 for the query, 1 for
            the positive, from 2 the negatives; 0 for a plain text.
        tokens: real tokens.
    """

    samples: tuple[int, ...]
    chunks: tuple[Chunk, ...]
    order: tuple[int, ...]
    owner: tuple[int, ...]
    texts: tuple[tuple[int, int], ...]
    tokens: int

    @property
    def labelled(self) -> bool:
        """Whether its samples are triplets, not plain texts."""
        return bool(self.owner)


Ids = tuple[int, ...]


@dataclass(frozen=True)
class Tokens:
    """The token ids of one sample: of its query, and of its positive and its negatives.

    A plain text has no query and is one passage.
    """

    query: Ids | None
    passages: tuple[Ids, ...]

    @property
    def count(self) -> int:
        return len(self.query or ()) + sum(map(len, self.passages))


def tokens_of(model: EmbeddingModel, samples: Sequence[Given]) -> list[Tokens]:
    """The token ids of each sample, in their order. A plain text is read as a passage."""
    labelled = [sample for sample in samples if not isinstance(sample, PlainText)]
    # A tokenizer takes no empty list.
    queries = iter(model.token_ids([sample.query for sample in labelled], "query") if labelled else [])
    passages_in = [texts_in(s) if isinstance(s, PlainText) else texts_in(s)[1:] for s in samples]
    passages = iter(model.token_ids([text for texts in passages_in for text in texts], "passage"))
    return [
        Tokens(
            None if isinstance(sample, PlainText) else tuple(next(queries)),
            tuple(tuple(next(passages)) for _ in texts),
        )
        for sample, texts in zip(samples, passages_in, strict=True)
    ]


def plan_steps(
    model: EmbeddingModel, samples: Sequence[Given], token_budget: int, share: tuple[int, int] = (0, 1)
) -> list[Step]:
    """Split samples into steps, as `steps_of`."""
    return steps_of(tokens_of(model, samples), token_budget, share, padded=not model.padding_dependent)


def steps_of(
    samples: Sequence[Tokens], token_budget: int, share: tuple[int, int] = (0, 1), *, padded: bool = True
) -> list[Step]:
    """Split samples into steps. The longest ones come first, so that lack of memory shows at once.

    Args:
        token_budget: most tokens of a step; a longer sample is a step of its own.
        share: (rank, count): the steps of one of several processes, each of which takes every count-th sample in the
            order of length.
        padded: False for forward passes of texts of one length each.
    """
    sizes = [sample.count for sample in samples]
    rank, count = share
    order = sorted(range(len(samples)), key=lambda i: (-sizes[i], i))[rank::count]
    steps: list[Step] = []
    group: list[int] = []
    used = 0
    for i in order:
        if group and used + sizes[i] > token_budget:
            steps.append(_step(group, samples, padded))
            group, used = [], 0
        group.append(i)
        used += sizes[i]
    if group:
        steps.append(_step(group, samples, padded))
    return steps


def _step(group: list[int], samples: Sequence[Tokens], padded: bool) -> Step:
    texts: list[tuple[str, Ids, int, int]] = []  # kind, ids, sample, place; queries, then positives, then negatives
    queries = [(samples[i].query, s) for s, i in enumerate(group)]
    texts += [("query", ids, s, 0) for ids, s in queries if ids is not None]
    first = 1 if texts else 0
    texts += [("passage", samples[i].passages[0], s, first) for s, i in enumerate(group)]
    negatives = [
        ("passage", ids, s, place)
        for s, i in enumerate(group)
        for place, ids in enumerate(samples[i].passages[1:], first + 1)
    ]
    texts += negatives
    chunks: list[Chunk] = []
    position = [0] * len(texts)
    placed = 0
    for kind in ("query", "passage"):
        members = sorted((k for k, text in enumerate(texts) if text[0] == kind), key=lambda k: (-len(texts[k][1]), k))
        for part in like_lengths(members, [len(text[1]) for text in texts], padded):
            chunks.append(Chunk(kind, tuple(texts[k][1] for k in part), tuple(texts[k][2] for k in part), tuple(part)))
            for k in part:
                position[k] = placed
                placed += 1
    return Step(
        samples=tuple(group),
        chunks=tuple(chunks),
        order=tuple(position),
        owner=tuple(s for _, _, s, _ in negatives),
        texts=tuple((group[s], place) for _, _, s, place in texts),
        tokens=sum(len(ids) for _, ids, _, _ in texts),
    )


def like_lengths(members: Sequence[int], lengths: Sequence[int], padded: bool = True) -> list[list[int]]:
    """Cut texts, sorted from long to short, into chunks with little padding.

    Args:
        members: indices into `lengths`, longest text first.
        lengths: tokens of each text.
        padded: False for chunks of one length each.
    """
    parts: list[list[int]] = []
    for k in members:
        part = parts[-1] if parts else None
        shorter = part is not None and lengths[k] < (LEAST_FILL if padded else 1) * lengths[part[0]]
        if part is None or (shorter and (len(part) >= LEAST_CHUNK or not padded)):
            parts.append([k])
        else:
            part.append(k)
    return parts
