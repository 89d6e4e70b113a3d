"""The guide's own code does what the guide says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gaprune_viz.analysis.exact_scores import exact_scope, load_dense
from gaprune_viz.analysis.opening import open_analysis
from gaprune_viz.config import ScoreSpec, Settings
from gaprune_viz.criteria.criterion import Criterion
from gaprune_viz.criteria.registry import CRITERIA

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "criteria.md"


def test_the_criterion_of_the_guide_works_live_and_exactly(
    tiny_analysis: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = re.search(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    names: dict[str, Criterion] = {}
    exec(code[1], names)
    monkeypatch.setitem(CRITERIA, "contrast", names["CONTRAST"])
    settings = Settings(score=ScoreSpec(criterion="contrast"))
    analysis = open_analysis(tiny_analysis)
    preview = analysis.live.preview(settings)
    assert "Fisher contrast alone decides" in preview.sentence
    scope, _ = exact_scope(analysis.statistics, load_dense(analysis.statistics))
    exact = scope.diagnostics(settings, scope.masks(settings))
    assert exact.sparsity == pytest.approx(0.5, abs=1e-4)
    # The tiny model fits into the sketch whole, so the preview is no estimate.
    assert list(preview.pruned_fraction) == pytest.approx(list(exact.pruned_fraction.values()), abs=2e-3)
