"""Estimates of the Fisher information: by hand, as properties, and where the truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.analysis.exact_scores import exact_scope, load_dense
from gaprune_viz.analysis.opening import Analysis, open_analysis
from gaprune_viz.config import SIDES, FisherEstimate, MaskSpec, ScoreSpec, Settings
from gaprune_viz.criteria.criterion import ResolvedScore, WeightStatistics
from gaprune_viz.criteria.fisher_estimate import estimate, rank_one, shrinkage
from gaprune_viz.criteria.registry import criterion
from gaprune_viz.criteria.scoring import kappa_of, score_weights
from gaprune_viz.errors import GapruneError


def drawn(
    seed: int, samples: int, apart: float, shape: tuple[int, int] = (60, 80)
) -> tuple[torch.Tensor, torch.Tensor]:
    """(truth, mean of squares of normal gradients): a rank-one truth times a factor of relative variance `apart`."""
    rng = np.random.default_rng(seed)
    smooth = rng.lognormal(0, 1, shape[0])[:, None] * rng.lognormal(0, 1, shape[1])[None, :]
    truth = smooth * rng.gamma(1 / apart, apart, shape) if apart else smooth
    measured = truth * rng.chisquare(samples, shape) / samples
    return torch.from_numpy(truth).float(), torch.from_numpy(measured).float()


def test_rank_one_by_hand() -> None:
    fisher = torch.tensor([[1.0, 3.0], [2.0, 6.0]])
    # Rows have means 2 and 4, columns 1.5 and 4.5, all of it 3: it is of rank one already.
    assert torch.allclose(rank_one(fisher), fisher)
    apart = torch.tensor([[4.0, 0.0], [0.0, 4.0]])
    assert torch.equal(rank_one(apart), torch.full((2, 2), 2.0))
    assert torch.equal(rank_one(torch.zeros(2, 3)), torch.zeros(2, 3))


def test_shrinkage_by_hand() -> None:
    fisher = torch.tensor([[4.0, 0.0], [0.0, 4.0]])
    # D = 4 * 4 / (4 * 4) = 1; v = 2 / 4: t = 0.5 / 1.5, w = 1 / 3. Raw 4 and smooth 2 give 2 2/3, raw 0 gives 1 1/3.
    assert shrinkage(fisher, rank_one(fisher), 4) == pytest.approx(1 / 3)
    shrunk = estimate(FisherEstimate.SHRUNK, fisher, 4)
    assert shrunk.flatten().tolist() == pytest.approx([8 / 3, 4 / 3, 4 / 3, 8 / 3])
    # So few samples that noise explains all of it.
    assert torch.equal(estimate(FisherEstimate.SHRUNK, fisher, 2), rank_one(fisher))
    assert estimate(FisherEstimate.RAW, fisher, 2) is fisher


@given(st.integers(0, 500), st.sampled_from([2, 16, 300]), st.sampled_from([0.0, 0.2, 2.0]))
def test_what_every_estimate_keeps(seed: int, samples: int, apart: float) -> None:
    _, fisher = drawn(seed, samples, apart, (9, 14))
    for kind in FisherEstimate:
        found = estimate(kind, fisher, samples)
        assert found.shape == fisher.shape and found.dtype == torch.float32
        assert bool((found >= 0).all())
        assert float(found.sum()) == pytest.approx(float(fisher.sum()), rel=1e-4)
        rows, columns = torch.randperm(9), torch.randperm(14)
        assert torch.allclose(estimate(kind, fisher[rows][:, columns], samples), found[rows][:, columns], rtol=1e-4)


@pytest.mark.parametrize("samples", [4, 16, 64])
@pytest.mark.parametrize("apart", [0.05, 0.3, 1.0])
def test_shrinking_is_nearer_to_the_truth_than_either(samples: int, apart: float) -> None:
    """On draws from the model that the weight is derived from, measured as the derivation does: over R squared."""
    errors = dict.fromkeys(FisherEstimate, 0.0)
    for seed in range(8):
        truth, fisher = drawn(seed, samples, apart)
        scale = rank_one(truth)
        for kind in FisherEstimate:
            errors[kind] += float(((estimate(kind, fisher, samples) - truth) / scale).square().mean())
    assert errors[FisherEstimate.SHRUNK] <= 1.02 * min(errors[FisherEstimate.RAW], errors[FisherEstimate.RANK_ONE])


def test_more_samples_trust_the_raw_entries_more() -> None:
    _, fisher = drawn(0, 64, 0.3)
    weights = [shrinkage(fisher, rank_one(fisher), samples) for samples in (4, 16, 64, 10_000)]
    assert weights == sorted(weights) and weights[0] < 0.2 and weights[-1] > 0.99


def test_both_sides_weigh_alike_by_hand() -> None:
    w = WeightStatistics(
        theta=torch.tensor([0.5, -2.0]),
        fisher_domain=torch.tensor([1.0, 3.0]),
        fisher_general=torch.tensor([10.0, 30.0]),
    )
    numbers = ResolvedScore(gamma=2.0, kappa=3.0, power=0.5, mass_domain=2.0, mass_general=20.0)
    # J = 0.5 + 0.5 = 1 and 1.5 + 1.5 = 3.
    assert score_weights(criterion("obd_equal"), w, numbers).tolist() == pytest.approx([0.25, 12.0])
    wanted = [3 * 1 * 0.5 + 2 * 0.5**0.5, 3 * 3**0.5 * 2 + 2 * 2**0.5]
    assert score_weights(criterion("joint"), w, numbers).tolist() == pytest.approx(wanted)
    with pytest.raises(GapruneError, match="divides each side"):
        score_weights(criterion("joint"), w, ResolvedScore(mass_domain=float("nan")))


@pytest.fixture(scope="module")
def analysis(tiny_analysis: Path) -> Analysis:
    return open_analysis(tiny_analysis)


@pytest.mark.parametrize("kind", list(FisherEstimate))
@pytest.mark.parametrize("name", ["dai", "obd_joint", "obd_equal", "joint", "fisher_general"])
def test_the_preview_knows_the_estimates_of_whole_matrices(analysis: Analysis, name: str, kind: FisherEstimate) -> None:
    """Where the sketch is whole, preview and exact mask agree: the estimates are those of matrices, not of samples."""
    score = ScoreSpec(criterion=name, fisher_scale="auto", fisher_power=0.5, fisher_estimate=kind)
    settings = Settings(score=score, mask=MaskSpec(sparsity=0.4))
    exact, _ = exact_scope(analysis.statistics, load_dense(analysis.statistics))
    truth = exact.diagnostics(settings, exact.masks(settings), others=())
    preview = analysis.live.preview(settings)
    assert list(preview.pruned_fraction) == pytest.approx(list(truth.pruned_fraction.values()), abs=5e-3)
    assert preview.term_shares == pytest.approx(truth.term_shares, abs=1e-6)
    assert preview.kappa == truth.kappa


def test_scales_of_a_run_are_those_of_its_weights(analysis: Analysis) -> None:
    statistics, scales = analysis.statistics, analysis.statistics.scales
    model = load_dense(statistics)
    exact, _ = exact_scope(statistics, model)
    for side in SIDES:
        every = torch.cat([statistics.tensor(m.name, f"fisher_{side}").flatten() for m in statistics.matrices])
        assert scales[f"mass_{side}"] == pytest.approx(float(every.double().mean()), rel=1e-6)
    spec = ScoreSpec(criterion="joint", fisher_scale="auto", fisher_power=0.5)
    parts = []
    for m in statistics.matrices:
        both = sum(statistics.tensor(m.name, f"fisher_{side}") / scales[f"mass_{side}"] for side in SIDES)
        parts.append((both.sqrt() * exact.theta_of(m.name).abs()).flatten())
    wanted = scales["sqrt_theta"] / float(torch.cat(parts).median())
    assert kappa_of(spec, scales) == pytest.approx(wanted, rel=1e-3)


def test_a_run_of_an_earlier_version_says_what_it_lacks(analysis: Analysis) -> None:
    old = dict(analysis.statistics.medians)
    with pytest.raises(GapruneError, match="earlier version"):
        kappa_of(ScoreSpec(criterion="joint", fisher_scale="auto"), old)
    with pytest.raises(GapruneError, match="earlier version"):
        kappa_of(ScoreSpec(fisher_scale="auto", fisher_estimate=FisherEstimate.SHRUNK), old)
    assert kappa_of(ScoreSpec(fisher_scale="auto"), old) > 0
