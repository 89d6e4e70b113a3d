"""Searching with the dense and the pruned model: one query, all queries of a task, and the query on screen anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.app.session.store import STORE
from gaprune_viz.config import STARTER_DOMAINS, Settings
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.evaluation.cached import CachedEncoder
from gaprune_viz.evaluation.geometry import Geometry
from gaprune_viz.evaluation.geometry import measure as geometry_of
from gaprune_viz.evaluation.ranking import id_order, side_by_side, similarity, top
from gaprune_viz.evaluation.retrieval import Comparison, compare, evaluate
from gaprune_viz.evaluation.spacemap import TaskMap, task_map
from gaprune_viz.evaluation.tasks import COSINE, RetrievalTask, TaskEmbeddings, encode_task
from gaprune_viz.models.encoder import check_finite
from gaprune_viz.pruning.applying import masked

LONGEST_QUERY = 2_000
# How many of the dense model's best passages live mode ranks anew.
LIVE_DEPTH = 50
# The collection, the sample query's id and the typed text of what is on screen; empty before the first.
Asked = dict[str, str]
Report = Callable[[str, int, int], None]
Stopped = Callable[[], bool]


def query_choices(source: str) -> list[tuple[str, str]]:
    """(text, id) of the sample queries of a task."""
    return [(text, qid) for qid, text in STORE.task(source).queries.items()]


def task_embeddings(
    analysis: Analysis, task: RetrievalTask, settings: Settings | None, report: Report, stopped: Stopped
) -> TaskEmbeddings:
    """Embeddings of a task by the dense model (`settings` None) or under a mask; made once."""
    model = STORE.dense(analysis)
    label = f"{task.name}, {'dense' if settings is None else 'pruned'}"

    def encode() -> TaskEmbeddings:
        def tell(done: int, total: int) -> None:
            report(f"Encoding {label}", done, total)

        if settings is None:
            return encode_task(CachedEncoder(model, STORE.disk), task, progress=tell, stop=stopped)
        report("Making the exact mask", 0, 0)
        masks = STORE.masks(analysis, settings).masks
        encoder = CachedEncoder(model, STORE.disk, STORE.scope(analysis)[1], masks)
        return encode_task(encoder, task, progress=tell, stop=stopped)

    return STORE.embeddings(analysis, task, settings, encode)


def compare_query(
    analysis: Analysis,
    settings: Settings,
    source: str,
    query_id: str | None,
    text: str,
    report: Report,
    stopped: Stopped,
):
    """Dense and pruned rankings of one query over the whole corpus.

    Raises:
        GapruneError: there is no query.
    """
    task, dense, vector, query, relevant = _asked(analysis, source, query_id, text, report, stopped)
    pruned = task_embeddings(analysis, task, settings, report, stopped)
    row = _row(task, query_id, text)
    theirs = _embed_query(analysis, settings, query) if row is None else pruned.queries[row]
    return query, side_by_side(_scores(dense, vector), _scores(pruned, theirs), task.corpus, relevant)


def rerank_query(analysis: Analysis, settings: Settings, asked: Asked, report: Report, stopped: Stopped):
    """The dense model's best passages for the query on screen, ranked by it and by the pruned model.

    Only these and the query are encoded, with the exact mask.

    Raises:
        GapruneError: there is no query.
        Cancelled: `stopped` says so.
    """
    source, pick, text = asked["source"], asked["pick"], asked["text"]
    task, dense, vector, query, relevant = _asked(analysis, source, pick, text, report, stopped)
    scores = similarity(vector[None], dense.corpus, dense.similarity)[0]
    order = id_order(task.corpus)
    best = order[top(scores[order], LIVE_DEPTH)]
    report("Making the exact mask", 0, 0)
    _halt(stopped)
    masks, model = STORE.masks(analysis, settings).masks, STORE.dense(analysis)
    _halt(stopped)
    passages = [task.corpus[i] for i in best]
    report(f"Encoding the query and {len(passages)} passages", 0, 0)
    with masked(model, STORE.scope(analysis)[1], masks):
        theirs = model.encode([query], "query", stop=stopped)
        corpus = model.encode([passage.embedding_text for passage in passages], "passage", stop=stopped)
    check_finite(np.concatenate([theirs, corpus]), [query, *(passage.embedding_text for passage in passages)])
    return query, side_by_side(scores[best], similarity(theirs, corpus, dense.similarity)[0], passages, relevant)


def _scores(embeddings: TaskEmbeddings, query: np.ndarray) -> np.ndarray:
    """The similarity of one query [d] to every passage, float [p]."""
    if embeddings.similarity == COSINE:
        return embeddings.corpus @ query
    return similarity(query[None], embeddings.corpus, embeddings.similarity)[0]


def _halt(stopped: Stopped) -> None:
    if stopped():
        raise Cancelled


def _asked(
    analysis: Analysis, source: str, query_id: str | None, text: str, report: Report, stopped: Stopped
) -> tuple[RetrievalTask, TaskEmbeddings, np.ndarray, str, frozenset[str]]:
    """Task, dense embeddings, the query's dense vector, the query, and what is known to answer it."""
    task, row = STORE.task(source), None
    typed = text.strip()[:LONGEST_QUERY]
    if not typed:
        row = _row(task, query_id, text)
        if row is None:
            raise GapruneError("There is no query.", "Pick a sample query or type one.")
    dense = task_embeddings(analysis, task, None, report, stopped)
    if row is None:
        return task, dense, STORE.dense(analysis).encode([typed], "query")[0], typed, frozenset()
    return task, dense, dense.queries[row], task.queries[str(query_id)], task.relevant(str(query_id))


def _row(task: RetrievalTask, query_id: str | None, text: str) -> int | None:
    """Position of a sample query among the task's; None where a text was typed or the query is unknown."""
    if text.strip() or query_id not in task.queries:
        return None
    return list(task.queries).index(str(query_id))


def _embed_query(analysis: Analysis, settings: Settings, text: str) -> np.ndarray:
    model = STORE.dense(analysis)
    with masked(model, STORE.scope(analysis)[1], STORE.masks(analysis, settings).masks):
        return model.encode([text], "query")[0]


def general_source(analysis: Analysis) -> str:
    """The collection that stands for general data: that of the analysis, where it is a starter collection."""
    general = analysis.run.calibration.general
    return general if general in STARTER_DOMAINS else "general"


def both_sides(analysis: Analysis, source: str) -> list[str]:
    """The domain's collection and the general one. Where the general one was chosen, its domain stands beside it."""
    domain, general = analysis.run.calibration.domain, general_source(analysis)
    return [domain if source == general and domain in STARTER_DOMAINS else source, general]


def most_changed_query(comparison: Comparison) -> str:
    """The query whose nDCG@10 changed most, either way."""
    frame = comparison.per_query
    largest = int(frame["delta_ndcg_at_10"].abs().to_numpy().argmax())
    return str(frame["qid"].iloc[largest])


class Measured(NamedTuple):
    """One task, where it is from, dense against pruned: its retrieval, the shape of its space, and a map of it."""

    source: str
    task: RetrievalTask
    comparison: Comparison
    geometry: Geometry
    map: TaskMap


def measure_tasks(
    analysis: Analysis, settings: Settings, sources: list[str], report: Report, stopped: Stopped
) -> list[Measured]:
    """Dense against pruned over every query of some tasks."""
    results = []
    for source in dict.fromkeys(sources):
        task = STORE.task(source)
        dense, pruned = (task_embeddings(analysis, task, spec, report, stopped) for spec in (None, settings))
        report("Comparing", 0, 0)
        comparison = compare(task, evaluate(task, *dense), evaluate(task, *pruned))
        shape = geometry_of(task, dense, pruned)
        results.append(Measured(source, task, comparison, shape, task_map(task, dense, pruned)))
    return results
