"""An analysis of plain texts: no gradients, alignment off and said to be, criteria that need a gradient refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from gaprune_viz.analysis.cost_estimate import predict
from gaprune_viz.analysis.exact_scores import diagnose, exact_scope, load_dense
from gaprune_viz.analysis.making import analyze
from gaprune_viz.analysis.opening import Analysis, open_analysis
from gaprune_viz.app.frame.summary_row import headline_html
from gaprune_viz.app.session.view import Live, Shown, View, run_line
from gaprune_viz.app.tabs.atlas import view as atlas
from gaprune_viz.app.tabs.distributions import view as distributions
from gaprune_viz.calibration.progress import drain
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import CalibrationSpec, Fisher, ModelSpec, RunSpec, Sampling, Scope, ScoreSpec, Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.pruning.export import prune
from gaprune_viz.sketch.inspection import quantity
from gaprune_viz.sketch.weight_kinds import kinds_of
from tests.commands import Run
from tests.conftest import DOMAIN_TRIPLETS, GENERAL_TRIPLETS

OFF = "plain texts have no labels"


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "domain.txt"
    path.write_text("\n".join(row[1] for row in DOMAIN_TRIPLETS))
    return path


@pytest.fixture(scope="module")
def run_spec(tiny_bert: Path, tiny_triplets: tuple[Path, Path], texts: Path) -> RunSpec:
    calibration = CalibrationSpec(
        domain=str(texts),
        general=str(tiny_triplets[1]),
        samples=12,
        sampling=Sampling.ALL,
        scope=Scope.LINEAR,
        fisher=Fisher.EMBEDDING,
        projections=3,
    )
    return RunSpec(model=ModelSpec(model=str(tiny_bert), device="cpu"), calibration=calibration)


@pytest.fixture(scope="module")
def plain(run_spec: RunSpec, tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    return open_analysis(drain(analyze(run_spec, tmp_path_factory.mktemp("plain") / "analysis")))


def test_it_says_what_it_lacks(plain: Analysis) -> None:
    document = plain.statistics.document
    assert document["gradients"] == {"domain": False, "general": True}
    assert document["data"]["domain"]["mean_loss"] is None
    assert document["data"]["general"]["mean_loss"] > 0
    assert document["effective_samples"]["domain"] == 12 * 3
    # Of triplets every text is projected.
    assert document["effective_samples"]["general"] == 3 * sum(map(len, GENERAL_TRIPLETS))
    assert any(OFF in note and "alignment is off" in note for note in document["notes"])
    for name in plain.statistics.names:
        assert not bool(plain.statistics.tensor(name, "grad_domain").any())
        assert bool(plain.statistics.tensor(name, "grad_general").any())
        assert float(plain.statistics.tensor(name, "fisher_domain").sum()) > 0


def test_agreement_is_not_known_rather_than_zero(plain: Analysis) -> None:
    for column in ("alignment_cosine", "sign_agreement", "sign_disagreement", "correlation_mean"):
        assert plain.summary[column].isna().all()
    assert not plain.summary["fisher_ratio_log10"].isna().any()
    assert not plain.histograms["correlation"].any()
    assert math.isnan(plain.live.disagreement)
    preview = plain.live.preview(Settings())
    assert preview.sentence.endswith("Alignment is off: plain texts have no labels.")
    assert not plain.live.densities(Settings())[1].counts.any()
    assert not kinds_of(plain.live, preview).counts.any()
    magnitude = plain.live.preview(Settings(score=ScoreSpec(criterion="magnitude")))
    assert "Alignment" not in magnitude.sentence


def test_a_criterion_that_needs_a_gradient_is_refused(plain: Analysis) -> None:
    taylor = Settings(score=ScoreSpec(criterion="taylor_domain"))
    with pytest.raises(GapruneError, match="'taylor_domain' needs grad_domain") as raised:
        plain.live.preview(taylor)
    assert "plain texts have no labels" in raised.value.hint
    assert "\n" not in str(raised.value)
    scope, _ = exact_scope(plain.statistics, load_dense(plain.statistics))
    with pytest.raises(GapruneError, match="'taylor_domain' needs grad_domain"):
        scope.masks(taylor)
    assert "taylor_domain" not in plain.live.overlaps(Settings()).overlap


def test_exact_diagnosis_and_export(plain: Analysis, tmp_path: Path) -> None:
    found = diagnose(plain.folder, Settings())
    assert found["disagreement"] is None
    assert "taylor_domain" not in found["overlap"]
    assert "obd_joint" in found["overlap"]
    assert found["sentence"].endswith("Alignment is off: plain texts have no labels.")
    json.dumps(found, allow_nan=False)
    # Alignment 0 everywhere: alpha changes nothing.
    scope, _ = exact_scope(plain.statistics, load_dense(plain.statistics))
    with_alpha, without = (scope.masks(Settings(score=ScoreSpec(alpha=alpha))) for alpha in (0.9, 0.0))
    assert all(bool((mask == without.masks[name]).all()) for name, mask in with_alpha.masks.items())
    name = plain.statistics.names[0]
    values = quantity(scope, name, Settings(), "alignment", with_alpha)
    assert np.isnan(values.numpy()).all()
    explained = scope.explain(name, 0, 0, Settings())
    assert "grad_domain" not in explained["values"]
    prune(plain.folder, Settings(), tmp_path / "pruned")
    card = (tmp_path / "pruned" / "README.md").read_text(encoding="utf-8")
    assert "none: plain texts" in card
    assert "Fisher information `embedding`" in card


def test_the_page_says_off(plain: Analysis) -> None:
    preview = plain.live.preview(Settings())
    table = plain.summary.assign(
        pruned_fraction=preview.pruned_fraction, score_mean=preview.score_mean, threshold=preview.thresholds
    )
    shown = Shown(View(metric="alignment_cosine", selected=plain.statistics.names[0]), Settings())
    vars(shown)["now"] = Live(plain, preview, table)
    assert OFF in headline_html(shown.now)
    assert f"Alignment cosine is off: {OFF}" in atlas.atlas_html(shown)
    assert atlas.detail_html(shown).count(OFF) == 2
    assert atlas.detail_figure(shown)
    assert "not known" in atlas.atlas_html(shown)
    assert "off" in distributions.kinds_html(shown, "scope")
    assert distributions.kinds_figure(shown, "scope")
    assert len(distributions.densities(shown.now)) == 4
    assert "Fisher of embedding" in run_line(plain, "analysis-x")


def test_both_sides_may_be_plain_and_the_plan_counts_backwards(run_spec: RunSpec, texts: Path, tmp_path: Path) -> None:
    both = run_spec.with_(calibration=run_spec.calibration.with_(general=str(texts), sampling=Sampling.KMEANS))
    opened = Statistics.open(drain(analyze(both, tmp_path / "both")))
    assert opened.gradients == {"domain": False, "general": False}
    few, many = (predict(both.with_(calibration=both.calibration.with_(projections=k)), timed=False) for k in (1, 16))
    # One forward pass, and one backward for each projection; squares go with them.
    assert 6 < many.flops / few.flops < 16
    assert many.peak_bytes == few.peak_bytes


def test_the_command_line(
    run: Run, tiny_bert: Path, tiny_triplets: tuple[Path, Path], texts: Path, tmp_path: Path
) -> None:
    flags = ["--model", tiny_bert, "--device", "cpu", "--domain", texts, "--general", tiny_triplets[1]]
    refused = run("analyze", *flags, "--out", tmp_path / "a")
    assert refused.status != 0
    assert "plain texts have no positives" in refused.err
    assert "--fisher embedding" in refused.err
    done = run("analyze", *flags, "--fisher", "embedding", "--projections", 1, "--out", tmp_path / "b", "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["gradients"] == {"domain": False, "general": True}
    assert OFF in done.err
    said = run("diagnose", tmp_path / "b")
    assert "gradients in conflict: off: plain texts have no labels" in said.out
    assert "needs grad_domain" in run("diagnose", tmp_path / "b", "--criterion", "taylor_domain").err
    unknown = run("analyze", *flags, "--fisher", "true", "--out", tmp_path / "c")
    assert unknown.status != 0
    assert "fisher" in unknown.err


def test_one_who_knows_no_sides_is_told(plain: Analysis, tmp_path: Path) -> None:
    """A description whose part about gradients is of another kind is damaged."""
    document = json.loads((plain.folder / "spec.json").read_text())
    for wrong in ({"domain": False}, {"domain": 1, "general": 0}, []):
        with pytest.raises(ValueError, match="gradients"):
            Statistics(tmp_path, {**document, "gradients": wrong})
    with pytest.raises(ValueError, match="effective_samples"):
        Statistics(tmp_path, {**document, "effective_samples": {"domain": 3.0, "general": -1}})
    lossless = {**document["data"]["general"], "mean_loss": None}
    with pytest.raises(ValueError, match="mean_loss"):
        Statistics(tmp_path, {**document, "data": {**document["data"], "general": lossless}})
