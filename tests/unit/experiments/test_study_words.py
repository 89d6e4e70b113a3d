"""What a study says: the pick of the best row is paid for, and what its queries were used for is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gaprune_viz.experiments.study.document import open_study
from gaprune_viz.experiments.study.findings import findings
from gaprune_viz.experiments.study.markdown import INTRODUCTION, studies_markdown
from gaprune_viz.experiments.transfer import markdown as transfer

DOCS = Path(__file__).parents[3] / "docs"
STUDIES = ("chebi", "chemistry", "finance", "chebi-refit", "chemistry-refit", "finance-refit")


def row(name: str, kept: float, p: float | None) -> dict[str, Any]:
    over = None if p is None else {"points": kept - 80, "low": 0.5, "high": 9.0, "p": p}
    side = {"of_dense": kept, "over_baseline": over}
    return {"part": "main", "row": name, "sparsity": 0.5, "steps": 0, "sides": {"domain": side, "general": side}}


@pytest.mark.parametrize(("count", "said"), [(1, "p 0.004: clear"), (4, "p 0.016, adjusted for a pick among 4 rows")])
def test_the_best_row_answers_for_all_that_it_was_picked_among(count: int, said: str) -> None:
    others = [row(f"row-{i}", 82.0, 0.5) for i in range(count - 1)]
    told = findings({"rows": [row("magnitude", 80.0, None), row("best", 85.0, 0.004), *others]})
    assert len(told) == 1 and said in told[0] and "`best` keeps most" in told[0]
    assert ("not clear" in told[0]) == (count > 1), "the same p-value is clear alone and not among four"


def test_the_documents_are_what_the_code_writes() -> None:
    studies = [open_study(DOCS / "study" / name) for name in STUDIES]
    assert (DOCS / "study.md").read_text(encoding="utf-8") == studies_markdown(studies)
    assert (DOCS / "domains.md").read_text(encoding="utf-8").startswith(transfer.INTRODUCTION)


def test_what_settings_were_chosen_on_is_told() -> None:
    refit = (DOCS / "refit.md").read_text(encoding="utf-8")
    for text in (INTRODUCTION, transfer.INTRODUCTION, refit):
        words = " ".join(text.split())
        assert "No setting was chosen on" not in words and "no setting was chosen on" not in words
        assert "`robust` and its constants were chosen on" in words or "`robust` on most of them" in words
        assert "on clean queries" in words
