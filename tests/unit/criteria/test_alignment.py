"""The definitions of alignment: hand-worked values, and what must hold for any gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gaprune_viz.config import Alignment
from gaprune_viz.criteria.alignment import align, cosine, row_cosine, unit_product


def matrix(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float32)


ONES = torch.ones(2, 2)

samples = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5)),
    elements=st.floats(-(2.0**50), 2.0**50, width=32),
)


def statistics(per_sample: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean gradient and Fisher information [out, in] of per-sample gradients [samples, out, in]."""
    wide = per_sample.astype(np.float64)
    return torch.tensor(wide.mean(0), dtype=torch.float32), torch.tensor((wide**2).mean(0), dtype=torch.float32)


def test_sign_is_zero_where_either_gradient_is_zero() -> None:
    s = align(Alignment.SIGN, matrix([2, -3], [0, 1]), matrix([5, 4], [-1, 0]), ONES, ONES)
    assert s.tolist() == [[1, -1], [0, 0]]


def test_sign_survives_gradients_whose_product_underflows() -> None:
    tiny = matrix([1e-30, -1e-30])
    assert align(Alignment.SIGN, tiny, tiny.abs(), tiny, tiny).tolist() == [[1, -1]]


def test_correlation_by_hand() -> None:
    s = align(Alignment.CORRELATION, matrix([2, -1, 3]), matrix([3, 2, 1]), matrix([4, 4, 0]), matrix([36, 16, 1]))
    # 2*3/sqrt(4*36) = 0.5; -1*2/sqrt(4*16) = -0.25; a Fisher entry of 0 gives 0
    assert s.tolist() == [[0.5, -0.25, 0]]


def test_correlation_of_noise_free_gradients_is_their_sign() -> None:
    a, b = matrix([1e-12, -2.0], [3.0, 0.0]), matrix([5.0, 1e-9], [0.25, 1.0])
    s = align(Alignment.CORRELATION, a, b, a.square(), b.square())
    assert torch.allclose(s, matrix([1, -1], [1, 0]), atol=1e-6)


def test_row_and_matrix_cosine_by_hand() -> None:
    a, b = matrix([3, 4], [1, 0]), matrix([4, 3], [-2, 0])
    assert row_cosine(a, b).tolist() == pytest.approx([24 / 25, -1.0])
    assert align(Alignment.ROW, a, b, ONES, ONES).tolist() == pytest.approx(
        [pytest.approx([0.96, 0.96]), pytest.approx([-1, -1])]
    )
    expected = (12 + 12 - 2) / (np.sqrt(26) * np.sqrt(29))
    assert cosine(a, b) == pytest.approx(expected, abs=1e-12)
    assert align(Alignment.MATRIX, a, b, ONES, ONES).flatten().tolist() == pytest.approx([expected] * 4)


def test_cosine_is_reduced_in_float64() -> None:
    # In float32 the sum stops growing at 2**24 ones.
    ones = torch.ones(5000, 4000)
    assert cosine(ones, ones) == pytest.approx(1.0, abs=1e-12)
    tilted = ones.clone()
    tilted[0, 0] = -1.0
    assert cosine(ones, tilted) == pytest.approx(1 - 2 / 20e6, abs=1e-12)


def test_unit_product_counts_only_entries_inside_at_the_border() -> None:
    a = matrix([0, 0, 0], [0, 3, 0], [0, 0, 4])
    # unit entries .6 and .8 -> products .36 at (1,1), .64 at (2,2)
    expected = np.array([[0.36 / 4, 0.36 / 6, 0.36 / 4], [0.36 / 6, 1 / 9, 1 / 6], [0.36 / 4, 1 / 6, 1 / 4]])
    assert unit_product(a, a).numpy() == pytest.approx(expected, abs=1e-7)
    assert unit_product(a, -2 * a).numpy() == pytest.approx(-expected, abs=1e-7)


def test_elementwise_kinds_take_a_sample() -> None:
    a = torch.tensor([1.0, -2.0, 0.0])
    assert align(Alignment.SIGN, a, a, a.square(), a.square()).tolist() == [1, 1, 0]
    with pytest.raises(ValueError, match="whole matrix"):
        align(Alignment.ROW, a, a, a, a)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="one shape"):
        align(Alignment.SIGN, ONES, torch.ones(1, 2), ONES, ONES)


@given(samples, st.sampled_from(list(Alignment)), st.integers(0, 2**32 - 1))
def test_bounded_symmetric_and_never_nan(per_sample: np.ndarray, kind: Alignment, seed: int) -> None:
    grad_a, fisher_a = statistics(per_sample)
    grad_b, fisher_b = statistics(np.random.default_rng(seed).permuted(per_sample, axis=1))
    s = align(kind, grad_a, grad_b, fisher_a, fisher_b)
    assert s.shape == grad_a.shape
    assert s.dtype == torch.float32
    assert bool(((s >= -1) & (s <= 1)).all())
    swapped = align(kind, grad_b, grad_a, fisher_b, fisher_a)
    assert torch.allclose(s, swapped, atol=1e-6)
    opposite = align(kind, -grad_a, grad_b, fisher_a, fisher_b)
    assert torch.allclose(s, -opposite, atol=1e-6)


@given(samples, st.sampled_from(list(Alignment)))
def test_zero_gradients_align_to_zero(per_sample: np.ndarray, kind: Alignment) -> None:
    grad, fisher = statistics(per_sample)
    zero = torch.zeros_like(grad)
    assert not align(kind, grad, zero, fisher, zero).any()
    assert not align(kind, zero, zero, zero, zero).any()
