"""The bundled starter collection: three domains of short passages with two queries each (CC0)."""

from __future__ import annotations

import functools
from collections import defaultdict
from dataclasses import dataclass

from gaprune_viz.config import STARTER_DOMAINS
from gaprune_viz.data.schema import Triplet
from gaprune_viz.data.text_files import jsonl_objects
from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.paths import assets

SPLITS = ("calibration", "evaluation")


@dataclass(frozen=True, slots=True)
class StarterPassage:
    """A passage of the starter collection. Passages of one topic are siblings, and easy to confuse."""

    id: str
    topic: str
    split: str
    title: str
    text: str
    queries: tuple[str, ...]


@functools.lru_cache(maxsize=len(STARTER_DOMAINS))
def starter_passages(domain: str) -> tuple[StarterPassage, ...]:
    """All passages of a domain, in the order of the file.

    Raises:
        GapruneError: for a domain that does not exist.
    """
    if domain not in STARTER_DOMAINS:
        raise GapruneError(f"There is no starter domain {domain!r}.", f"Domains are: {', '.join(STARTER_DOMAINS)}.")
    rows = jsonl_objects(assets() / "starter" / f"{domain}.jsonl")
    return tuple(_passage(f"{domain}.jsonl, line {number}", dict(row)) for number, row in rows)


def _passage(place: str, row: dict[str, object]) -> StarterPassage:
    texts = [row.get(field) for field in ("id", "topic", "split", "title", "text")]
    queries = row.get("queries")
    if (
        not all(isinstance(value, str) and value for value in texts)
        or not isinstance(queries, list)
        or not all(isinstance(query, str) for query in queries)
        or row["split"] not in SPLITS
    ):
        raise GapruneError(f"{place}: the starter collection is damaged.", "Install gaprune-viz anew.")
    return StarterPassage(*(str(value) for value in texts), queries=tuple(queries))


def starter_triplets(domain: str, split: str = "calibration") -> tuple[Triplet, ...]:
    """Every (query, its passage, a sibling passage) of one split.

    The k-th query of a passage gets the k-th sibling after it in its topic, so that the queries of a passage
    have different negatives.

    Raises:
        GapruneError: for a domain or a split that does not exist.
    """
    if split not in SPLITS:
        raise GapruneError(f"The starter collection has no split {split!r}.", f"Splits are: {', '.join(SPLITS)}.")
    topics: dict[str, list[StarterPassage]] = defaultdict(list)
    for passage in starter_passages(domain):
        if passage.split == split:
            topics[passage.topic].append(passage)
    return tuple(
        Triplet(query, passage.text, (_sibling(topic, position, number).text,))
        for topic in topics.values()
        for position, passage in enumerate(topic)
        for number, query in enumerate(passage.queries)
    )


def _sibling(topic: list[StarterPassage], position: int, number: int) -> StarterPassage:
    others = topic[position + 1 :] + topic[:position]
    return others[number % len(others)]
