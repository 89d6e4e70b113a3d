"""What a sweep stored: read without the model, computed again where it is damaged, compared cell by cell."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from gaprune_viz.calibration.progress import drain
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.cells import SWEEP_CELLS, SWEEP_FORMAT
from gaprune_viz.experiments.sweep import SweepPlan, difference, sweep
from gaprune_viz.figures.experiments.sweep_grid import difference_html
from tests.unit.experiments.sweeping import cells, criteria_plan


def test_a_finished_sweep_needs_neither_model_nor_tensors(analysis: Path, tasks: tuple[str, str]) -> None:
    plan = criteria_plan(tasks)
    frame = drain(sweep(analysis, plan))
    for file in analysis.glob("*.safetensors"):
        if file.name != "sketch.safetensors":
            file.unlink()
    spec = json.loads((analysis / "spec.json").read_text())
    spec["run"]["model"]["model"] = str(analysis / "gone")
    # As an earlier version would have written it: one with checksums may not be edited.
    del spec["checksums"]
    (analysis / "spec.json").write_text(json.dumps(spec))
    pd.testing.assert_frame_equal(drain(sweep(analysis, plan)), frame, check_exact=True)
    next(iter((analysis / SWEEP_CELLS).glob(f"{plan.settings('dai', 0.5).key()}-*"))).unlink()
    with pytest.raises(GapruneError, match="gone"):
        drain(sweep(analysis, plan))


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"format": 0, "numbers": {}}', f'{{"format": {SWEEP_FORMAT}}}'])
def test_a_damaged_cell_is_computed_again(analysis: Path, tasks: tuple[str, str], content: str) -> None:
    plan = SweepPlan("criteria", ("magnitude",), (0.5,), tasks)
    frame = drain(sweep(analysis, plan))
    for name in cells(analysis):
        (analysis / SWEEP_CELLS / name).write_text(content)
    pd.testing.assert_frame_equal(drain(sweep(analysis, plan)), frame, check_exact=True)
    assert all(json.loads((analysis / SWEEP_CELLS / n).read_text())["format"] == SWEEP_FORMAT for n in cells(analysis))


def test_any_two_cells_can_be_compared(analysis: Path, tasks: tuple[str, str]) -> None:
    plan = criteria_plan(tasks)
    with pytest.raises(GapruneError, match=r"The cell random, sparsity 90 % is not computed yet\. Run the sweep"):
        difference(analysis, plan, ("random", 0.9))
    frame = drain(sweep(analysis, plan))
    for side, found in zip(("domain", "general"), difference(analysis, plan, ("random", 0.9)), strict=True):
        cell = frame[(frame["row"] == "random") & (frame["column"] == 0.9) & (frame["side"] == side)].iloc[0]
        assert (found.side, found.queries, found.clusters) == (side, 5, 5)
        assert (found.low, found.high, found.p) == (cell["low"], cell["high"], cell["p"])
        assert (found.first, found.second) == pytest.approx((cell["ndcg_at_10"], cell["dense_ndcg_at_10"]))
    for one, other in zip(
        difference(analysis, plan, ("random", 0.9), ("dai", 0.5)),
        difference(analysis, plan, ("dai", 0.5), ("random", 0.9)),
        strict=True,
    ):
        assert one.delta == -other.delta == pytest.approx(one.first - one.second)
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
        assert one.low <= one.delta <= one.high
    same = difference(analysis, plan, ("dai", 0.5), ("dai", 0.5))[0]
    assert (same.delta, same.low, same.high, same.p) == (0, 0, 0, 1)
    html = difference_html("random <b>", "dai", difference(analysis, plan, ("random", 0.9), ("dai", 0.5)))
    assert "random &lt;b&gt;" in html
    assert html.count("<tr>") == 3
