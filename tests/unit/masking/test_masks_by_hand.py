"""Masks by hand: counts, ties, floors and ceilings, N:M, and scores that cannot be."""

from __future__ import annotations

from math import isnan, nan

import pytest
import torch

from gaprune_viz.config import Allocation, MaskSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.masking.masks import count_of, make_masks, make_masks_streaming, rank_of, sparsity_of, zeros_of
from tests.unit.masking.small_scores import LAYERS, as_lists, matrix


def test_the_lowest_go_by_hand() -> None:
    scores = {"a": matrix([5, 1], [4, 2]), "b": matrix([3, 0, 9, 8])}
    result = make_masks(scores, LAYERS, MaskSpec(sparsity=0.5))
    assert as_lists(result) == {"a": [[True, False], [True, False]], "b": [[False, False, True, True]]}
    assert result.thresholds == {"a": 3.0, "b": 3.0}
    by_matrix = make_masks(scores, LAYERS, MaskSpec(sparsity=0.25, allocation=Allocation.MATRIX))
    assert as_lists(by_matrix) == {"a": [[True, False], [True, True]], "b": [[True, False, True, True]]}
    assert by_matrix.thresholds == {"a": 1.0, "b": 0.0}
    by_row = make_masks(scores, LAYERS, MaskSpec(sparsity=0.5, allocation=Allocation.ROW))
    assert as_lists(by_row) == {"a": [[True, False], [True, False]], "b": [[False, False, True, True]]}
    assert all(isnan(value) for value in by_row.thresholds.values())


def test_layers_are_counted_apart_and_the_order_is_kept() -> None:
    scores = {"a": matrix([1, 2]), "b": matrix([10, 20]), "c": matrix([3, 4])}
    result = make_masks(scores, LAYERS, MaskSpec(sparsity=0.5, allocation=Allocation.LAYER))
    assert list(result.masks) == list(result.thresholds) == ["a", "b", "c"]
    assert as_lists(result) == {"a": [[False, False]], "b": [[False, True]], "c": [[True, True]]}
    assert result.thresholds == {"a": 2.0, "b": 10.0, "c": 2.0}


def test_ties_go_by_matrix_order_then_flat_index_and_minus_zero_is_zero() -> None:
    scores = {"b": matrix([0.0, -0.0], [-0.0, 0.0]), "a": matrix([-0.0, 0.0])}
    result = make_masks(scores, LAYERS, MaskSpec(sparsity=0.5))
    assert as_lists(result) == {"b": [[False, False], [False, True]], "a": [[True, True]]}
    assert str(result.thresholds["a"]) == "0.0"


def test_floors_and_ceilings_by_hand() -> None:
    scores = {"a": matrix([1, 2, 3, 4]), "b": matrix([10, 20, 30, 40])}
    unlimited = make_masks(scores, LAYERS, MaskSpec(sparsity=0.5))
    assert [zeros_of({name: mask}) for name, mask in unlimited.masks.items()] == [4, 0]
    floored = make_masks(scores, LAYERS, MaskSpec(sparsity=0.5, floor=0.25))
    assert as_lists(floored) == {"a": [[False, False, False, True]], "b": [[False, True, True, True]]}
    assert floored.thresholds == {"a": 3.0, "b": 3.0}
    capped = make_masks(scores, LAYERS, MaskSpec(sparsity=0.5, ceiling=0.5))
    assert as_lists(capped) == {"a": [[False, False, True, True]], "b": [[False, False, True, True]]}
    assert capped.thresholds == {"a": 20.0, "b": 20.0}


def test_where_rounded_ceilings_leave_too_little_room_the_group_gives_what_it_can() -> None:
    scores = {"a": matrix([1, 2, 3]), "b": matrix([4, 5, 6])}
    result = make_masks(scores, LAYERS, MaskSpec(sparsity=0.5, ceiling=0.5))
    assert [zeros_of({name: mask}) for name, mask in result.masks.items()] == [1, 1]


def test_nothing_is_pruned_at_zero() -> None:
    for allocation in Allocation:
        result = make_masks({"a": matrix([1, 2])}, LAYERS, MaskSpec(sparsity=0, allocation=allocation))
        assert as_lists(result) == {"a": [[True, True]]}
        assert isnan(result.thresholds["a"])


def test_counts_are_exact_where_floats_are_not() -> None:
    assert int(0.29 * 100) == 28
    assert [count_of(0.29, 100), count_of(0.3, 10), count_of(0.7, 10), count_of(0.57, 100)] == [29, 3, 7, 57]
    assert count_of(0.1, 10**12) == 10**11
    assert count_of(1e-05, 10**6) == 10


def test_two_of_four_by_hand() -> None:
    scores = {"a": matrix([4, 1, 3, 2, 7, 7, 7, 7], [0, 0, 0, 1, -1, -2, -3, -4])}
    result = make_masks(scores, LAYERS, MaskSpec(pattern="2:4"))
    assert result.masks["a"].int().tolist() == [[1, 0, 1, 0, 0, 0, 1, 1], [0, 0, 1, 1, 1, 1, 0, 0]]
    assert isnan(result.thresholds["a"])
    shapes = {"a": (2, 8)}
    assert rank_of(scores.__getitem__, shapes, LAYERS, MaskSpec(pattern="2:4"), "a", 0, 6) == (3, 4)


def test_n_m_needs_inputs_that_divide() -> None:
    with pytest.raises(GapruneError, match=r"^a has 6 inputs, which do not divide into groups of 4\."):
        make_masks({"a": torch.zeros(2, 6)}, LAYERS, MaskSpec(pattern="2:4"))


@pytest.mark.parametrize("spec", [MaskSpec(), MaskSpec(pattern="1:2"), MaskSpec(allocation=Allocation.ROW)])
def test_nan_scores_are_named(spec: MaskSpec) -> None:
    scores = {"a": matrix([1, 2]), "bad": matrix([nan, 2], [nan, 1])}
    with pytest.raises(GapruneError, match="2 scores of bad are not a number"):
        make_masks(scores, LAYERS, spec)


def test_scores_must_be_matrices_of_the_stated_shape() -> None:
    with pytest.raises(ValueError, match=r"must be \[out, in\]"):
        make_masks({"a": torch.zeros(4)}, LAYERS, MaskSpec())
    with pytest.raises(ValueError, match="not"):
        make_masks_streaming(lambda name: torch.zeros(2, 2), {"a": (2, 3)}, LAYERS, MaskSpec())


def test_counting_helpers() -> None:
    masks = {"a": torch.tensor([[True, False]]), "b": torch.tensor([[False, False]])}
    assert zeros_of(masks) == 3
    assert sparsity_of(masks) == 0.75
    assert sparsity_of({}) == 0.0
