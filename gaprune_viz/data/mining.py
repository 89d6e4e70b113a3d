"""Triplets from a retrieval collection: the hardest passages that are not relevant become negatives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from gaprune_viz.data.beir import BeirData, passage_text, queries_are_passages
from gaprune_viz.data.schema import MAX_TEXT, Embed, Notes, RawRow
from gaprune_viz.errors import GapruneError

MARGIN = 0.95
_BLOCK_SCORES = 16 * 1024 * 1024


def mine_rows(
    data: BeirData,
    embed: Embed,
    notes: Notes,
    *,
    negatives: int = 1,
    margin: float = MARGIN,
    seed: int = 0,
    every_positive: bool = False,
) -> Iterator[RawRow]:
    """One row for every query with a relevant passage and a hard negative.

    The positive is the passage with the highest grade, drawn where several share it. Negatives are the best
    passages that are not relevant and score below `margin` times the positive: what scores higher is often
    relevant and merely not judged. Never is the query's own text one, nor, where queries are passages of the
    collection, the passage of its id. Queries without such a passage are written to `notes`.

    Args:
        every_positive: a row for each relevant passage, not for one alone.

    Raises:
        GapruneError: when the model gives embeddings that are no finite numbers.
    """
    passage_ids = list(data.corpus)
    texts = [passage_text(*data.corpus[name]) for name in passage_ids]
    usable = np.array([0 < len(text) <= MAX_TEXT for text in texts])
    position = {name: index for index, name in enumerate(passage_ids)}
    same_text: dict[str, list[int]] = defaultdict(list)
    for index, text in enumerate(texts):
        same_text[text].append(index)

    queries = list(data.qrels)
    positives = _draw_positives(data, queries, usable, position, None if every_positive else seed)
    passages = _checked(embed([text[:MAX_TEXT] or " " for text in texts], "passage"), len(texts))
    vectors = _checked(embed([data.queries[query][:MAX_TEXT] for query in queries], "query"), len(queries))
    own = queries_are_passages(data.qrels, data.corpus)
    for number, (query, scores) in enumerate(zip(queries, _score_rows(vectors, passages), strict=True)):
        asked = data.queries[query]
        if not positives[number] or len(asked) > MAX_TEXT:
            notes.add(f"query {query}: a text is empty or longer than {MAX_TEXT:,} characters")
            continue
        taken = {
            index
            for name, grade in data.qrels[query].items()
            if grade > 0 and name in position
            for index in same_text[texts[position[name]]]
        } | set(same_text.get(asked, ()))
        if own and query in position:
            taken.add(position[query])
        for positive in positives[number]:
            found = _hardest(scores, scores[positive], usable, sorted(taken), negatives, margin)
            if not found:
                notes.add(f"query {query}: no other passage scores below {margin:.0%} of its positive")
                continue
            yield RawRow(f"query {query}", asked, texts[positive], list(dict.fromkeys(texts[i] for i in found)))


def _draw_positives(
    data: BeirData, queries: Sequence[str], usable: np.ndarray, position: dict[str, int], seed: int | None
) -> list[list[int]]:
    """Positions of the positives of each query: one that is drawn among the best, or all without a seed."""
    rng = np.random.default_rng(seed)
    drawn: list[list[int]] = []
    for query in queries:
        grades = {position[name]: grade for name, grade in data.qrels[query].items() if grade > 0 and name in position}
        grades = {index: grade for index, grade in grades.items() if usable[index]}
        best = [index for index, grade in grades.items() if grade == max(grades.values())]
        if seed is None:
            drawn.append(list(grades))
        else:
            drawn.append([best[int(rng.integers(len(best)))]] if best else [])
    return drawn


def _score_rows(queries: np.ndarray, passages: np.ndarray) -> Iterator[np.ndarray]:
    """Cosine similarity of each query with all passages, [p] at a time; computed in blocks of bounded size."""
    block = max(1, _BLOCK_SCORES // max(1, len(passages)))
    for start in range(0, len(queries), block):
        yield from queries[start : start + block] @ passages.T


def _hardest(
    scores: np.ndarray, positive: float, usable: np.ndarray, relevant: list[int], count: int, margin: float
) -> list[int]:
    """Indices of the best `count` passages below the margin, best first; the lower index where scores tie."""
    # Written with the absolute value, the limit stays below the positive when that scores under zero.
    limit = positive - (1 - margin) * abs(positive)
    left = np.where(usable & (scores < limit), scores, -np.inf)
    left[relevant] = -np.inf
    found: list[int] = []
    while len(found) < count and np.isfinite(left[best := int(np.argmax(left))]):
        found.append(best)
        left[best] = -np.inf
    return found


def _checked(embeddings: np.ndarray, rows: int) -> np.ndarray:
    embeddings = np.asarray(embeddings, dtype=np.float32)
    if embeddings.shape[0] != rows or not np.isfinite(embeddings).all():
        raise GapruneError("The model gives embeddings that are no finite numbers.", "Try float32, or another model.")
    return embeddings
