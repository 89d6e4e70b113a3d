"""The live preview says what the exact mask will be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gaprune_viz.analysis.exact_scores import exact_scope, load_dense
from gaprune_viz.analysis.opening import Analysis, open_analysis
from gaprune_viz.config import Allocation, MaskSpec, ScoreSpec, Settings
from gaprune_viz.config.presets import PRESETS
from gaprune_viz.criteria.diagnostics import average_ranks
from gaprune_viz.criteria.registry import CRITERIA
from gaprune_viz.errors import GapruneError
from gaprune_viz.masking.from_statistics import ExactScope
from gaprune_viz.sketch.ranked import Scored
from gaprune_viz.sketch.tuning import LiveScope


@pytest.fixture(scope="module")
def analysis(tiny_analysis: Path) -> Analysis:
    return open_analysis(tiny_analysis)


@pytest.fixture(scope="module")
def exact(analysis: Analysis) -> ExactScope:
    return exact_scope(analysis.statistics, load_dense(analysis.statistics))[0]


MASKS = (
    MaskSpec(sparsity=0.3),
    MaskSpec(sparsity=0.5, allocation=Allocation.LAYER),
    MaskSpec(sparsity=0.7, allocation=Allocation.MATRIX),
    MaskSpec(sparsity=0.5, floor=0.4, ceiling=0.6),
    MaskSpec(sparsity=0.6, allocation=Allocation.LAYER, ceiling=0.65),
)


@pytest.mark.parametrize("mask", MASKS, ids=str)
@pytest.mark.parametrize("name", sorted(CRITERIA))
def test_preview_and_exact_mask_agree_where_the_sketch_is_whole(
    analysis: Analysis, exact: ExactScope, name: str, mask: MaskSpec
) -> None:
    settings = Settings(score=ScoreSpec(criterion=name), mask=mask)
    preview = analysis.live.preview(settings)
    truth = exact.diagnostics(settings, exact.masks(settings), others=("obd_joint",))
    # Quantiles round a count up where masks round it down: a few of the 1,024 weights of the smallest matrix.
    assert list(preview.pruned_fraction) == pytest.approx(list(truth.pruned_fraction.values()), abs=5e-3)
    found = analysis.live.overlaps(settings)
    assert preview.overlap_with_magnitude == found.overlap["magnitude"]
    assert found.overlap["magnitude"] == pytest.approx(truth.overlap["magnitude"], abs=5e-3)
    assert found.overlap["obd_joint"] == pytest.approx(truth.overlap["obd_joint"], abs=5e-3)
    assert found.jaccard["obd_joint"] == pytest.approx(truth.jaccard["obd_joint"], abs=8e-3)
    assert preview.term_shares == pytest.approx(truth.term_shares, abs=1e-6)
    assert sum(preview.term_shares.values()) == pytest.approx(1, abs=1e-6)
    assert preview.disagreement == pytest.approx(truth.disagreement, abs=1e-12)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_a_preview(analysis: Analysis, name: str) -> None:
    preview = analysis.live.preview(PRESETS[name].settings)
    assert np.isfinite(preview.score_mean).all()
    for density in analysis.live.densities(preview.settings):
        assert density.counts.sum() == pytest.approx(analysis.live.sizes.sum())
    assert analysis.live.overlaps(preview.settings).overlap[preview.settings.score.criterion] == 1.0


def test_kappa_auto_makes_the_medians_equal(analysis: Analysis) -> None:
    medians = analysis.statistics.medians
    for power in (1.0, 0.5):
        kappa = analysis.live.kappa(ScoreSpec(fisher_scale="auto", fisher_power=power))
        assert kappa * medians[f"fisher_theta_{power}"] == pytest.approx(medians["sqrt_theta"])


def test_n_of_m_prunes_that_share_everywhere(analysis: Analysis) -> None:
    preview = analysis.live.preview(Settings(mask=MaskSpec(pattern="1:4")))
    assert set(preview.pruned_fraction) == {0.75}
    with pytest.raises(GapruneError, match="3:7 cannot be previewed"):
        analysis.live.preview(Settings(mask=MaskSpec(pattern="3:7")))


def test_nothing_is_pruned_at_sparsity_zero(analysis: Analysis) -> None:
    preview = analysis.live.preview(Settings(mask=MaskSpec(sparsity=0)))
    assert not preview.pruned_fraction.any()
    assert preview.sentence.startswith("Nothing is pruned")
    assert preview.starved == ()


def test_starved_matrices_are_named(analysis: Analysis) -> None:
    settings = Settings(score=ScoreSpec(criterion="fisher_domain"), mask=MaskSpec(sparsity=0.95))
    preview = analysis.live.preview(settings)
    names = np.array(analysis.statistics.names)
    assert set(preview.starved) == set(names[preview.pruned_fraction > 0.95])


@pytest.mark.parametrize("ties", [False, True])
def test_ranks_are_average_ranks(ties: bool) -> None:
    random = np.random.default_rng(0)
    values = random.integers(0, 9, 200) if ties else random.normal(size=200)
    weight = random.uniform(0.5, 3, 200)
    scored = Scored(values.astype(np.float32), weight)
    np.testing.assert_allclose(scored.ranks, average_ranks(values.astype(np.float32), weight))


def test_thresholds_are_weighted_quantiles() -> None:
    scored = Scored(np.array([4, 1, 3, 2], dtype=np.float32), np.array([1.0, 1, 1, 3]))
    whole = np.zeros(4, dtype=np.int64)
    assert scored.thresholds("all", whole, 1, 0.5) == [2]
    assert scored.thresholds("all", whole, 1, 0.1) == [1]
    assert scored.thresholds("all", whole, 1, 1.0) == [4]
    assert list(scored.thresholds("two", np.array([0, 0, 1, 1]), 2, 0.5)) == [1, 2]


def test_the_scatter_is_a_spread_of_the_sample(analysis: Analysis) -> None:
    live: LiveScope = analysis.live
    preview: Callable = live.preview
    points = live.scatter(preview(Settings()), 500)
    assert 250 <= len(points.pruned) <= 1000
    assert points.pruned.mean() == pytest.approx(0.5, abs=0.1)
    assert (points.magnitude >= 0).all()
