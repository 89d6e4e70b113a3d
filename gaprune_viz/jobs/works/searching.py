"""Searching with the dense and the pruned model: one query, all queries of a task, and the query on screen anew."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.calibration.progress import Phases
from gaprune_viz.config import STARTER_DOMAINS, Settings
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.evaluation.geometry import Geometry
from gaprune_viz.evaluation.geometry import measure as geometry_of
from gaprune_viz.evaluation.ranking import SideBySide, id_order, side_by_side, similarity, top
from gaprune_viz.evaluation.retrieval import Comparison, compare, evaluate
from gaprune_viz.evaluation.spacemap import TaskMap, task_map
from gaprune_viz.evaluation.tasks import COSINE, RetrievalTask, TaskEmbeddings, encode_task
from gaprune_viz.jobs.works.encoder_choice import encoder_of, reading
from gaprune_viz.jobs.works.memory_cache import KEPT
from gaprune_viz.jobs.works.work_context import Report, Stopped, quiet
from gaprune_viz.models.encoder import check_finite

# How many of the dense model's best passages live mode ranks anew.
LIVE_DEPTH = 50
# The collection, the sample query's id and the typed text of what is on screen; empty before the first.
Asked = dict[str, str]


class Ranked(NamedTuple):
    """One query: dense beside pruned; of a refitted model also dense beside its mask alone."""

    query: str
    sides: SideBySide
    mask_only: SideBySide | None = None


def task_embeddings(
    analysis: Analysis, task: RetrievalTask, settings: Settings | None, report: Report, stopped: Stopped
) -> TaskEmbeddings:
    """Embeddings of a task by the dense model (`settings` None) or under a mask; made once."""
    version = "dense" if settings is None else "refitted" if _refits(settings) else "pruned"
    label = f"{task.name}, {version}"

    def encode() -> TaskEmbeddings:
        def tell(done: int, total: int) -> None:
            report(f"Encoding {label}", done, total)

        return encode_task(encoder_of(analysis, settings, report, stopped), task, progress=tell, stop=stopped)

    return KEPT.embeddings(analysis, task, settings, encode)


def prepare(analysis: Analysis) -> None:
    """Load the model of an analysis, and read its first collection with it.

    Raises:
        GapruneError: the model is not there.
    """
    KEPT.scope(analysis)
    task_embeddings(analysis, KEPT.task(collection_of(analysis)), None, quiet, lambda: False)
    # What is here now stays: collecting garbage need not look at it again.
    gc.collect()
    gc.freeze()


def foresee(analysis: Analysis, report: Report, stopped: Stopped) -> None:
    """What a page opens with is compared first: read the first collection under that mask, too.

    Raises:
        Cancelled: `stopped` says so.
    """
    task_embeddings(analysis, KEPT.task(collection_of(analysis)), Settings(), report, stopped)


def compare_query(
    analysis: Analysis,
    settings: Settings,
    source: str,
    query_id: str | None,
    text: str,
    report: Report,
    stopped: Stopped,
    begin: Callable[[Ranked], None] = quiet,
) -> Ranked:
    """Dense and pruned rankings of one query over the whole corpus; of a refitted model also under its mask alone.

    Args:
        begin: where the whole corpus has to be read under the mask, called with what `rerank_query` gives before that.

    Raises:
        GapruneError: there is no query.
    """
    if begin is not quiet and not KEPT.are_embedded(analysis, KEPT.task(source), settings):
        at_once = {"source": source, "pick": query_id or "", "text": text}
        begin(rerank_query(analysis, settings, at_once, report, stopped))
    task, dense, vector, query, relevant = _asked(analysis, source, query_id, text, report, stopped)
    row = _row(task, query_id, text)
    own = _own_passage(task, row, query_id)

    def ranked(chosen: Settings) -> SideBySide:
        pruned = task_embeddings(analysis, task, chosen, report, stopped)
        theirs = pruned.queries[row] if row is not None else _embed_query(analysis, chosen, query, report, stopped)
        before, after, passages = _scores(dense, vector), _scores(pruned, theirs), list(task.corpus)
        if own is not None:
            before, after = np.delete(before, own), np.delete(after, own)
            passages = passages[:own] + passages[own + 1 :]
        return side_by_side(before, after, passages, relevant)

    alone = ranked(settings.mask_only) if _refits(settings) else None
    return Ranked(query, ranked(settings), alone)


def rerank_query(analysis: Analysis, settings: Settings, asked: Asked, report: Report, stopped: Stopped) -> Ranked:
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
    if (own := _own_passage(task, _row(task, pick, text), pick)) is not None:
        order = order[order != own]
    best = order[top(scores[order], LIVE_DEPTH)]
    _halt(stopped)
    passages = [task.corpus[i] for i in best]
    with reading(analysis, settings, report, stopped) as model:
        _halt(stopped)
        report(f"Encoding the query and {len(passages)} passages", 0, 0)
        theirs = model.encode([query], "query", stop=stopped)
        corpus = model.encode([passage.embedding_text for passage in passages], "passage", stop=stopped)
    check_finite(np.concatenate([theirs, corpus]), [query, *(passage.embedding_text for passage in passages)])
    after = similarity(theirs, corpus, dense.similarity)[0]
    return Ranked(query, side_by_side(scores[best], after, passages, relevant))


def _refits(settings: Settings) -> bool:
    """Whether a mask stands beside its refit. A cut is finished in several ways, of which one is kept."""
    return settings.refit.refit and not settings.structure.whole


def _own_passage(task: RetrievalTask, row: int | None, query_id: str | None) -> int | None:
    """Position of the passage that a sample query does not find: its own, where the task leaves that out."""
    if row is None or query_id not in task.own_passages:
        return None
    return next(i for i, passage in enumerate(task.corpus) if passage.id == query_id)


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
    task, row = KEPT.task(source), None
    typed = text.strip()
    if not typed:
        row = _row(task, query_id, text)
        if row is None:
            raise GapruneError("There is no query.", "Pick a sample query or type one.")
    dense = task_embeddings(analysis, task, None, report, stopped)
    if row is None:
        return task, dense, KEPT.dense(analysis).encode([typed], "query")[0], typed, frozenset()
    return task, dense, dense.queries[row], task.queries[str(query_id)], task.relevant(str(query_id))


def _row(task: RetrievalTask, query_id: str | None, text: str) -> int | None:
    """Position of a sample query among the task's; None where a text was typed or the query is unknown."""
    if text.strip() or query_id not in task.queries:
        return None
    return list(task.queries).index(str(query_id))


def _embed_query(analysis: Analysis, settings: Settings, text: str, report: Report, stopped: Stopped) -> np.ndarray:
    with reading(analysis, settings, report, stopped) as model:
        return model.encode([text], "query")[0]


def general_source(analysis: Analysis) -> str:
    """The collection that stands for general data: that of the analysis, where it is a starter collection."""
    general = analysis.run.calibration.general
    return general if general in STARTER_DOMAINS else "general"


def collection_of(analysis: Analysis) -> str:
    """The starter collection of the analysis' own domain, where it has one; else the general one."""
    domain = analysis.run.calibration.domain
    return domain if domain in STARTER_DOMAINS else general_source(analysis)


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
    """One task by source and name, dense against pruned: its retrieval, the shape of its space, and a map of it.

    Of a refitted model also dense against its mask alone.
    """

    source: str
    name: str
    comparison: Comparison
    geometry: Geometry
    map: TaskMap
    mask_only: Comparison | None = None


def measure_tasks(
    analysis: Analysis, settings: Settings, sources: list[str], report: Report, stopped: Stopped
) -> list[Measured]:
    """Dense against pruned over every query of some tasks."""
    results, chosen = [], dict.fromkeys(sources)
    job = Phases({f"{source} {i}": len(KEPT.task(source).corpus) for source in chosen for i in range(2)})
    for source in chosen:
        task = KEPT.task(source)
        told = {spec: job.reporting(f"{source} {i}", report) for i, spec in enumerate((None, settings))}
        dense, pruned = (task_embeddings(analysis, task, spec, told[spec], stopped) for spec in (None, settings))
        report("Comparing", 0, 0)
        reference = evaluate(task, *dense)
        comparison = compare(task, reference, evaluate(task, *pruned))
        shape, found = geometry_of(task, dense, pruned), task_map(task, dense, pruned)
        before = None
        if _refits(settings):
            alone = task_embeddings(analysis, task, settings.mask_only, report, stopped)
            before = compare(task, reference, evaluate(task, *alone))
        results.append(Measured(source, task.name, comparison, shape, found, before))
    return results


def measure_sides(
    analysis: Analysis, settings: Settings, source: str, report: Report, stopped: Stopped
) -> tuple[list[Measured], dict[str, list[float]] | None]:
    """A collection and the general one, and of a refitted model also each block's error."""
    results = measure_tasks(analysis, settings, both_sides(analysis, source), report, stopped)
    errors = KEPT.block_errors(analysis, settings, report, stopped) if _refits(settings) else None
    return results, errors


def surprise(
    analysis: Analysis, settings: Settings, source: str, report: Report, stopped: Stopped
) -> tuple[str, Ranked]:
    """The sample query that pruning changed most: its id and its rankings."""
    measured = measure_tasks(analysis, settings, [source], report, stopped)[0]
    query = most_changed_query(measured.comparison)
    return query, compare_query(analysis, settings, source, query, "", report, stopped)
