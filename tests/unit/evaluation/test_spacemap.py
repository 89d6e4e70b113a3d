"""The map of a task: axes of the dense space, both models in them, every text in the table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA

from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.geometry import drift
from gaprune_viz.evaluation.spacemap import task_map
from gaprune_viz.evaluation.tasks import Passage, RetrievalTask, TaskEmbeddings
from gaprune_viz.figures.retrieval.spacemap import map_figure, map_table

TASK = RetrievalTask.of(
    "small",
    [Passage(f"p{i}", f"text {i}", "A <b>title</b>" if i == 0 else "", "topic") for i in range(12)],
    {f"q{i}": f"query {i}" for i in range(4)},
    {f"q{i}": {f"p{i}": 1} for i in range(4)},
)


def embeddings(seed: int) -> TaskEmbeddings:
    rng = np.random.default_rng(seed)
    queries, corpus = rng.normal(size=(4, 6)), rng.normal(size=(12, 6))
    return TaskEmbeddings(
        *((x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32) for x in (queries, corpus))
    )


def test_axes_are_those_of_all_dense_texts_together() -> None:
    dense, pruned = embeddings(0), embeddings(1)
    found = task_map(TASK, dense, pruned)
    both = [np.concatenate([e.corpus, e.queries]).astype(np.float64) for e in (dense, pruned)]
    reference = PCA(2).fit(both[0])
    for model, x in zip(("dense", "pruned"), both, strict=True):
        placed = found.points[[f"{model}_x", f"{model}_y"]].to_numpy()
        assert np.abs(placed) == pytest.approx(np.abs(reference.transform(x)), abs=1e-6)
    assert found.explained == pytest.approx(tuple(reference.explained_variance_ratio_))
    assert found.points["drift"].to_numpy() == pytest.approx(drift(both[0], both[1]).per_text)
    assert found.points["kind"].tolist() == ["passage"] * 12 + ["query"] * 4
    assert found.points["id"].tolist()[::12] == ["p0", "q0"]


def test_a_model_that_changed_nothing_moves_nothing() -> None:
    points = task_map(TASK, embeddings(0), embeddings(0)).points
    assert points["drift"].abs().max() < 1e-6
    assert (points["dense_x"] == points["pruned_x"]).all()


def test_of_many_texts_some_are_drawn_in_their_order() -> None:
    whole, some = (task_map(TASK, embeddings(0), embeddings(1), most=most) for most in (600, 5))
    assert (whole.texts, some.texts, len(some.points)) == (16, 16, 5)
    kept = whole.points.set_index("id").loc[some.points["id"]].reset_index()
    assert kept["dense_x"].tolist() == some.points["dense_x"].tolist()
    assert "5 of 16 texts" in map_figure(some, "small").to_plotly_json()["layout"]["title"]["text"]


def test_the_figure_holds_every_text_twice_and_escapes_it() -> None:
    found = task_map(TASK, embeddings(0), embeddings(1))
    moves, *markers = map_figure(found, "<small>").data  # type: ignore[misc]
    drawn: list[Any] = list(markers)
    assert [trace.name for trace in drawn] == [*("passage, dense", "passage, pruned", "query, dense", "query, pruned")]
    assert [len(trace.x) for trace in drawn] == [12, 12, 4, 4]
    assert len(moves.x) == 3 * 16
    assert "<b>A &lt;b&gt;title&lt;/b&gt;</b>" in drawn[0].customdata[0]


def test_the_table_lists_all_collections_farthest_moved_first() -> None:
    found = task_map(TASK, embeddings(0), embeddings(1))
    table = map_table({"one": found, "other": found})
    assert len(table) == 32
    assert table["Drift"].is_monotonic_decreasing
    assert set(table["Collection"]) == {"one", "other"}
    assert map_table({}).empty


def test_one_place_is_no_map() -> None:
    flat = TaskEmbeddings(*(np.tile(np.eye(1, 6, dtype=np.float32), (n, 1)) for n in (4, 12)))
    with pytest.raises(GapruneError, match="no map"):
        task_map(TASK, flat, flat)
