"""The benchmark scripts run, on tiny sizes; what they measure is not judged here."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import _render, architectures, calibration, encoding, live, refit, starting, startup
from gaprune_viz.config import ModelSpec, RefitSpec, Scope
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import in_scope, inventory


@pytest.fixture(scope="module")
def model(tiny_bert: Path) -> EmbeddingModel:
    return load_model(ModelSpec(model=str(tiny_bert), device="cpu"))


def test_calibration_times_all_ways_and_splits_its_time(model: EmbeddingModel) -> None:
    targets = in_scope(inventory(model), Scope.MLP, model.label)
    row = calibration.measure(model, targets, calibration.triplets("short", 8), repeats=1, pad_to=64)
    assert row["exactness"]["worst"] < 1e-4
    assert set(row["time_split"]["seconds"]) >= {"forward", "backward", "per-sample products", "accumulation"}
    assert min(row["time_split"]["seconds"].values()) >= 0
    assert row["published_over_ours"] > 0


def test_encoding_agrees_with_sentence_transformers(model: EmbeddingModel) -> None:
    row = encoding.measure(model, ["one", "two words", "and three of them"] * 4, repeats=1)
    assert row["largest_difference"] < 1e-5
    assert row["ours_over_theirs"] > 0


def test_a_small_made_up_analysis_is_previewed_exactly(tmp_path: Path) -> None:
    row = live.measure("tiny", tmp_path, moves=2)
    assert row["sketch"] == row["weights"]
    assert max(found["largest"] for found in row["preview"].values()) < 1e-9
    assert row["refresh_ms"]["p50"] > 0


def test_a_refit_is_timed_beside_its_products_and_retraining(
    model: EmbeddingModel, tiny_triplets: tuple[Path, Path]
) -> None:
    targets = inventory(model).targets
    masks = {t.name: t.weight.abs() > t.weight.abs().median() for t in targets}
    triplets = {s: load_triplets(str(p)).triplets for s, p in zip(("domain", "general"), tiny_triplets, strict=True)}
    spec = RefitSpec(refit=True, samples=12)
    found = refit.measure(model, targets, masks, triplets, spec, repeats=1, steps=1, batch_size=4)
    assert found["refit_over_products"] > 0
    assert found["refit_over_retraining_processor"] > 0
    assert found["floor_gflop"] > 0
    text = _render.document({"refit": {"load_average": 0.5, "time": {**found, "refit_over_products": 9.0}}})
    assert "| refit / the matrix products it needs | ≤ 1.5 | 9 | **no** |" in text


def test_starting_is_timed() -> None:
    assert 0 < startup.run("python") < startup.run("import") + 60


def test_the_document_says_what_did_not_hold() -> None:
    found = {
        "load_average": 0.5,
        "ours_over_theirs": 2.0,
        "largest_difference": 1e-7,
        "floor_gflop": 1,
        "gflop_per_s": 1,
    }
    text = _render.document({"encoding": found})
    assert "| corpus encoding: ours / sentence-transformers | ≤ 1.1 | 2 | **no** |" in text
    assert "Not measured: run `benchmarks/live.py`." in text


@pytest.mark.parametrize("name", ["phimoe", "llama4_text", "hrm_text", "convbert", "mobilebert", "falcon"])
def test_an_odd_architecture_is_equal_to_one_backward_per_sample(name: str) -> None:
    """Routers of experts that derive from Linear, passes without gradients, embeddings that padding moves."""
    (row,) = architectures.measure([name])
    assert row["result"] == "equal", row["detail"]


@pytest.mark.parametrize("name", ["reformer", "longformer"])
def test_an_architecture_that_cannot_be_calibrated_is_one_line(name: str) -> None:
    (row,) = architectures.measure([name])
    assert row["result"] == "refused", row["detail"]
    assert "\n" not in row["detail"]


def test_refusals_are_set_beside_an_import(tmp_path: Path) -> None:
    ways = starting.ways(tmp_path)
    found = starting.measure({starting.FLOOR: ["-c", "import json"], "bad data": ways["bad data"]}, repeats=1)
    assert found["shares"].keys() == {"bad data"}
    assert found["seconds"]["bad data"] > 0
    with pytest.raises(RuntimeError, match="ended with 0"):
        starting.run(["-c", ""], 2)
