"""Triplets from a retrieval collection: the hardest passages that are not relevant become negatives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from gaprune_viz.data.beir import BeirData, passage_text
from gaprune_viz.data.schema import MAX_TEXT, Embed, Notes, RawRow
from gaprune_viz.errors import GapruneError

MARGIN = 0.95
_BLOCK_SCORES = 16 * 1024 * 1024


def mine_rows(
    data: BeirData, embed: Embed, notes: Notes, *, negatives: int = 1, margin: float = MARGIN, seed: int = 0
) -> Iterator[RawRow]:
    """One row for every query with a relevant passage and a hard negative.

    The positive is the passage with the highest grade, drawn where several share it. Negatives are the best
    passages that are not relevant and score below `margin` times the positive: what scores higher is often
    relevant and merely not judged. Queries without such a passage are written to `notes`.

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
    positives = _draw_positives(data, queries, usable, position, seed)
    passages = _checked(embed([text[:MAX_TEXT] or " " for text in texts], "passage"), len(texts))
    vectors = _checked(embed([data.queries[query][:MAX_TEXT] for query in queries], "query"), len(queries))
    for number, (query, scores) in enumerate(zip(queries, _score_rows(vectors, passages), strict=True)):
        positive = positives[number]
        if positive is None or len(data.queries[query]) > MAX_TEXT:
            notes.add(f"query {query}: a text is empty or longer than {MAX_TEXT:,} characters")
            continue
        relevant = {
            index
            for name, grade in data.qrels[query].items()
            if grade > 0
            for index in same_text[texts[position[name]]]
        }
        found = _hardest(scores, scores[positive], usable, sorted(relevant), negatives, margin)
        if not found:
            notes.add(f"query {query}: no other passage scores below {margin:.0%} of its positive")
            continue
        yield RawRow(
            f"query {query}", data.queries[query], texts[positive], list(dict.fromkeys(texts[i] for i in found))
        )


def _draw_positives(
    data: BeirData, queries: Sequence[str], usable: np.ndarray, position: dict[str, int], seed: int
) -> list[int | None]:
    rng = np.random.default_rng(seed)
    drawn: list[int | None] = []
    for query in queries:
        grades = {position[name]: grade for name, grade in data.qrels[query].items() if grade > 0}
        grades = {index: grade for index, grade in grades.items() if usable[index]}
        best = [index for index, grade in grades.items() if grade == max(grades.values())]
        drawn.append(best[int(rng.integers(len(best)))] if best else None)
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
