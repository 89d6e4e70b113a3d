"""Representative samples: exact size, no repeats, the same every time, and one from every blob."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaprune_viz.config import Sampling
from gaprune_viz.data.sampling import choose, nearest_to_centroids
from gaprune_viz.data.schema import Embed, Triplet
from gaprune_viz.errors import GapruneError


def triplets(count: int) -> list[Triplet]:
    return [Triplet(f"{number}", "p", ("n",)) for number in range(count)]


def table(rows: np.ndarray) -> Embed:
    """An embedding that looks a triplet's number up."""

    def embed(texts: Sequence[str], kind: str) -> np.ndarray:
        assert kind == "query"
        return rows[[int(text) for text in texts]].astype(np.float32)

    return embed


def never(texts: Sequence[str], kind: str) -> np.ndarray:
    raise AssertionError("embeddings are not needed here")


@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(2, 60),
    samples=st.integers(2, 70),
    different=st.integers(1, 60),
    sampling=st.sampled_from([Sampling.RANDOM, Sampling.KMEANS]),
    seed=st.integers(0, 2**31 - 1),
)
def test_exact_size_unique_in_range_deterministic(
    count: int, samples: int, different: int, sampling: Sampling, seed: int
) -> None:
    rows = np.random.default_rng(1).normal(size=(count, 5))[np.arange(count) % different]
    found = choose(triplets(count), samples, sampling, seed, table(rows))
    assert found == sorted(set(found))
    assert len(found) == min(samples, count)
    assert found[0] >= 0
    assert found[-1] < count
    assert found == choose(triplets(count), samples, sampling, seed, table(rows))


@settings(deadline=None, max_examples=30)
@given(blobs=st.integers(2, 12), seed=st.integers(0, 2**31 - 1))
def test_kmeans_hits_every_blob(blobs: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    owner = rng.permutation(np.repeat(np.arange(blobs), rng.integers(3, 30, size=blobs)))
    rows = np.eye(blobs)[owner] + rng.normal(scale=1e-4, size=(len(owner), blobs))
    found = choose(triplets(len(owner)), blobs, Sampling.KMEANS, seed, table(rows))
    assert sorted(owner[found]) == list(range(blobs))


def test_kmeans_takes_the_real_sample_nearest_to_the_centroid() -> None:
    rows = np.array([[0.0], [1.0], [5.0], [100.0], [104.0], [105.0]])
    assert choose(triplets(6), 2, Sampling.KMEANS, 0, table(rows)) == [1, 4]


def test_many_rows_use_mini_batches() -> None:
    rng = np.random.default_rng(0)
    owner = np.arange(20_001) % 7
    rows = np.eye(7)[owner] + rng.normal(scale=1e-4, size=(20_001, 7))
    found = choose(triplets(20_001), 7, Sampling.KMEANS, 0, table(rows))
    assert sorted(owner[found]) == list(range(7))
    assert found == choose(triplets(20_001), 7, Sampling.KMEANS, 0, table(rows))


@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
def test_repeated_queries_are_refilled_without_a_warning() -> None:
    same = [Triplet(str(number % 3), f"p{number}", ("n",)) for number in range(30)]
    found = choose(same, 10, Sampling.KMEANS, 0, table(np.eye(3)))
    assert len(set(found)) == 10
    assert {index % 3 for index in found} == {0, 1, 2}


def test_collisions_go_to_the_next_nearest() -> None:
    rows = np.array([[0.0], [1.0], [2.0], [50.0]], dtype=np.float32)
    # Both centroids are nearest to row 1; the second then takes row 2, not the far row 3.
    assert nearest_to_centroids(rows, np.array([[1.0], [1.2]], dtype=np.float32), 2) == [1, 2]
    assert nearest_to_centroids(rows, np.array([[1.0], [1.2]], dtype=np.float32), 4) == [0, 1, 2, 3]


def test_all_and_more_than_there_are() -> None:
    assert choose(triplets(5), 2, Sampling.ALL, 0, never) == [0, 1, 2, 3, 4]
    for sampling in Sampling:
        assert choose(triplets(5), 5, sampling, 0, never) == [0, 1, 2, 3, 4]
        assert choose(triplets(5), 99, sampling, 0, never) == [0, 1, 2, 3, 4]


def test_random_needs_no_embeddings_and_follows_the_seed() -> None:
    first = choose(triplets(1000), 50, Sampling.RANDOM, 1, never)
    assert first == choose(triplets(1000), 50, Sampling.RANDOM, 1, never)
    assert first != choose(triplets(1000), 50, Sampling.RANDOM, 2, never)


@pytest.mark.parametrize("samples", [1, 0, -3])
@pytest.mark.parametrize("sampling", list(Sampling))
def test_too_few_samples(samples: int, sampling: Sampling) -> None:
    with pytest.raises(GapruneError, match="too few"):
        choose(triplets(5), samples, sampling, 0, never)


def test_embeddings_that_are_not_finite() -> None:
    rows = np.ones((5, 3))
    rows[2, 1] = np.nan
    with pytest.raises(GapruneError, match="no finite numbers"):
        choose(triplets(5), 2, Sampling.KMEANS, 0, table(rows))
