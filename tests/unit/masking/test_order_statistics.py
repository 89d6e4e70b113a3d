"""Order statistics without sorting: held, streamed and weighted ways give what a sort gives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.masking.order_statistics import last_of, last_of_streamed, lowest, median_of_streamed, weighted_last
from gaprune_viz.sketch.ranked import Scored

FLOATS = st.floats(allow_nan=False, width=32) | st.sampled_from([0.0, -0.0, 1.0, np.inf, -np.inf])
CHUNKS = st.lists(st.lists(FLOATS, max_size=9), min_size=1, max_size=4)


def arrays(chunks: list[list[float]]) -> list[np.ndarray]:
    return [np.array(chunk, dtype=np.float32) for chunk in chunks]


@given(chunks=CHUNKS, data=st.data())
def test_the_last_taken_is_that_of_a_sort(chunks: list[list[float]], data: st.DataObject) -> None:
    parts = arrays(chunks)
    whole = np.concatenate(parts)
    count = data.draw(st.integers(0, whole.size))
    streamed = last_of_streamed(lambda: iter(parts), count)
    assert str(last_of(whole, count)) == str(streamed)
    assert lowest(whole, count).sum() == count
    if count:
        value, ties = streamed
        assert value == np.sort(whole)[count - 1]
        assert ties == count - np.count_nonzero(whole < np.float32(value))


@given(chunks=st.lists(st.lists(st.floats(-(2.0**99), 2.0**99, width=32), max_size=9), min_size=1, max_size=4))
def test_a_streamed_median_is_that_of_numpy(chunks: list[list[float]]) -> None:
    parts = arrays(chunks)
    whole = np.concatenate(parts)
    calls = []

    def again() -> Iterator[np.ndarray]:
        calls.append(1)
        return iter(parts)

    found = median_of_streamed(again, whole.size)
    assert np.isnan(found) if not whole.size else found == float(np.median(whole))
    assert len(calls) <= 3


@given(
    values=st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=4, max_size=60),
    fraction=st.floats(0.01, 1),
    count=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_counted_thresholds_are_those_of_the_sorted_order(
    values: list[float], fraction: float, count: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    scores = np.array(values, dtype=np.float32)
    groups = np.concatenate([np.arange(count), generator.integers(0, count, len(values) - count)])
    weight = generator.choice([1.0, 2.5, 100.0], count)[groups]
    scored = Scored(scores, weight)
    first = scored.thresholds("x", groups, count, fraction)
    assert "order" not in scored.__dict__
    second = scored.thresholds("x", groups, count, fraction)
    assert "order" in scored.__dict__
    assert np.array_equal(first, second)
    assert np.array_equal(first, weighted_last(scores, weight, groups, count, fraction))
