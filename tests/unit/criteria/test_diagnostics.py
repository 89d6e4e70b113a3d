"""Term shares, overlap and rank correlation."""

from __future__ import annotations

from math import isnan, nan

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import spearmanr

from gaprune_viz.criteria.diagnostics import average_ranks, overlap, rank_correlation, term_shares

reasonable = st.floats(-100, 100, width=32)
vectors = hnp.arrays(np.float32, st.integers(2, 30), elements=reasonable)


def test_term_shares_by_hand() -> None:
    # a = (0, 2), b = (0, -1), sum = (0, 1): Cov(a, sum) = 2 Var(sum), Cov(b, sum) = -Var(sum)
    assert term_shares({"a": torch.tensor([0.0, 2.0]), "b": torch.tensor([0.0, -1.0])}) == {"a": 2.0, "b": -1.0}


def test_term_shares_of_a_constant_sum_are_zero() -> None:
    assert term_shares({"a": np.ones(4), "b": np.zeros(4)}) == {"a": 0.0, "b": 0.0}
    assert term_shares({"a": np.array([1.0, 2.0]), "b": np.array([2.0, 1.0])}) == {"a": 0.0, "b": 0.0}
    assert term_shares({"a": np.zeros(0)}) == {"a": 0.0}
    assert term_shares({"a": np.array([1.0, 2.0])}, np.array([1.0, 0.0])) == {"a": 0.0}


@given(st.integers(2, 50), st.integers(1, 4), st.integers(0, 10**6), st.floats(-20, 20), st.booleans())
def test_term_shares_add_up_and_do_not_depend_on_the_unit(
    size: int, count: int, seed: int, exponent: float, weighted: bool
) -> None:
    rng = np.random.default_rng(seed)
    scale = 10.0**exponent
    terms = {
        f"t{i}": (scale * rng.standard_normal(size) * 10.0 ** rng.integers(-3, 3)).astype(np.float32)
        for i in range(count)
    }
    weights = rng.integers(1, 5, size) if weighted else None
    shares = term_shares(terms, weights)
    assert sum(shares.values()) == pytest.approx(1.0, abs=1e-6)
    if weights is not None:
        repeated = {name: np.repeat(term, weights) for name, term in terms.items()}
        assert term_shares(repeated) == pytest.approx(shares, abs=1e-6, rel=1e-6)


def test_overlap_by_hand() -> None:
    a, b = torch.tensor([True, True, True, False]), torch.tensor([True, False, False, True])
    assert overlap(a, b) == (pytest.approx(1 / 3), pytest.approx(1 / 4))
    assert overlap(a, b, np.array([3.0, 1.0, 1.0, 5.0])) == (pytest.approx(3 / 5), pytest.approx(3 / 10))
    nothing = torch.zeros(4, dtype=torch.bool)
    assert overlap(nothing, nothing) == (1.0, 1.0)
    assert overlap(nothing, a) == overlap(a, nothing) == (0.0, 0.0)


@given(hnp.arrays(bool, st.integers(1, 20)), st.integers(0, 10**6))
def test_overlap_is_bounded_and_one_only_for_contained_masks(a: np.ndarray, seed: int) -> None:
    b = np.random.default_rng(seed).random(a.size) < 0.5
    fraction, jaccard = overlap(a, b)
    assert 0 <= jaccard <= fraction <= 1
    assert (jaccard == 1) == bool((a == b).all())
    assert overlap(a, a) == (1.0, 1.0)


@given(vectors, st.integers(0, 10**6), st.booleans())
def test_rank_correlation_is_scipys(a: np.ndarray, seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    b = rng.integers(0, 3, a.size).astype(np.float32) if ties else rng.standard_normal(a.size).astype(np.float32)
    assume(np.ptp(a) > 0 and np.ptp(b) > 0)
    expected = spearmanr(a, b)[0]
    assert rank_correlation(torch.from_numpy(a), b) == pytest.approx(expected, abs=1e-12)
    assert rank_correlation(a, b, np.full(a.size, 7.0)) == pytest.approx(expected, abs=1e-9)
    copies = rng.integers(1, 4, a.size)
    repeated = spearmanr(np.repeat(a, copies), np.repeat(b, copies))[0]
    assert rank_correlation(a, b, copies) == pytest.approx(repeated, abs=1e-9)


def test_ranks_by_hand() -> None:
    assert average_ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1, 3.5, 2]
    assert average_ranks(np.array([5.0, 4.0]), np.array([1.0, 3.0])).tolist() == [4, 2]
    assert isnan(rank_correlation(np.ones(5), np.arange(5)))
    with pytest.raises(ValueError, match="no rank"):
        average_ranks(np.array([1.0, nan]))
