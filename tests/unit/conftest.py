"""What the tests of single parts share."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def pruned(tiny_analysis: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pruned export of the tiny model. Copy it before changing it."""
    from gaprune_viz.config import Settings
    from gaprune_viz.pruning.export import prune

    out = tmp_path_factory.mktemp("pruned") / "model"
    prune(tiny_analysis, Settings(), out)
    return out


@pytest.fixture(scope="session")
def beir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six passages and three judged queries as a BEIR folder."""
    folder = tmp_path_factory.mktemp("tasks") / "small"
    (folder / "qrels").mkdir(parents=True)
    texts = ["salt in water", "a bond of two atoms", "the loan and its interest", "river and sea", "moon", "a gas"]
    passages = [{"_id": f"p{i}", "title": "", "text": text} for i, text in enumerate(texts)]
    queries = [{"_id": f"q{i}", "text": text} for i, text in enumerate(["what is salt", "atoms that bond", "a loan"])]
    for name, rows in (("corpus", passages), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    lines = ["query-id\tcorpus-id\tscore", "q0\tp0\t1", "q1\tp1\t1", "q2\tp2\t1"]
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def unsealed(tiny_analysis: Path, tmp_path: Path) -> Path:
    """An analysis without checksums, as an earlier version wrote it, so that nothing is refused for them."""
    folder = Path(shutil.copytree(tiny_analysis, tmp_path / "analysis-0123456789abcdef"))
    document = json.loads((folder / "spec.json").read_text())
    del document["checksums"]
    (folder / "spec.json").write_text(json.dumps(document))
    return folder
