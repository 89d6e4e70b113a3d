"""Retrieval tasks of ours as mteb tasks: starter collections, BEIR folders, ontologies."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mteb import AbsTask

    from gaprune_viz.evaluation.tasks import RetrievalTask

# mteb wants a language of every task; nothing here depends on it.
LANGUAGES = ["eng-Latn"]


def mteb_task(task: RetrievalTask) -> AbsTask:
    """A new mteb task that holds the passages, the queries and the judgements of a task of ours.

    What is searched of a passage is the text that our own evaluation embeds. Queries without a relevant passage are
    left out, as there.
    """
    return _task_class()(task)


@cache
def _task_class() -> Any:
    """Made on first use, because its base class takes mteb, which takes seconds."""
    from datasets import Dataset
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata

    class LocalRetrieval(AbsTaskRetrieval):
        def __init__(self, task: RetrievalTask, **options: Any) -> None:
            self.task = task
            self.ignore_identical_ids = task.ignore_identical_ids
            self.metadata = TaskMetadata(
                name=task.name,
                description=f"{len(task.corpus)} passages and {len(task.queries)} queries on this machine.",
                dataset={"path": task.name, "revision": task.content_hash},
                type="Retrieval",
                category="t2t",
                eval_splits=["test"],
                eval_langs=LANGUAGES,
                main_score="ndcg_at_10",
            )
            super().__init__(**options)

        def load_data(self, num_proc: int | None = None, **options: Any) -> None:
            if self.data_loaded:
                return
            task = self.task
            judged = {query_id: task.qrels[query_id] for query_id in task.judged}
            corpus = [{"id": p.id, "title": "", "text": p.embedding_text} for p in task.corpus]
            queries = [{"id": query_id, "text": task.queries[query_id]} for query_id in judged]
            self.dataset = {
                "default": {
                    "test": {
                        "corpus": Dataset.from_list(corpus),
                        "queries": Dataset.from_list(queries),
                        "relevant_docs": judged,
                        "top_ranked": None,
                    }
                }
            }
            self.data_loaded = True

    return LocalRetrieval
