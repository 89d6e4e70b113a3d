"""Measures of embedding spaces against numbers worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation import geometry
from gaprune_viz.evaluation.geometry import (
    alignment,
    drift,
    effective_rank,
    measure,
    neighbour_overlap,
    projection,
    uniformity,
)
from gaprune_viz.evaluation.tasks import Passage, RetrievalTask, TaskEmbeddings


def unit(n: int, d: int, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def angle(*degrees: float) -> np.ndarray:
    turns = np.radians(degrees)
    return np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)


def test_uniformity_by_hand() -> None:
    # Two orthogonal unit vectors are at squared distance 2, two opposite ones at 4.
    assert uniformity(angle(0, 90)) == pytest.approx(-4, abs=1e-6)
    assert uniformity(angle(0, 180)) == pytest.approx(-8, abs=1e-6)
    # Three vectors at 0, 90, 180: squared distances 2, 2, 4.
    assert uniformity(angle(0, 90, 180)) == pytest.approx(math.log((2 * math.exp(-4) + math.exp(-8)) / 3), abs=1e-6)


def test_uniformity_of_one_place_is_zero() -> None:
    assert uniformity(np.tile(angle(30), (5, 1))) == pytest.approx(0, abs=1e-6)
    assert uniformity(np.zeros((3, 4), dtype=np.float32)) == 0


def test_sampled_uniformity_is_near_the_full_one(monkeypatch: pytest.MonkeyPatch) -> None:
    x = unit(900, 16)
    full = uniformity(x)
    monkeypatch.setattr(geometry, "ALL_PAIRS_UP_TO", 100)
    sampled = uniformity(x, seed=1)
    assert sampled == uniformity(x, seed=1)
    assert sampled != uniformity(x, seed=2)
    assert sampled == pytest.approx(full, abs=0.01)


def test_sampled_pairs_are_never_a_text_with_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geometry, "ALL_PAIRS_UP_TO", 1)
    assert uniformity(angle(0, 90)) == pytest.approx(-4, abs=1e-6)


def test_alignment_by_hand() -> None:
    # 60 degrees apart is squared distance 1, 180 degrees apart is 4, the same place is 0.
    assert alignment(angle(0, 0, 45), angle(60, 180, 45)) == pytest.approx(5 / 3, abs=1e-6)


def test_effective_rank_by_hand() -> None:
    assert effective_rank(np.eye(4)) == pytest.approx(4)
    assert effective_rank(np.outer(np.ones(5), [3.0, 4.0])) == pytest.approx(1)
    # Singular values 3 and 1: p = 3/4, 1/4.
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert effective_rank(np.diag([3.0, 1.0])) == pytest.approx(math.exp(entropy))
    assert effective_rank(np.zeros((3, 2))) == 0


@pytest.mark.parametrize("shape", [(40, 12), (12, 40)])
def test_effective_rank_equals_that_of_singular_values(shape: tuple[int, int]) -> None:
    x = unit(*shape)
    s = np.linalg.svd(x.astype(np.float64), compute_uv=False)
    p = s / s.sum()
    assert effective_rank(x) == pytest.approx(math.exp(-(p * np.log(p)).sum()), rel=1e-9)


def test_effective_rank_does_not_count_rounding_as_directions() -> None:
    rank_two = np.random.default_rng(0).normal(size=(300, 2)) @ np.random.default_rng(1).normal(size=(2, 200))
    s = np.linalg.svd(rank_two, compute_uv=False)[:2]
    p = s / s.sum()
    assert effective_rank(rank_two) == pytest.approx(math.exp(-(p * np.log(p)).sum()), rel=1e-9)


def test_neighbour_overlap_by_hand() -> None:
    dense = angle(0, 10, 90, 100)
    assert neighbour_overlap(dense, dense, k=1) == 1
    # The second and third text change places: nobody keeps the neighbour it had.
    assert neighbour_overlap(dense, dense[[0, 2, 1, 3]], k=1) == 0
    # The first pair stays together; the third text moves next to the second, the fourth is still nearest to the third.
    assert neighbour_overlap(dense, angle(0, 10, 25, 100), k=1) == pytest.approx(3 / 4)
    assert neighbour_overlap(dense, dense[[0, 2, 1, 3]], k=10) == 1


def test_neighbour_overlap_equals_sklearn(monkeypatch: pytest.MonkeyPatch) -> None:
    dense, pruned = unit(80, 8, 1), unit(80, 8, 2)
    near = [NearestNeighbors(n_neighbors=10).fit(x).kneighbors(return_distance=False) for x in (dense, pruned)]
    expected = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(*near, strict=True)])
    assert neighbour_overlap(dense, pruned) == pytest.approx(expected)
    monkeypatch.setattr(geometry, "CELLS", 7 * 80)
    assert neighbour_overlap(dense, pruned) == pytest.approx(expected)


def test_neighbours_of_equal_texts_are_settled_by_order() -> None:
    same = np.tile(unit(1, 24, 3), (30, 1))
    assert neighbour_overlap(same, same) == 1
    assert neighbour_overlap(same, np.zeros_like(same)) == 1


def test_drift_by_hand() -> None:
    moved = drift(angle(0, 0, 0), angle(0, 60, 90))
    np.testing.assert_allclose(moved.per_text, [0, 0.5, 1], atol=1e-6)
    assert moved.mean == pytest.approx(0.5, abs=1e-6)
    assert moved.mean_cosine == pytest.approx(0.5, abs=1e-6)
    # Between the second and third of three values, nine tenths of the way.
    assert moved.p95 == pytest.approx(0.95, abs=1e-6)


def test_drift_ignores_length_and_survives_zero() -> None:
    moved = drift(np.array([[2.0, 0.0], [1.0, 1.0]]), np.array([[7.0, 0.0], [0.0, 0.0]]))
    np.testing.assert_allclose(moved.per_text, [0, 1])


@pytest.mark.parametrize("shape", [(50, 6), (5, 20)])
def test_projection_is_that_of_the_dense_space(shape: tuple[int, int]) -> None:
    dense, pruned = unit(*shape, seed=1), unit(*shape, seed=2)
    drawn = projection(dense, pruned)
    axes = PCA(n_components=2, svd_solver="full").fit(dense.astype(np.float64))
    signs = np.sign((axes.transform(dense) * drawn.dense).sum(axis=0))
    np.testing.assert_allclose(drawn.dense, axes.transform(dense) * signs, atol=1e-6)
    np.testing.assert_allclose(drawn.pruned, axes.transform(pruned) * signs, atol=1e-6)
    np.testing.assert_allclose(drawn.explained, axes.explained_variance_ratio_, rtol=1e-5)


def test_projection_of_a_plane_keeps_its_distances() -> None:
    flat = angle(0, 70, 130, 200)
    drawn = projection(flat, flat)
    assert sum(drawn.explained) == pytest.approx(1)
    np.testing.assert_array_equal(drawn.dense, drawn.pruned)
    for i, j in ((0, 1), (1, 3), (0, 2)):
        assert np.linalg.norm(drawn.dense[i] - drawn.dense[j]) == pytest.approx(
            float(np.linalg.norm(flat[i] - flat[j])), abs=1e-6
        )


def test_projection_needs_two_places() -> None:
    same = np.tile(unit(1, 5), (4, 1))
    with pytest.raises(GapruneError, match="same dense embedding"):
        projection(same, unit(4, 5))
    with pytest.raises(GapruneError, match="two texts"):
        projection(unit(1, 5), unit(1, 5))


def test_measure_puts_the_right_texts_together() -> None:
    task = RetrievalTask.of(
        "small",
        [Passage("a", "A"), Passage("b", "B"), Passage("c", "C")],
        {"q1": "one", "q2": "two", "q3": "three"},
        {"q1": {"b": 1, "gone": 1}, "q2": {"c": 2, "a": 0}, "q3": {"a": 0}},
    )
    dense = TaskEmbeddings(angle(60, 180, 7), angle(90, 0, 180))
    pruned = TaskEmbeddings(angle(0, 0, 7), angle(0, 0, 0))
    found = measure(task, dense, pruned)
    # q1 with b: 60 degrees apart, squared distance 1; q2 with c: the same place.
    assert found.dense.alignment == pytest.approx(0.5, abs=1e-6)
    assert found.pruned.alignment == pytest.approx(0, abs=1e-6)
    assert found.dense.uniformity == pytest.approx(math.log((2 * math.exp(-4) + math.exp(-8)) / 3), abs=1e-6)
    assert found.pruned.uniformity == pytest.approx(0, abs=1e-6)
    assert found.pruned.effective_rank == pytest.approx(1)
    np.testing.assert_allclose(found.drift.per_text, [1, 0, 2], atol=1e-6)
    assert found.neighbour_overlap_at_10 == 1


def test_measure_needs_a_relevant_pair() -> None:
    task = RetrievalTask.of("none", [Passage("a", "A"), Passage("b", "B")], {"q": "one"}, {"q": {"a": 0}})
    embeddings = TaskEmbeddings(unit(1, 4), unit(2, 4))
    with pytest.raises(GapruneError, match="no query with a relevant passage"):
        measure(task, embeddings, embeddings)


def test_wrong_shapes_are_refused() -> None:
    for function in (alignment, drift, projection):
        with pytest.raises(ValueError, match="one shape"):
            function(unit(3, 4), unit(4, 4))
    with pytest.raises(ValueError, match="one pruned row"):
        neighbour_overlap(unit(3, 4), unit(4, 4))
    with pytest.raises(GapruneError, match="two texts"):
        uniformity(unit(1, 4))
