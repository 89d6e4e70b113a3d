"""Sweeps of every kind: over criteria of a cut, over κ and β, over samples and seeds."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from gaprune_viz.analysis.making import analyze
from gaprune_viz.calibration.progress import drain, iterate
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import (
    CalibrationSpec,
    MaskSpec,
    ModelSpec,
    RunSpec,
    Sampling,
    Scope,
    ScoreSpec,
    Settings,
    Structure,
    StructureSpec,
)
from gaprune_viz.criteria.registry import settled
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.sweep import SweepPlan, difference, sweep
from gaprune_viz.figures.experiments.sweep_grid import sweep_map_html
from gaprune_viz.figures.experiments.sweep_plots import sweep_curves, sweep_map
from gaprune_viz.figures.experiments.sweep_words import sweep_sentences
from tests.unit.experiments.sweeping import cells, criteria_plan, traces


def test_a_cut_is_what_cutting_exporting_and_comparing_by_hand_gives(
    analysis: Path, tasks: tuple[str, str], tmp_path: Path
) -> None:
    from gaprune_viz.evaluation.comparison import compare_models, load_pair
    from gaprune_viz.evaluation.task_sources import load_task
    from gaprune_viz.pruning.export import prune

    neurons = Settings(structure=StructureSpec(structure=Structure.NEURONS, multiple=8))
    plan = SweepPlan("criteria", ("obd_joint", "magnitude"), (0.25, 0.75), tasks, neurons)
    assert SweepPlan.of(plan.document()) == plan
    frame = drain(sweep(analysis, plan))
    assert len(cells(analysis)) == 2 + 8
    prune(analysis, plan.settings("magnitude", 0.75), tmp_path / "less")
    for side, source in zip(("domain", "general"), tasks, strict=True):
        found, _, _ = compare_models(load_pair(tmp_path / "less"), load_task(source))
        chosen = frame[(frame["row"] == "magnitude") & (frame["column"] == 0.75) & (frame["side"] == side)].iloc[0]
        assert chosen["ndcg_at_10"] == pytest.approx(found.pruned["ndcg_at_10"], abs=1e-9)
    # The mask of single weights is another cell.
    drain(sweep(analysis, SweepPlan("criteria", ("magnitude",), (0.75,), tasks)))
    assert len(cells(analysis)) == 2 + 8 + 2
    pd.testing.assert_frame_equal(drain(sweep(analysis, plan)), frame, check_exact=True)


@pytest.fixture(scope="module")
def sampled(tiny_bert: Path, tiny_triplets: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An analysis that draws six of twelve triplets: what a sweep over samples begins from."""
    domain, general = map(str, tiny_triplets)
    calibration = CalibrationSpec(domain=domain, general=general, samples=6, sampling=Sampling.RANDOM, scope=Scope.MLP)
    run = RunSpec(model=ModelSpec(model=str(tiny_bert), device="cpu"), calibration=calibration)
    return drain(analyze(run, tmp_path_factory.mktemp("sampled") / "analysis"))


def test_kappa_by_beta(analysis: Path, tasks: tuple[str, str]) -> None:
    base = Settings(mask=MaskSpec(sparsity=0.7))
    plan = SweepPlan("kappa", (1.0, 1e6, "auto"), (0.0, 1.0), tasks, base)
    frame = drain(sweep(analysis, plan))
    assert plan.settings("auto", 1.0) == settled(base.with_(score=ScoreSpec(fisher_scale="auto", beta=1.0)))
    assert list(frame["row"][::2]) == [1.0, 1.0, 1e6, 1e6, "auto", "auto"]
    assert set(frame["sparsity"]) == {0.7}
    assert len(cells(analysis)) == 12 + 2
    # The cells of another kind of sweep are the same cells.
    before = cells(analysis)
    drain(sweep(analysis, SweepPlan("criteria", ("dai",), (0.7,), tasks, plan.settings(1.0, 0.0))))
    assert cells(analysis) == before
    assert [line.name for line in traces(sweep_curves(frame, "domain")) if line.name] == [
        *("κ = 1", "κ = 1e+06", "κ = auto", "dense")
    ]
    assert list(traces(sweep_map(frame, "domain"))[0].x) == ["β = 0", "β = 1"]
    assert "κ = auto, β = 0" in sweep_map_html(frame, "general")
    domain, general, caution = sweep_sentences(frame, enough=2.0)
    assert domain.startswith("Domain (near): 6 of 6 cells fall below 200 % of dense; the highest is κ = ")
    assert general.startswith("General (far): ")
    assert "flatters itself" in caution


def test_samples_by_seeds_are_analyses_of_their_own(
    sampled: Path, tasks: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = SweepPlan("samples", (4, 12), (0, 1), tasks, Settings(score=ScoreSpec(fisher_scale="auto")))
    steps = list(iterate(sweep(sampled, plan), box := []))
    frame = box[0]
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert any(step.stage.startswith("4 samples, seed 1, analysis: calibrating") for step in steps)
    run = plan.run(Statistics.open(sampled).run, 4, 1)
    assert (run.calibration.samples, run.calibration.seed) == (4, 1)
    # The same cell by hand: an analysis with these samples, and a sweep of it.
    by_hand = drain(sweep(drain(analyze(run)), SweepPlan("criteria", ("dai",), (0.5,), tasks, plan.base)))
    own = frame[(frame["row"] == 4) & (frame["column"] == 1)].reset_index(drop=True)
    for name in ("ndcg_at_10", "map", "low", "high", "p"):
        assert own[name].tolist() == by_hand[name].tolist()
    # All twelve are there whatever the seed.
    whole = frame[frame["row"] == 12]
    assert len(set(whole.loc[whole["side"] == "domain", "ndcg_at_10"])) == 1

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("calibrated again")

    monkeypatch.setattr("gaprune_viz.calibration.domain_pass.calibrate", refuse)
    pd.testing.assert_frame_equal(drain(sweep(sampled, plan)), frame, check_exact=True)
    monkeypatch.setattr("gaprune_viz.analysis.exact_scores.load_dense", refuse)
    found = difference(sampled, plan, (4, 1), (12, 0))
    assert found[0].first == own["ndcg_at_10"].iloc[0]
    drawn = {trace.name: trace for trace in traces(sweep_curves(frame, "domain")) if trace.name}
    assert list(drawn) == ["mean over the seeds", "one seed", "dense"]
    assert list(drawn["mean over the seeds"].x) == [4, 12]
    assert len(drawn["one seed"].x) == 4
    assert "12 samples, seeds 0.0 points apart" in sweep_sentences(frame)[0]


def test_more_samples_than_there_are_is_refused(sampled: Path, tasks: tuple[str, str]) -> None:
    with pytest.raises(GapruneError, match="13 samples are more than the 12"):
        drain(sweep(sampled, SweepPlan("samples", (4, 13), (0,), tasks)))


def test_a_plan_survives_json(tasks: tuple[str, str]) -> None:
    for plan in (criteria_plan(tasks), SweepPlan("kappa", (1.0, "auto"), (0.5,), tasks, Settings())):
        assert SweepPlan.of(json.loads(json.dumps(plan.document()))) == plan
