"""Pairs of a query and what answers it: without negatives, and those that carry a score instead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gaprune_viz.data.beir import BeirData
from gaprune_viz.data.columns import POSITIVES, negative_columns
from gaprune_viz.data.schema import MAX_ROWS, Notes, RawRow, check_text, until_broken
from gaprune_viz.data.skipped_rows import Leaving
from gaprune_viz.errors import GapruneError

SCORES = (
    *("score", "scores", "label", "labels", "similarity", "similarity_score", "relatedness_score", "gold_label"),
    *("relevance", "relevance_score", "rating"),
)


_PAIRS = (
    *(("sentence1", "sentence2"), ("sentence_a", "sentence_b"), ("text1", "text2"), ("premise", "hypothesis")),
    *(("query", "passage"), ("query", "document"), ("question", "passage"), ("question", "sentence")),
)


def refuse_scored(available: Sequence[str], name: str) -> None:
    """Refuse pairs whose columns say with a score how near they are: many of them are no positives.

    Args:
        name: of the file, for messages.

    Raises:
        GapruneError: saying what to use instead.
    """
    lower = {column.strip().lower(): column for column in available}
    score = next((lower[word] for word in SCORES if word in lower), None)
    pair = any(first in lower and second in lower for first, second in _PAIRS)
    if score is None or not pair or negative_columns(None, available) or any(n in lower for n in POSITIVES):
        return
    raise GapruneError(
        f"{name} holds pairs with a score (column {score!r}), not triplets.",
        f"Keep the rows of a high score under the names query and positive, without {score!r}: their negatives are "
        "mined. To measure similarity, use `gaprune-viz benchmark` with a task such as STSBenchmark.",
    )


def collected(name: str, rows: Iterable[RawRow], notes: Notes, left_out: float) -> tuple[BeirData, int]:
    """Pairs as a collection in which every passage is some query's answer: what negatives are mined from.

    Returns:
        the collection; and how many rows were left out, each with a line in `notes`.

    Raises:
        GapruneError: for the first bad row where there are too many, and for too many rows.
    """
    leaving, count = Leaving(left_out), 0
    corpus: dict[str, str] = {}
    asked: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    for row in until_broken(rows, leaving):
        count += 1
        if count > MAX_ROWS:
            raise GapruneError(f"{name} has more than {MAX_ROWS:,} rows.", "A few thousand pairs are plenty.")
        try:
            query = check_text(row.query, "query", f"{name}, {row.place}")
            positive = check_text(row.positive, "positive", f"{name}, {row.place}")
        except GapruneError as error:
            leaving.add(error)
            notes.add(f"{error.message.removeprefix(f'{name}, ').rstrip('.')}: left out")
            continue
        passage = corpus.setdefault(positive, f"passage of {row.place}")
        qrels.setdefault(asked.setdefault(query, row.place), {})[passage] = 1
    leaving.check(count)
    if len(corpus) < 2:
        raise GapruneError(
            f"{name} holds pairs of {len(corpus)} passage{'' if len(corpus) == 1 else 's'}; "
            "negatives cannot be found among them.",
            "Add pairs, or triplets of query, positive and negative.",
        )
    texts = {place: text for text, place in asked.items()}
    passages = {place: ("", text) for text, place in corpus.items()}
    return BeirData(passages, texts, qrels, "pairs"), leaving.left
