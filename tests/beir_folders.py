"""Small retrieval collections as BEIR folders, for tests that search."""

from __future__ import annotations

import json
from pathlib import Path

TEXTS = (
    "salt in water",
    "a bond of two atoms",
    "the loan and its interest",
    "river and sea",
    "the moon turns",
    "a gas in a glass",
    "heat raises the rate",
    "rain falls from clouds",
)
QUERIES = ("what is salt", "atoms that share a bond", "why is a loan paid back", "where does a river run", "the rate")


def write_beir(folder: Path, shift: int) -> Path:
    """Eight passages and five judged queries; `shift` moves the answers, and with them the task's hash."""
    (folder / "qrels").mkdir(parents=True)
    passages = [{"_id": f"p{i}", "title": "", "text": text} for i, text in enumerate(TEXTS)]
    queries = [{"_id": f"q{i}", "text": text} for i, text in enumerate(QUERIES)]
    for name, rows in (("corpus", passages), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    lines = [f"q{i}\tp{(i + shift) % len(TEXTS)}\t1" for i in range(len(QUERIES))]
    (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *lines]) + "\n")
    return folder
