"""Retrieval: one query side by side, then all sample queries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import gradio as gr
import numpy as np

from gaprune_viz.app.elements import html
from gaprune_viz.app.store import STORE
from gaprune_viz.config import STARTER_DOMAINS, STARTER_LABELS, Settings
from gaprune_viz.core.pruning import masked
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.cached import CachedEncoder
from gaprune_viz.evaluation.geometry import Geometry
from gaprune_viz.evaluation.geometry import measure as geometry_of
from gaprune_viz.evaluation.retrieval import Comparison, RetrievalTask, compare, encode_task, evaluate, side_by_side
from gaprune_viz.evaluation.tasks import TaskEmbeddings
from gaprune_viz.figures import panels
from gaprune_viz.pipeline import Analysis

LONGEST_QUERY = 2_000
Report = Callable[[str, int, int], None]
Stopped = Callable[[], bool]


@dataclass(frozen=True)
class RetrievalTab:
    """The components that handlers read and write."""

    task: gr.Dropdown
    pick: gr.Dropdown
    text: gr.Textbox
    compare: gr.Button
    surprise: gr.Button
    ranking: gr.HTML
    measure: gr.Button
    stop: gr.Button
    progress: gr.HTML
    metrics: gr.HTML
    per_query: gr.Plot
    per_query_table: gr.Dataframe


def build_retrieval(source: str) -> RetrievalTab:
    """Lay the tab out; rankings appear when they are asked for."""
    with gr.Row():
        task = gr.Dropdown(
            [(STARTER_LABELS[name], name) for name in STARTER_DOMAINS],
            value=source,
            label="Search in",
            info="A starter collection, or the path of a BEIR folder.",
            allow_custom_value=True,
            elem_id="gv-task",
            scale=1,
            min_width=200,
        )
        pick = gr.Dropdown(query_choices(source), label="Sample query", elem_id="gv-pick", scale=3, min_width=280)
    with gr.Row(elem_classes=["gv-ask"]):
        text = gr.Textbox(
            label="Or type a query",
            placeholder="for example: what makes a liquid climb a narrow tube",
            elem_id="gv-query",
            max_length=LONGEST_QUERY,
            scale=4,
            min_width=260,
        )
        run = gr.Button("Compare", variant="primary", elem_id="gv-compare", scale=1, min_width=120)
        surprise = gr.Button("Surprise me", elem_id="gv-surprise", scale=1, min_width=120)
    progress = html("", elem_id="gv-retrieval-progress")
    ranking = html(
        panels.empty_state(
            "No query compared yet",
            "Pick a sample query or type one, then press Compare: the dense and the pruned model rank the same "
            "passages side by side. The first time, the exact mask is made, which takes some seconds.",
        ),
        elem_id="gv-ranking",
    )
    with gr.Row():
        measure = gr.Button("Measure all sample queries", variant="primary", elem_id="gv-measure", min_width=220)
        stop = gr.Button("Stop", variant="stop", elem_id="gv-stop-retrieval", min_width=90)
    metrics = html("", elem_id="gv-metrics")
    per_query = gr.Plot(visible=False, show_label=False, elem_id="gv-per-query")
    with gr.Accordion("Every query as a table", open=False):
        table = gr.Dataframe(interactive=False, elem_id="gv-per-query-table", show_search="filter")
    return RetrievalTab(task, pick, text, run, surprise, ranking, measure, stop, progress, metrics, per_query, table)


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
    task = STORE.task(source)
    typed = text.strip()[:LONGEST_QUERY]
    if not typed and query_id not in task.queries:
        raise GapruneError("There is no query.", "Pick a sample query or type one.")
    dense = task_embeddings(analysis, task, None, report, stopped)
    pruned = task_embeddings(analysis, task, settings, report, stopped)
    if typed:
        vectors = _embed_query(analysis, settings, typed)
        relevant: frozenset[str] = frozenset()
    else:
        index = list(task.queries).index(str(query_id))
        vectors = dense.queries[index], pruned.queries[index]
        typed, relevant = task.queries[str(query_id)], task.relevant(str(query_id))
    mine, theirs = dense.corpus @ vectors[0], pruned.corpus @ vectors[1]
    return typed, side_by_side(mine, theirs, task.corpus, relevant)


def _embed_query(analysis: Analysis, settings: Settings, text: str) -> tuple[np.ndarray, np.ndarray]:
    model = STORE.dense(analysis)
    dense = model.encode([text], "query")[0]
    with masked(model, STORE.scope(analysis)[1], STORE.masks(analysis, settings).masks):
        return dense, model.encode([text], "query")[0]


def most_changed_query(comparison: Comparison) -> str:
    """The query whose nDCG@10 changed most, either way."""
    frame = comparison.per_query
    largest = int(frame["delta_ndcg_at_10"].abs().to_numpy().argmax())
    return str(frame["qid"].iloc[largest])


class Measured(NamedTuple):
    """One task, dense against pruned: its retrieval and the shape of its embedding space."""

    task: RetrievalTask
    comparison: Comparison
    geometry: Geometry


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
        results.append(Measured(task, comparison, geometry_of(task, dense, pruned)))
    return results
