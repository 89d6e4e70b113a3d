"""Retrieval tasks by name or from disk: starter collections, ontologies, BEIR folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gaprune_viz.config import STARTER_DOMAINS
from gaprune_viz.data.beir import EVALUATION_SPLITS, is_beir, read_beir
from gaprune_viz.data.starter import starter_passages
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.tasks import BEIR_FOLDER, Passage, RetrievalTask
from gaprune_viz.storage.paths import named


def load_task(source: str, *, split: str | Sequence[str] = EVALUATION_SPLITS) -> RetrievalTask:
    """A task by name or from disk.

    Args:
        source: a starter domain (the queries of its evaluation topics search the passages of the whole domain),
            `ontology:chebi` or `ontology:mondo` (with `:800`, of about 800 passages), or a folder in the BEIR format.
        split: which `qrels/<split>.tsv` of a BEIR folder is read: the first of these that exists.

    Raises:
        GapruneError: where the source is neither, or the folder cannot be read.
    """
    if source in STARTER_DOMAINS:
        return _starter_task(source)
    if source.startswith("ontology:"):
        from gaprune_viz.evaluation.ontology_tasks import ontology_task

        return ontology_task(source)
    folder = named(source)
    # An empty name would mean the working directory.
    if not source.strip() or not is_beir(folder):
        raise GapruneError(
            f"{source!r} is neither a starter collection nor a BEIR folder.",
            f"Use a starter name ({', '.join(STARTER_DOMAINS)}), ontology:chebi, or a folder. {BEIR_FOLDER}",
        )
    return _beir_task(folder, split)


def _starter_task(domain: str) -> RetrievalTask:
    passages = starter_passages(domain)
    asked = {
        f"{passage.id}-q{number}": (query, passage.id)
        for passage in passages
        if passage.split == "evaluation"
        for number, query in enumerate(passage.queries, start=1)
    }
    return RetrievalTask.of(
        domain,
        (Passage(p.id, p.text, p.title, p.topic, title_is_searched=False) for p in passages),
        {query_id: query for query_id, (query, _) in asked.items()},
        {query_id: {answer: 1} for query_id, (_, answer) in asked.items()},
    )


def _beir_task(folder: Path, split: str | Sequence[str]) -> RetrievalTask:
    data = read_beir(folder, split)
    queries = {query_id: text for query_id, text in data.queries.items() if query_id in data.qrels}
    return RetrievalTask.of(
        folder.resolve().name if data.split == "test" else f"{folder.resolve().name} ({data.split})",
        (Passage(id, text, title) for id, (title, text) in data.corpus.items()),
        queries,
        {query_id: data.qrels[query_id] for query_id in queries},
    )
