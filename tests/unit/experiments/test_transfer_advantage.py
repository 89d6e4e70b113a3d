"""The domain advantage: by hand, what cancels out of it, and what chance gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.experiments.transfer.advantage import domain_advantage

Tables = list[np.ndarray]


def apart(tables: Tables) -> list[np.ndarray]:
    """Every query a cluster of its own."""
    return [np.arange(table.shape[1]) for table in tables]


def random_map(rng: np.random.Generator, n: int = 3, queries: int = 40, match: float = 0.0) -> Tables:
    """Scores in which calibrations differ by chance, and by `match` on their own task."""
    tables = []
    for j in range(n):
        table = rng.uniform(size=queries) + 0.1 * rng.normal(size=(n, queries))
        table[j] += match
        tables.append(table)
    return tables


def test_the_advantage_by_hand() -> None:
    tables = [np.array([[1.0, 0.5], [0.5, 0.5]]), np.array([[0.2, 0.4], [0.4, 0.4]])]
    found = domain_advantage(tables, [0.5, 0.8], apart(tables))
    # Task 0: (0.5 + 0) / 2 of a dense 0.5 are 50 points; task 1: (0.2 + 0) / 2 of 0.8 are 12.5.
    assert [gain.points for gain in found.by_task] == pytest.approx([50, 12.5])
    assert found.whole.points == pytest.approx(31.25)
    # Two queries can change places: sums 62.5, 37.5, -37.5 and -62.5, of which two are as far from 0.
    assert found.p == 0.5
    # The right pairing gives 150 + 50 % of dense, the other 100 + 25.
    assert (found.pairings, found.reached) == (2, 1)
    assert found.whole.low <= found.whole.points <= found.whole.high


def test_a_calibration_that_is_better_everywhere_cancels_out() -> None:
    rng = np.random.default_rng(0)
    tables = [rng.uniform(size=30) + np.array([[0.3], [0.0], [-0.2]]) for _ in range(3)]
    assert domain_advantage(tables, [0.5] * 3, apart(tables)).whole.points == pytest.approx(0, abs=1e-9)


def test_calibrations_that_answer_alike_have_no_advantage_at_all() -> None:
    tables = [np.tile(np.linspace(0, 1, 20), (3, 1)) for _ in range(3)]
    found = domain_advantage(tables, [0.5] * 3, apart(tables))
    assert (found.whole.points, found.whole.low, found.whole.high, found.p) == (0, 0, 0, 1)
    assert found.reached == found.pairings == 6


@given(st.permutations(range(3)), st.integers(0, 50))
def test_the_order_of_the_sources_does_not_matter(order: list[int], seed: int) -> None:
    tables = random_map(np.random.default_rng(seed))
    means = [0.4, 0.5, 0.6]
    turned = [tables[j][order] for j in order]
    one = domain_advantage(tables, means, apart(tables), resamples=10, arrangements=10)
    other = domain_advantage(turned, [means[j] for j in order], apart(turned), resamples=10, arrangements=10)
    assert one.whole.points == pytest.approx(other.whole.points)
    assert (one.reached, one.pairings) == (other.reached, other.pairings)


def test_a_match_is_found() -> None:
    tables = random_map(np.random.default_rng(1), match=0.1)
    found = domain_advantage(tables, [0.5] * 3, apart(tables))
    assert found.whole.points == pytest.approx(20, abs=6)
    assert found.whole.low > 0
    assert found.p < 0.01
    assert found.reached == 1


def test_shuffled_sources_give_about_0() -> None:
    rng = np.random.default_rng(2)
    found = [
        domain_advantage(tables, [0.5] * 3, apart(tables), resamples=300, arrangements=300)
        for tables in (random_map(rng) for _ in range(60))
    ]
    assert np.mean([one.whole.points for one in found]) == pytest.approx(0, abs=1)
    missed = sum(not one.whole.low <= 0 <= one.whole.high for one in found)
    # 95 % intervals of 60 maps: three miss 0 on the mean; ten would be one in a thousand.
    assert missed < 10
    assert sum(one.p < 0.05 for one in found) < 10
    assert np.mean([one.p for one in found]) == pytest.approx(0.5, abs=0.15)


def test_clusters_are_drawn_and_change_places_together() -> None:
    tables = [np.repeat(table, 4, axis=1) for table in random_map(np.random.default_rng(3), queries=12, match=0.05)]
    together = [np.repeat(np.arange(12), 4)] * 3
    single, whole = (domain_advantage(tables, [0.5] * 3, groups) for groups in (apart(tables), together))
    assert single.whole.points == pytest.approx(whole.whole.points)
    assert whole.whole.high - whole.whole.low > 1.5 * (single.whole.high - single.whole.low)
    assert whole.p >= single.p


def test_drawn_arrangements_agree_with_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = random_map(np.random.default_rng(4), n=2, queries=6, match=0.05)
    exact = domain_advantage(tables, [0.5] * 2, apart(tables))
    monkeypatch.setattr("gaprune_viz.experiments.transfer.advantage.EXACT_UP_TO", 0)
    assert domain_advantage(tables, [0.5] * 2, apart(tables)).p == pytest.approx(exact.p, abs=0.02)


@pytest.mark.parametrize(
    ("tables", "dense"),
    [
        ([np.ones((1, 3))], [0.5]),
        ([np.ones((2, 3)), np.ones((3, 3))], [0.5, 0.5]),
        ([np.ones((2, 3)), np.ones((2, 3))], [0.5, 0.0]),
    ],
)
def test_what_is_no_map_is_refused(tables: Tables, dense: list[float]) -> None:
    with pytest.raises(ValueError):
        domain_advantage(tables, dense, apart(tables))
