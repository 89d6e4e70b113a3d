"""Intervals that cover, p-values that can be counted by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from gaprune_viz.evaluation import significance
from gaprune_viz.evaluation.significance import holm, paired_bootstrap, sign_flip_test


def test_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    covered = 0
    for repetition in range(300):
        # Like differences of nDCG: many zeros, the others spread to both sides.
        differences = rng.normal(-0.05, 0.2, 60) * (rng.random(60) < 0.6)
        low, high = paired_bootstrap(differences, seed=repetition, resamples=1_000)
        covered += low <= -0.05 * 0.6 <= high
    assert 0.92 <= covered / 300 <= 0.97


def clustered(rng: np.random.Generator, groups: int = 60, size: int = 2, mean: float = -0.03) -> tuple[np.ndarray, ...]:
    """Differences of queries of which `size` share a passage, and with it most of what happens to them."""
    shared = rng.normal(0, 0.2, groups).repeat(size)
    labels = np.arange(groups).repeat(size)
    return mean + shared + rng.normal(0, 0.05, groups * size), labels


def test_interval_of_clusters_covers_where_independent_queries_would_not() -> None:
    rng = np.random.default_rng(5)
    whole = single = 0
    for repetition in range(300):
        values, labels = clustered(rng)
        low, high = paired_bootstrap(values, clusters=labels, seed=repetition, resamples=800)
        whole += low <= -0.03 <= high
        low, high = paired_bootstrap(values, seed=repetition, resamples=800)
        single += low <= -0.03 <= high
    assert 0.92 <= whole / 300 <= 0.97
    assert single / 300 < 0.88


@pytest.mark.parametrize("size", [1, 2])
def test_false_positives_are_as_many_as_asked_for(size: int) -> None:
    rng = np.random.default_rng(12)
    found = 0
    for repetition in range(300):
        values, labels = clustered(rng, 40, size, mean=0.0)
        found += sign_flip_test(values, clusters=labels, seed=repetition, permutations=399) <= 0.05
    # 5 % of 300 are 15; beyond these ends lies less than one in a thousand.
    assert 4 <= found <= 29


def test_independent_queries_would_find_too_much_in_clusters() -> None:
    rng = np.random.default_rng(12)
    p = [sign_flip_test(clustered(rng, 40, 2, 0.0)[0], seed=i, permutations=399) for i in range(300)]
    assert np.mean(np.array(p) <= 0.05) > 0.1


def test_clusters_of_one_are_no_clusters() -> None:
    values, labels = np.random.default_rng(4).normal(0.1, 1, 50), np.random.default_rng(5).permutation(50)
    order = np.argsort(labels)
    assert paired_bootstrap(values[order]) == pytest.approx(paired_bootstrap(values, clusters=labels), abs=1e-15)
    assert sign_flip_test(values[order]) == sign_flip_test(values, clusters=labels)


def test_cluster_flips_by_hand() -> None:
    # Two clusters with sums 3 and -1: |3 - 1| = 2 is reached by all four arrangements, 4 by two.
    assert sign_flip_test(np.array([1.0, 2.0, -1.0]), clusters=np.array(["a", "a", "b"])) == 1.0
    assert sign_flip_test(np.array([1.0, 2.0, 1.0]), clusters=np.array(["a", "a", "b"])) == 0.5


def test_clusters_of_unequal_size_keep_the_mean_over_queries() -> None:
    values = np.array([0.5] * 9 + [0.1])
    low, high = paired_bootstrap(values, clusters=np.array([0] * 9 + [1]), resamples=400)
    # Drawn are (big, big), (big, small), (small, small): 0.5, the mean of all queries, 0.1.
    assert (low, high) == pytest.approx((0.1, 0.5))


def test_one_cluster_has_no_interval() -> None:
    assert all(math.isnan(end) for end in paired_bootstrap(np.array([0.4, 0.2]), clusters=np.zeros(2)))


def test_a_label_for_every_difference() -> None:
    for function in (paired_bootstrap, sign_flip_test):
        with pytest.raises(ValueError, match="one label per difference"):
            function(np.ones(3), clusters=np.zeros(2))


def test_interval_of_a_large_normal_sample_is_the_textbook_one() -> None:
    values = np.random.default_rng(0).normal(0.3, 1.0, 2_000)
    half = 1.96 * values.std() / math.sqrt(2_000)
    low, high = paired_bootstrap(values, resamples=10_000)
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_interval_narrows_with_the_level() -> None:
    values = np.random.default_rng(1).normal(size=50)
    low, high = paired_bootstrap(values)
    inner_low, inner_high = paired_bootstrap(values, level=0.5)
    assert low < inner_low < values.mean() < inner_high < high


def test_interval_of_equal_differences_is_a_point() -> None:
    assert paired_bootstrap(np.full(20, 0.25)) == (0.25, 0.25)


def test_one_difference_has_no_interval() -> None:
    assert all(math.isnan(end) for end in paired_bootstrap(np.array([0.4])))


def test_same_seed_same_numbers_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(2).normal(0.2, 1, 40)
    whole = paired_bootstrap(values, seed=5), sign_flip_test(values, seed=5)
    other = paired_bootstrap(values, seed=6), sign_flip_test(values, seed=6)
    assert whole != other
    monkeypatch.setattr(significance, "CHUNK", 40 * 8)
    assert (paired_bootstrap(values, seed=5), sign_flip_test(values, seed=5)) == whole


def test_exact_p_value_by_hand() -> None:
    # All 8 sign arrangements of 1, 2, 3: only +++ and --- reach a sum of 6 in size.
    assert sign_flip_test(np.array([1.0, 2.0, 3.0])) == pytest.approx(2 / 8)
    # A sum of 1 + 2 - 3 = 0 is reached by all.
    assert sign_flip_test(np.array([1.0, 2.0, -3.0])) == 1.0
    # 4 + 2 - 1 = 5: reached by 7 (+++), 5 (++-), and their mirror images.
    assert sign_flip_test(np.array([4.0, 2.0, -1.0])) == pytest.approx(4 / 8)


def test_exact_p_value_equals_scipy() -> None:
    values = np.random.default_rng(3).normal(0.3, 1, 10)
    theirs = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=2**10).pvalue
    assert sign_flip_test(values) == pytest.approx(theirs, rel=1e-12)


def test_rounding_does_not_hide_arrangements_that_are_equal_on_paper() -> None:
    values = np.array([0.1, 0.2, 0.3, -0.3, 0.7])
    in_tenths = [1, 2, 3, -3, 7]
    sums = [sum(s * v for s, v in zip(signs, in_tenths, strict=True)) for signs in itertools.product((1, -1), repeat=5)]
    assert sign_flip_test(values) == np.mean([abs(total) >= 10 for total in sums])


def test_zeros_change_nothing() -> None:
    few = np.array([0.5, -0.25, 0.125, 0.5])
    assert sign_flip_test(np.concatenate([few, np.zeros(500)])) == sign_flip_test(few)
    assert sign_flip_test(np.zeros(30)) == 1.0


def test_drawn_p_value_is_near_the_exact_one() -> None:
    # 16 equal differences of which 12 are positive: a binomial tail, 2 P(X >= 12).
    values = np.array([1.0] * 12 + [-1.0] * 4)
    exact = 2 * stats.binom.sf(11, 16, 0.5)
    assert sign_flip_test(values, permutations=20_000) == pytest.approx(exact, abs=0.006)


def test_drawn_p_value_is_never_zero() -> None:
    assert sign_flip_test(np.full(200, 0.5), permutations=999) == 1 / 1_000


def test_p_values_are_even_where_nothing_differs() -> None:
    rng = np.random.default_rng(11)
    p = np.array([sign_flip_test(rng.normal(size=30), seed=i, permutations=499) for i in range(400)])
    assert stats.kstest(p, "uniform").pvalue > 0.01


@pytest.mark.parametrize("bad", [np.array([]), np.array([1.0, np.nan]), np.zeros((2, 2))])
def test_bad_differences_are_refused(bad: np.ndarray) -> None:
    for function in (paired_bootstrap, sign_flip_test):
        with pytest.raises(ValueError, match="finite"):
            function(bad)


def test_bad_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="resamples"):
        paired_bootstrap(np.ones(3), resamples=0)
    with pytest.raises(ValueError, match="level"):
        paired_bootstrap(np.ones(3), level=1.0)
    with pytest.raises(ValueError, match="permutations"):
        sign_flip_test(np.ones(3), permutations=0)


def test_several_p_values_are_adjusted_as_holm_has_it() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0] and holm([0.2]) == [0.2] and holm([]) == []
