"""The criteria: hand-worked scores, terms that add up, and what each reads and is changed by."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.config import Alignment, ScoreSpec
from gaprune_viz.criteria.criterion import STATISTICS, ResolvedScore, WeightStatistics
from gaprune_viz.criteria.registry import CRITERIA, criterion
from gaprune_viz.criteria.scoring import alignment_of, auto_kappa, resolve, score_weights, terms_of
from gaprune_viz.errors import GapruneError
from tests.unit.criteria.weights import PAPER, one, some


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # ((0.5 - 0.125) * 0.25 + 0.5 * 0.5) * (1 - 0.2)
        ("dai", 0.275),
        # softplus(0.375 * 0.25 * 0.8 + 0.5 * sqrt(0.25 + 1e-8))
        ("dai_released", math.log1p(math.exp(0.075 + 0.5 * math.sqrt(0.25 + 1e-8)))),
        ("magnitude", 0.25),
        ("fisher_domain", 0.5),
        ("fisher_general", 0.125),
        ("taylor_domain", 0.125),
        ("obd_domain", 0.5 / 16),
        ("obd_joint", 0.625 / 16),
        ("wanda", 0.75),
        ("sparsegpt", 0.5625),
        ("gga", 0.5 + 0.2 / 16),
        ("dsp", (2 - 0.5) / 16),
        ("fisher_worst", 0.25),
    ],
)
def test_scores_by_hand(name: str, expected: float) -> None:
    assert score_weights(criterion(name), one(), PAPER).item() == pytest.approx(expected, rel=1e-6)


def test_dai_with_scale_and_power() -> None:
    numbers = ResolvedScore(alpha=0.5, beta=0.5, gamma=2.0, kappa=8.0, power=0.5)
    weight = one(fisher_domain=0.25, fisher_general=0.0625)
    # (8 * (0.5 - 0.5 * 0.25) * 0.25 + 2 * 0.5) * (1 - 0.5) = 0.875
    assert score_weights(criterion("dai"), weight, numbers).item() == pytest.approx(0.875)


def test_released_code_ignores_scale_and_power_and_fixes_its_alignment() -> None:
    released = criterion("dai_released")
    plain = score_weights(released, one(), PAPER)
    assert torch.equal(plain, score_weights(released, one(), replace(PAPER, kappa=9.0, power=0.5)))
    assert not {"fisher_scale", "fisher_power", "alignment"} & set(released.uses)
    spec = ScoreSpec(alignment=Alignment.ROW)
    assert alignment_of(released, spec) is Alignment.UNIT_PRODUCT
    assert alignment_of(criterion("dai"), spec) is Alignment.ROW


KNOB_CHANGES = {
    "alpha": {"alpha": 0.9},
    "beta": {"beta": 0.3},
    "gamma": {"gamma": 1.5},
    "fisher_scale": {"kappa": 7.0},
    "fisher_power": {"power": 0.5},
    "seed": {"seed": 5},
}


@pytest.mark.parametrize("name", list(CRITERIA))
@pytest.mark.parametrize("knob", list(KNOB_CHANGES))
def test_uses_lists_exactly_the_knobs_that_change_the_scores(name: str, knob: str) -> None:
    chosen, weights = criterion(name), some(4, 6)
    changed = not torch.equal(
        score_weights(chosen, weights, PAPER), score_weights(chosen, weights, replace(PAPER, **KNOB_CHANGES[knob]))
    )
    assert changed == (knob in chosen.uses)


@pytest.mark.parametrize("name", list(CRITERIA))
def test_a_sample_gets_the_scores_of_the_whole_matrix(name: str) -> None:
    chosen, whole = criterion(name), some(7, 9)
    full = score_weights(chosen, whole, PAPER)
    assert full.shape == (7, 9)
    assert full.dtype == torch.float32
    index = torch.tensor([0, 5, 17, 62])
    sample = WeightStatistics(
        **{field: getattr(whole, field).broadcast_to(7, 9).reshape(-1)[index] for field in STATISTICS},
        flat_index=index,
        matrix_index=torch.full((4,), 3),
    )
    assert torch.allclose(score_weights(chosen, sample, PAPER), full.reshape(-1)[index], rtol=1e-6, atol=0)
    picked = whole.at(1, 8)
    assert score_weights(chosen, picked, PAPER).item() == pytest.approx(full[1, 8].item(), rel=1e-6)


@pytest.mark.parametrize("name", list(CRITERIA))
def test_needs_lists_exactly_the_statistics_that_are_read(name: str) -> None:
    chosen, whole = criterion(name), some(3, 4)
    only = WeightStatistics(**{need: getattr(whole, need) for need in chosen.needs}, matrix_index=3)
    assert torch.equal(score_weights(chosen, only, PAPER), score_weights(chosen, whole, PAPER))
    for need in chosen.needs:
        with pytest.raises(GapruneError, match=f"needs {need}, which is not in this run"):
            score_weights(chosen, replace(whole, **{need: None}), PAPER)
        with pytest.raises(GapruneError, match=need):
            terms_of(chosen, replace(whole, **{need: None}), PAPER)


@given(
    seed=st.integers(0, 1000),
    alpha=st.floats(0, 1),
    beta=st.floats(0, 2),
    gamma=st.floats(0, 4),
    kappa=st.floats(0, 1e6),
    power=st.sampled_from([1.0, 0.5]),
)
def test_terms_add_up(seed: int, alpha: float, beta: float, gamma: float, kappa: float, power: float) -> None:
    numbers = ResolvedScore(alpha=alpha, beta=beta, gamma=gamma, kappa=kappa, power=power)
    weights = some(5, 5, seed)
    for name in ("dai", "dai_released"):
        terms = terms_of(criterion(name), weights, numbers)
        total = torch.stack([term.double() for term in terms.values()]).sum(0)
        expected = score_weights(criterion(name), weights, numbers).double()
        size = torch.stack([term.abs() for term in terms.values()]).max().item()
        got = torch.nn.functional.softplus(total) if name == "dai_released" else total
        assert torch.allclose(got, expected, rtol=1e-5, atol=1e-6 * max(size, 1.0))


def test_a_criterion_without_terms_is_its_own_term() -> None:
    assert list(terms_of(criterion("wanda"), one(), PAPER)) == ["wanda"]
    assert list(terms_of(criterion("dai"), one(), PAPER)) == [
        "fisher_domain",
        "fisher_general",
        "magnitude",
        "alignment",
    ]


def test_resolve_and_auto_kappa() -> None:
    assert auto_kappa(0.2, 1e-6) == pytest.approx(2e5)
    assert resolve(ScoreSpec(fisher_scale="auto", fisher_power=0.5, seed=4), 12.5) == ResolvedScore(
        kappa=12.5, power=0.5, seed=4
    )
    assert resolve(ScoreSpec(fisher_scale=3), 12.5).kappa == 3.0
    for median in (0.0, math.nan):
        with pytest.raises(GapruneError, match="κ auto has no value"):
            auto_kappa(0.2, median)


def test_a_negative_beta_adds_what_a_positive_one_takes_away() -> None:
    weight = one(theta=-0.25, fisher_domain=0.5, fisher_general=0.125, alignment=0.0)
    dai = criterion("dai")
    scores = {beta: float(score_weights(dai, weight, replace(PAPER, beta=beta))) for beta in (-1.0, 0.0, 1.0)}
    assert scores[-1.0] - scores[0.0] == pytest.approx(0.125 * 0.25)
    assert scores[0.0] - scores[1.0] == pytest.approx(0.125 * 0.25)
