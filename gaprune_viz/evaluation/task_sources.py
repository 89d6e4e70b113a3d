"""Retrieval tasks by name or from disk: starter collections, ontologies, BEIR folders."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path

from gaprune_viz.config import IDENTICAL_IDS_MARK, STARTER_DOMAINS, IdenticalIds, task_source
from gaprune_viz.data.beir import EVALUATION_SPLITS, BeirData, is_beir, queries_are_passages, read_beir
from gaprune_viz.data.collections.archives import collection_folder, is_archive
from gaprune_viz.data.starter import starter_passages
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.tasks import BEIR_FOLDER, Passage, RetrievalTask
from gaprune_viz.storage.paths import named, stamp
from gaprune_viz.storage.workspace import UPLOAD_PREFIX, upload_path

OWN = "own passages left out"


def load_task(source: str, *, split: str | Sequence[str] = EVALUATION_SPLITS) -> RetrievalTask:
    """A task by name or from disk.

    Args:
        source: a starter domain (the queries of its evaluation topics search the passages of the whole domain),
            `ontology:chebi` or `ontology:mondo` (with `:800`, of about 800 passages), a folder in the BEIR format or a
            .zip of one, or an upload of such a .zip. `#identical-ids=keep` (or `leave-out`) behind a folder says
            whether a query finds the passage of its own id; without it the ids decide.
        split: which `qrels/<split>.tsv` of a BEIR folder is read: the first of these that exists.

    Raises:
        GapruneError: where the source is neither, or the folder cannot be read.
    """
    if source in STARTER_DOMAINS:
        return _starter_task(source)
    if source.startswith("ontology:"):
        from gaprune_viz.evaluation.ontology_tasks import ontology_task

        return ontology_task(source)
    source, identical = task_source(source)
    path = _collection_at(source)
    if path is None:
        raise GapruneError(
            f"{source!r} is neither a starter collection nor a BEIR folder.",
            f"Use a starter name ({', '.join(STARTER_DOMAINS)}), ontology:chebi, or a folder. {BEIR_FOLDER}",
        )
    return _beir_task(path, split, identical)


def task_stamp(source: str) -> Hashable:
    """What tells a task from one that had the same name before: its files, where it has any."""
    if source in STARTER_DOMAINS or source.startswith("ontology:"):
        return ()
    path = _collection_at(task_source(source)[0])
    return () if path is None else stamp(path)


def _collection_at(source: str) -> Path | None:
    """The folder or archive of a collection; None where the name stands for none."""
    path = upload_path(source) if source.startswith(UPLOAD_PREFIX) else named(source)
    # An empty name would mean the working directory.
    return path if source.strip() and (is_archive(path) or is_beir(path)) else None


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


def _beir_task(path: Path, split: str | Sequence[str], identical: IdenticalIds) -> RetrievalTask:
    with collection_folder(path) as folder:
        name, data = folder.resolve().name, read_beir(folder, split)
    queries = {query_id: text for query_id, text in data.queries.items() if query_id in data.qrels}
    shared, left_out, said = _identical_ids(data, identical)
    said_of_name = [part for part, there in ((data.split, data.split != "test"), (OWN, left_out and shared)) if there]
    return RetrievalTask.of(
        f"{name} ({', '.join(said_of_name)})" if said_of_name else name,
        (Passage(id, text, title) for id, (title, text) in data.corpus.items()),
        queries,
        {query_id: data.qrels[query_id] for query_id in queries},
        ignore_identical_ids=left_out and shared > 0,
        notes=(*data.notes, *said),
        missing_documents=data.missing_documents,
    )


def _identical_ids(data: BeirData, identical: IdenticalIds) -> tuple[int, bool, list[str]]:
    """How many queries have the id of a passage, whether they leave it out, and what to say of it."""
    shared = sum(query_id in data.corpus for query_id in data.qrels)
    if not shared:
        return 0, False, []
    left_out = identical is IdenticalIds.LEAVE_OUT
    if identical is IdenticalIds.AUTO:
        left_out = queries_are_passages(data.qrels, data.corpus)
    done = "is left out of what they find" if left_out else "is ranked like any other"
    other = IdenticalIds.KEEP if left_out else IdenticalIds.LEAVE_OUT
    return (
        shared,
        left_out,
        [
            f"{shared:,} of {len(data.qrels):,} queries have the id of a passage, which {done}; "
            f"{IDENTICAL_IDS_MARK}{other.value} behind the folder's name turns that round"
        ],
    )
