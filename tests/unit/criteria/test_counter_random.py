"""Random scores are a pure function of seed, matrix and position, and uniform."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.criteria.counter_random import uniform
from gaprune_viz.criteria.criterion import WeightStatistics
from gaprune_viz.criteria.registry import criterion
from gaprune_viz.criteria.scoring import score_weights
from tests.unit.criteria.weights import PAPER


def splitmix64(seed: int, matrix: int, index: int) -> float:
    """The same random number in Python's unbounded integers."""
    mask, state = (1 << 64) - 1, 0
    for value in (seed, matrix, index):
        z = ((state ^ value) + 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        state = z ^ (z >> 31)
    return (state >> 40) / 2**24


@given(st.integers(0, 2**31 - 1), st.integers(0, 5000), st.lists(st.integers(0, 2**33), min_size=1, max_size=8))
def test_random_is_a_pure_function_of_seed_matrix_and_position(seed: int, matrix: int, index: list[int]) -> None:
    got = uniform(seed, matrix, torch.tensor(index))
    assert got.tolist() == [splitmix64(seed, matrix, i) for i in index]
    assert torch.equal(got, uniform(seed, torch.full((len(index),), matrix), torch.tensor(index)))


def test_random_beyond_one_block() -> None:
    index = torch.arange(200_000).view(400, 500)
    whole = uniform(7, 2, index)
    assert whole.shape == index.shape
    for row, column in ((0, 0), (131, 71), (399, 499)):
        assert whole[row, column].item() == splitmix64(7, 2, row * 500 + column)


def test_random_is_uniform_and_differs_between_seeds_and_matrices() -> None:
    index = torch.arange(200_000)
    base = uniform(0, 0, index)
    counts = np.histogram(base.numpy(), bins=20, range=(0, 1))[0]
    # chi-square of 19 degrees of freedom: 0.999 quantile 43.8
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 43.8
    for other in (uniform(1, 0, index), uniform(0, 1, index), base.roll(1)):
        assert abs(np.corrcoef(base.numpy(), other.numpy())[0, 1]) < 0.01


def test_random_of_a_sample_needs_positions() -> None:
    with pytest.raises(ValueError, match="flat index"):
        score_weights(criterion("random"), WeightStatistics(theta=torch.ones(3)), PAPER)
