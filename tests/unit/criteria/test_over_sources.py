"""What several sources say of a weight, and the criteria on it: values by hand, the order of sources, two of them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.config import SOURCE_SHARPNESS
from gaprune_viz.criteria.criterion import ResolvedScore, WeightStatistics
from gaprune_viz.criteria.registry import criterion
from gaprune_viz.criteria.scoring import score_weights, terms_of
from gaprune_viz.criteria.sources.source_moments import OVER_SOURCES, over_sources
from gaprune_viz.criteria.sources.source_weights import cosines_of, cosines_with, inner_products, weights_by_alignment
from gaprune_viz.errors import GapruneError

# Three sources, four weights. Over their means, 2, 4 and 1, the Fisher information is 1 2 0 1, 2 0 1 1 and 3 1 2 1.
FISHERS = [torch.tensor(row) for row in ([2.0, 4.0, 0.0, 2.0], [8.0, 0.0, 4.0, 4.0], [3.0, 1.0, 2.0, 1.0])]
GRADS = [torch.tensor(row) for row in ([0.1, -1.0, 1e-30, 0.0], [0.2, -2.0, 1e-30, 1.0], [0.3, 3.0, -1e-30, -1.0])]
MASSES = (2.0, 4.0, 1.0)


def known(theta: list[float]) -> WeightStatistics:
    return WeightStatistics(theta=torch.tensor(theta), **over_sources(FISHERS, GRADS, MASSES))


def test_by_hand() -> None:
    found = over_sources(FISHERS, GRADS, MASSES)
    assert tuple(found) == OVER_SOURCES
    assert found["source_agreement"].tolist() == pytest.approx([1, 1 / 3, 1 / 3, 0])
    assert found["source_least"].tolist() == [1, 0, 0, 1]
    assert found["source_mean"].tolist() == pytest.approx([2, 1, 1, 1])
    assert found["source_spread"].tolist() == pytest.approx([math.sqrt(2 / 3)] * 3 + [0], abs=1e-6)


def test_scores_by_hand() -> None:
    weights = known([0.5, -2.0, 1.0, -4.0])
    gga = score_weights(criterion("gga"), weights, ResolvedScore())
    # Agreement, then |theta| / (1 + |theta|) / 16.
    assert gga.tolist() == pytest.approx([1 + 1 / 48, 1 / 3 + 2 / 48, 1 / 3 + 1 / 32, 0.05])
    assert gga.argsort().tolist() == [3, 2, 1, 0]
    spread = math.sqrt(2 / 3)
    for beta in (1.0, 0.5, 0.0):
        dsp = score_weights(criterion("dsp"), weights, ResolvedScore(beta=beta))
        expected = [0.25 * (2 - beta * spread), 4 * (1 - beta * spread), 1 - beta * spread, 16]
        assert dsp.tolist() == pytest.approx(expected)
    assert score_weights(criterion("fisher_worst"), weights, ResolvedScore()).tolist() == [1, 0, 0, 1]
    terms = terms_of(criterion("dsp"), weights, ResolvedScore(beta=0.5))
    assert list(terms) == ["source_mean", "source_spread"]
    assert torch.stack(list(terms.values())).sum(0).tolist() == pytest.approx(
        [0.25 * (2 - 0.5 * spread), 4 - 2 * spread, 1 - spread / 2, 16]
    )


def test_no_order_of_sources_matters() -> None:
    first = over_sources(FISHERS, GRADS, MASSES)
    for order in itertools.permutations(range(3)):
        again = over_sources([FISHERS[i] for i in order], [GRADS[i] for i in order], [MASSES[i] for i in order])
        for name in OVER_SOURCES:
            assert torch.allclose(first[name], again[name], rtol=1e-6, atol=1e-7)


@given(st.lists(st.floats(0, 1e3, width=32), min_size=2, max_size=2), st.floats(-2, 2, width=32))
def test_of_two_sources_dsp_is_the_smaller_one(fisher: list[float], theta: float) -> None:
    one = over_sources([torch.tensor([value]) for value in fisher], [], (1.0, 1.0))
    weights = WeightStatistics(theta=torch.tensor([theta]), **one)
    assert one["source_least"].item() == min(fisher)
    dsp = score_weights(criterion("dsp"), weights, ResolvedScore()).item()
    assert dsp == pytest.approx(min(fisher) * theta**2, rel=1e-4, abs=1e-3 * max(fisher) * theta**2 + 1e-12)


def test_a_steeper_loss_decides_nothing() -> None:
    """A source whose squared gradients are all 1000 times as large says the same."""
    steep = [FISHERS[0] * 1000, *FISHERS[1:]]
    again = over_sources(steep, GRADS, (MASSES[0] * 1000, *MASSES[1:]))
    for name, values in over_sources(FISHERS, GRADS, MASSES).items():
        assert torch.allclose(values, again[name])


@pytest.mark.parametrize("mass", [0.0, math.nan])
def test_what_cannot_be_known_is_refused_in_one_line(mass: float) -> None:
    found = over_sources(FISHERS, [], (mass, 1.0, 1.0))
    assert found == {}
    for name in ("gga", "dsp", "fisher_worst"):
        with pytest.raises(GapruneError, match="which is not in this run"):
            score_weights(criterion(name), WeightStatistics(theta=torch.ones(4), **found), ResolvedScore())


def test_inner_products_and_cosines() -> None:
    grads = [torch.randn(700, 1_100, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    grads[2] = grads[0] + 0.5 * grads[2]
    products = inner_products(grads)
    flat = np.stack([grad.double().numpy().ravel() for grad in grads])
    assert products == pytest.approx(flat @ flat.T, rel=1e-9)
    found = cosines_of(np.stack([products, np.zeros((3, 3))]))
    assert found[0] == pytest.approx(np.corrcoef(flat), abs=2e-3)
    assert (found[1] == 0).all()


def test_a_source_does_not_agree_with_its_own_noise() -> None:
    # Three unit gradients at right angles: no source says anything of another.
    apart = cosines_with(np.eye(3), np.array([0.5, 0.5, 0.0]))
    assert apart.tolist() == [0.0, 0.0, 0.0]
    # One source is the whole domain, and the other lies at 60 degrees to it.
    assert cosines_with(np.array([[1.0, 0.5], [0.5, 1.0]]), np.array([1.0, 0.0])).tolist() == [1.0, 0.5]
    # g = (1, 0), (0, 2), (1, 1), the first two mixed as 3 : 1: of the third (0.75, 0.5) . (1, 1) over the norms.
    products = np.array([[1.0, 0, 1], [0, 4, 2], [1, 2, 2]])
    third = cosines_with(products, np.array([0.75, 0.25, 0.0]))[2]
    assert third == pytest.approx(1.25 / math.sqrt((0.5625 + 0.25) * 2))


def test_weights_by_alignment() -> None:
    sides = ("domain", "domain", "general", "general")
    found = weights_by_alignment(
        np.array([0.5, 0.0, 0.1, 0.1]), np.array([0.5, 0.5, 0.2, 0.8]), sides, SOURCE_SHARPNESS
    )
    first = math.exp(SOURCE_SHARPNESS * 0.5)
    assert found.tolist() == pytest.approx([first / (first + 1), 1 / (first + 1), 0.2, 0.8])
