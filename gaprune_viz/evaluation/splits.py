"""Two parts of one task: settings are chosen on the one and reported on the other."""

from __future__ import annotations

import hashlib
from collections import defaultdict

from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import RetrievalTask

VALIDATION_SHARE = 0.3


def validation_and_test(source: str) -> tuple[RetrievalTask, RetrievalTask]:
    """A task in two parts that share no topic: settings are chosen on the first and reported on the second.

    Ontologies are large: their two parts are of different classes and have a corpus each. Any other task keeps its
    corpus, and its queries are split by `split_by_topic`.

    Raises:
        GapruneError: as `load_task` and `split_by_topic`.
    """
    if source.startswith("ontology:"):
        from gaprune_viz.evaluation.ontology_tasks import ontology_task

        return ontology_task(source, validation=True), ontology_task(source)
    return split_by_topic(load_task(source))


def split_by_topic(task: RetrievalTask, validation: float = VALIDATION_SHARE) -> tuple[RetrievalTask, RetrievalTask]:
    """The validation and the test part of a task, over the same corpus.

    Queries whose answers share a topic (or, where passages have none, a passage) stay together, whatever part they
    fall in, so that nothing about the test part is learned on the validation part.

    Args:
        validation: about which share of the topics goes to validation, between 0 and 1; a hash of the topic decides.

    Raises:
        GapruneError: one of the parts would be empty.
    """
    topic_of = {p.id: p.topic or p.id for p in task.corpus}
    linked = _components({q: {topic_of.get(id, id) for id in task.relevant(q)} for q in task.judged})
    parts: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for query_id, text in task.queries.items():
        if query_id in linked:
            parts[_share(linked[query_id]) >= validation][query_id] = text
    for part, label in zip(parts, ("validation", "test"), strict=True):
        if not part:
            raise GapruneError(
                f"{task.name}: too few topics for a {label} part.", "Give a task whose queries are about more topics."
            )
    return tuple(  # type: ignore[return-value]
        task.part(f"{task.name}, {label}", part) for part, label in zip(parts, ("validation", "test"), strict=True)
    )


def _share(name: str) -> float:
    """A number in 0..1 that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(f"split {name}".encode()).digest()[:8]) / 2**64


def _components(topics: dict[str, set[str]]) -> dict[str, str]:
    """Query id -> the smallest topic that it is linked with through shared topics."""
    queries: dict[str, list[str]] = defaultdict(list)
    for query_id, own in topics.items():
        for topic in own:
            queries[topic].append(query_id)
    found: dict[str, str] = {}
    for topic in sorted(queries):
        waiting = [q for q in queries[topic] if q not in found]
        while waiting:
            query_id = waiting.pop()
            if query_id not in found:
                found[query_id] = topic
                waiting += [q for t in topics[query_id] for q in queries[t] if q not in found]
    return found
