"""Weights of a sample: they add up to the matrix, in every class of the scores, and bring estimates closer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.calibration.statistics import MatrixStatistics
from gaprune_viz.sketch.quantile_classes import classed
from gaprune_viz.sketch.sample_weights import LEVELS_OF_MANY, WIDEST, fitted_weights


def statistics(rows: int, columns: int, seed: int) -> MatrixStatistics:
    rng = torch.Generator().manual_seed(seed)
    theta, a, b, c, d = (torch.randn(rows, columns, generator=rng) for _ in range(5))
    return MatrixStatistics(
        theta * 0.05, (2 * a).exp(), (2 * a + b).exp(), c, d, torch.ones(columns), torch.ones(columns)
    )


def drawn(stats: MatrixStatistics, count: int, seed: int = 0) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).choice(stats.theta.numel(), count, replace=False))


@pytest.mark.parametrize("count", [5, 40, 1_000, 4_095])
def test_the_weights_add_up_and_none_is_wild(count: int) -> None:
    stats = statistics(64, 64, 1)
    weight = fitted_weights(stats, drawn(stats, count), 0.1)
    assert weight.sum() == pytest.approx(64 * 64, rel=1e-12)
    assert weight.min() > 0
    assert weight.max() <= 1.2 * WIDEST * 64 * 64 / count


def test_a_whole_sample_stands_for_itself() -> None:
    stats = statistics(16, 32, 2)
    assert (fitted_weights(stats, np.arange(16 * 32), 1.0) == 1).all()


def test_every_level_of_the_magnitude_has_its_true_total() -> None:
    stats = statistics(256, 256, 3)
    flat = drawn(stats, 4_096)
    weight = fitted_weights(stats, flat, 0.1)
    place, count = classed(stats.theta.abs().reshape(-1).numpy(), LEVELS_OF_MANY)
    true = np.bincount(place, minlength=count).cumsum()
    found = np.bincount(place[flat], weights=weight, minlength=count).cumsum()
    even = np.bincount(place[flat], minlength=count).cumsum() * (65_536 / 4_096)
    assert np.abs(found - true).max() < 0.1 * np.abs(even - true).max()


@pytest.mark.parametrize("power", [1.0, 0.5])
def test_a_score_that_is_no_margin_is_estimated_more_closely_too(power: float) -> None:
    wrong = {"even": [], "fitted": []}
    for seed in range(20):
        stats = statistics(128, 256, seed)
        flat = drawn(stats, 2_048, seed)
        score = (stats.fisher_domain.pow(power) * stats.theta.abs()).reshape(-1).numpy()
        line = np.median(score)
        below = score[flat] <= line
        weight = fitted_weights(stats, flat)
        wrong["even"].append(below.mean() - 0.5)
        wrong["fitted"].append(weight[below].sum() / weight.sum() - 0.5)
    assert np.std(wrong["fitted"]) < 0.6 * np.std(wrong["even"])


def test_values_all_alike_are_no_margin() -> None:
    nothing = torch.zeros(32, 32)
    stats = MatrixStatistics(nothing, nothing, nothing, nothing, nothing, torch.ones(32), torch.ones(32))
    assert fitted_weights(stats, np.arange(100)) == pytest.approx(32 * 32 / 100, rel=1e-12)


@given(
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=200), st.integers(1, 64)
)
def test_classes_rise_with_the_value(values: list[float], count: int) -> None:
    array = np.array(values, dtype=np.float32)
    place, classes = classed(array, count)
    assert (np.diff(place[np.argsort(array, kind="stable")].astype(int)) >= 0).all()
    assert place.max() < classes <= max(1, count)
