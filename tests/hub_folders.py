"""Folders in the form of a dataset repository on the Hub, so that mteb's real loaders read them with no network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from mteb import AbsTask

    from gaprune_viz.evaluation.mteb.catalogue import BenchmarkTask
    from gaprune_viz.evaluation.tasks import RetrievalTask

Rows = Iterable[Mapping[str, Any]]


def write_repository(folder: Path, configs: Mapping[str, Mapping[str, Rows]]) -> Path:
    """Write configuration -> split -> rows as JSON lines, with the README that names them.

    Returns:
        a new folder in `folder`. No two have one name: by its name the datasets library knows what it read before.
    """
    folder = folder / uuid4().hex
    lines = ["---", "configs:"]
    for config, splits in configs.items():
        lines += [f"- config_name: {config}", "  data_files:"]
        for split, rows in splits.items():
            file = folder / config / f"{split}.jsonl"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(json.dumps(dict(row)) + "\n" for row in rows), encoding="utf-8")
            lines += [f"  - split: {split}", f"    path: {config}/{split}.jsonl"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]), encoding="utf-8")
    return folder


def write_retrieval(folder: Path, task: RetrievalTask, split: str = "test") -> Path:
    """A retrieval task of ours as mteb keeps such tasks on the Hub."""
    judged = [
        {"query-id": query_id, "corpus-id": passage_id, "score": grade}
        for query_id, grades in task.qrels.items()
        for passage_id, grade in grades.items()
    ]
    return write_repository(
        folder,
        {
            "corpus": {split: [{"_id": p.id, "title": "", "text": p.embedding_text} for p in task.corpus]},
            "queries": {split: [{"_id": query_id, "text": text} for query_id, text in task.queries.items()]},
            "default": {split: judged},
        },
    )


def pointed_at(folder: Path, task: AbsTask) -> BenchmarkTask:
    """mteb's own class of a task, its metadata changed in nothing but where the data are."""
    from gaprune_viz.evaluation.mteb.catalogue import BenchmarkTask

    real = type(task)
    metadata = task.metadata.model_copy(update={"dataset": {"path": str(folder), "revision": "main"}})
    moved = type(real.__name__, (real,), {"metadata": metadata})
    return BenchmarkTask(task.metadata.name, task.metadata.type, moved)
