"""Rank a corpus, score the rankings, compare a dense model with a pruned one.

Metrics are those of trec_eval, computed by pytrec_eval from our own order: ties go to the smaller passage id.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.chance_level import chance_of, remark
from gaprune_viz.evaluation.ranking import RankedPassage, SideBySide, id_order, rank_of, side_by_side, similarity, top
from gaprune_viz.evaluation.significance import RESAMPLES, paired_bootstrap, sign_flip_test
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import (
    COSINE,
    Encodes,
    Passage,
    RetrievalTask,
    TaskEmbeddings,
    check_embeddings,
    encode_task,
)

__all__ = [
    "METRICS",
    "Comparison",
    "Encodes",
    "Evaluation",
    "Passage",
    "RankedPassage",
    "RetrievalTask",
    "SideBySide",
    "TaskEmbeddings",
    "compare",
    "encode_task",
    "evaluate",
    "load_task",
    "side_by_side",
    "similarity",
]

METRICS = ("ndcg_at_10", "mrr_at_10", "recall_at_10", "recall_at_100", "map")
CUT = 10
KEPT_DEPTH = 100
# MAP looks this far down, as TREC runs and mteb do.
RUN_DEPTH = 1_000
CELLS = 1 << 24


@dataclass(frozen=True)
class Evaluation:
    """How well one model's embeddings answer a task.

    Attributes:
        scores: one row per judged query (index: query id), columns `METRICS`, each in 0..1.
        rankings: query id -> the first 100 (passage id, similarity), best first.
        first_relevant: rank of the best relevant passage over the whole corpus, from 1; missing where none is in it.
        excluded: queries left out because nothing is relevant to them.
    """

    scores: pd.DataFrame
    rankings: dict[str, list[tuple[str, float]]]
    first_relevant: pd.Series
    excluded: int = 0

    @property
    def means(self) -> dict[str, float]:
        """Mean of each metric over the judged queries."""
        return {metric: float(self.scores[metric].mean()) for metric in METRICS}


@dataclass(frozen=True)
class Comparison:
    """A dense and a pruned model on the same queries.

    Attributes:
        delta: pruned less dense, of each metric's mean.
        intervals: 95 % bootstrap interval of each delta; (nan, nan) with a single cluster.
        p_values: two-sided paired permutation test of each delta.
        overlap_at_10: mean share of the dense top 10 that the pruned top 10 holds too.
        queries: judged queries. passages: size of the corpus. excluded: queries without a relevant passage.
        own_left_out: queries that are passages too, and did not find their own.
        clusters: groups of queries with the same relevant passages; intervals draw, and p-values flip, whole groups.
        remarks: what a person should know before they read the numbers, one sentence each.
        per_query: qid, query, {dense,pruned,delta}_ndcg_at_10, overlap_at_10, {dense,pruned}_first_relevant (rank).
    """

    dense: dict[str, float]
    pruned: dict[str, float]
    delta: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    p_values: dict[str, float]
    overlap_at_10: float
    queries: int
    passages: int
    per_query: pd.DataFrame
    excluded: int = 0
    clusters: int = 0
    own_left_out: int = 0
    remarks: tuple[str, ...] = ()


def evaluate(
    task: RetrievalTask,
    query_embeddings: np.ndarray,
    corpus_embeddings: np.ndarray,
    by: str = COSINE,
    *,
    ignore_identical_ids: bool | None = None,
) -> Evaluation:
    """Search the corpus with every judged query and score the rankings.

    nDCG@10 (linear gain), MRR@10, recall@10, recall@100, and MAP over the first 1,000 passages.

    Args:
        query_embeddings: [q, d], in the order of `task.queries`; unit rows for `cosine`.
        corpus_embeddings: [p, d], in the order of `task.corpus`; unit rows for `cosine`.
        by: the model's similarity, as `ranking.similarity` takes it.
        ignore_identical_ids: never return the passage whose id is the query's own; None as the task says.

    Raises:
        GapruneError: where no query has a relevant passage, or an embedding is not finite.
        ValueError: where the embeddings do not fit the task.
    """
    check_embeddings(task, TaskEmbeddings(query_embeddings, corpus_embeddings, by))
    rows = [(row, query_id) for row, query_id in enumerate(task.queries) if task.relevant(query_id)]
    if not rows:
        raise GapruneError(
            f"Empty evaluation: no query of {task.name!r} has a relevant passage.",
            "Give at least one query a judgement above 0.",
        )
    left_out = task.ignore_identical_ids if ignore_identical_ids is None else ignore_identical_ids
    order = id_order(task.corpus)
    ids = [task.corpus[i].id for i in order]
    column = {id: i for i, id in enumerate(ids)}
    corpus = corpus_embeddings[order]

    rankings: dict[str, list[tuple[str, float]]] = {}
    first: dict[str, int | None] = {}
    measured: dict[str, dict[str, float]] = {}
    step = max(1, min(256, CELLS // len(ids)))
    for start in range(0, len(rows), step):
        batch = rows[start : start + step]
        scores = similarity(query_embeddings[[row for row, _ in batch]], corpus, by)
        tops: dict[str, list[str]] = {}
        for (_, query_id), line in zip(batch, scores, strict=True):
            if left_out and query_id in column:
                line[column[query_id]] = -np.inf
            best = [int(i) for i in top(line, RUN_DEPTH) if np.isfinite(line[i])]
            tops[query_id] = [ids[i] for i in best]
            rankings[query_id] = [(ids[i], float(line[i])) for i in best[:KEPT_DEPTH]]
            present = [column[id] for id in task.relevant(query_id) if id in column and np.isfinite(line[column[id]])]
            first[query_id] = min((rank_of(line, i) for i in present), default=None)
        measured |= _trec_metrics(tops, task.qrels)
    index = pd.Index([query_id for _, query_id in rows], name="qid")
    return Evaluation(
        scores=pd.DataFrame([measured[id] for id in index], index=index, columns=pd.Index(METRICS)),
        rankings=rankings,
        first_relevant=pd.Series(first, index=index, dtype="Int64", name="first_relevant"),
        excluded=len(task.queries) - len(rows),
    )


def _trec_metrics(tops: dict[str, list[str]], qrels: dict[str, dict[str, int]]) -> dict[str, dict[str, float]]:
    """The five metrics of rankings given as passage ids, best first."""
    import pytrec_eval

    judged = {query_id: qrels[query_id] for query_id in tops}

    def run(depth: int) -> dict[str, dict[str, float]]:
        # trec_eval breaks ties its own way: scores made from ranks have none.
        return {id: {doc: float(-rank) for rank, doc in enumerate(docs[:depth])} for id, docs in tops.items()}

    whole = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.10", "recall.10,100", "map"}).evaluate(run(RUN_DEPTH))
    cut = pytrec_eval.RelevanceEvaluator(judged, {"recip_rank"}).evaluate(run(CUT))
    return {
        id: {
            "ndcg_at_10": whole[id]["ndcg_cut_10"],
            "mrr_at_10": cut[id]["recip_rank"],
            "recall_at_10": whole[id]["recall_10"],
            "recall_at_100": whole[id]["recall_100"],
            "map": whole[id]["map"],
        }
        for id in tops
    }


def compare(
    task: RetrievalTask, dense: Evaluation, pruned: Evaluation, *, seed: int = 0, resamples: int = RESAMPLES
) -> Comparison:
    """Set two evaluations of one task side by side, query by query.

    Args:
        resamples: bootstrap draws behind each interval.

    Raises:
        ValueError: where the two evaluations are not of the same queries.
    """
    if not dense.scores.index.equals(pruned.scores.index):
        raise ValueError("the evaluations are of different queries")
    differences = {
        metric: pruned.scores[metric].to_numpy(float) - dense.scores[metric].to_numpy(float) for metric in METRICS
    }
    per_query = _per_query(task, dense, pruned)
    groups = task.clusters(dense.scores.index)

    def interval(values: np.ndarray) -> tuple[float, float]:
        return paired_bootstrap(values, clusters=groups, seed=seed, resamples=resamples)

    return Comparison(
        dense=dense.means,
        pruned=pruned.means,
        delta={metric: float(values.mean()) for metric, values in differences.items()},
        intervals={metric: interval(values) for metric, values in differences.items()},
        p_values={m: sign_flip_test(values, clusters=groups, seed=seed) for m, values in differences.items()},
        overlap_at_10=float(per_query["overlap_at_10"].mean()),
        queries=len(per_query),
        passages=len(task.corpus),
        per_query=per_query,
        excluded=dense.excluded,
        clusters=int(groups.max()) + 1,
        own_left_out=len(task.own_passages.intersection(dense.scores.index)),
        remarks=tuple(filter(None, [remark(chance_of(task, dense, seed=seed))])),
    )


def _per_query(task: RetrievalTask, dense: Evaluation, pruned: Evaluation) -> pd.DataFrame:
    def rows() -> Iterator[dict[str, object]]:
        for query_id in dense.scores.index:
            before = {id for id, _ in dense.rankings[query_id][:CUT]}
            after = {id for id, _ in pruned.rankings[query_id][:CUT]}
            share = len(before & after) / max(1, len(before))
            yield {"qid": query_id, "query": task.queries[query_id], "overlap_at_10": share}

    table = pd.DataFrame(list(rows()))
    table.insert(2, "dense_ndcg_at_10", dense.scores["ndcg_at_10"].to_numpy())
    table.insert(3, "pruned_ndcg_at_10", pruned.scores["ndcg_at_10"].to_numpy())
    table.insert(4, "delta_ndcg_at_10", table["pruned_ndcg_at_10"] - table["dense_ndcg_at_10"])
    table["dense_first_relevant"] = dense.first_relevant.array
    table["pruned_first_relevant"] = pruned.first_relevant.array
    return table
