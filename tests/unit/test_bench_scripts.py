"""The benchmark scripts run, on tiny sizes; what they measure is not judged here."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import calibration
from gaprune_viz.config import ModelSpec, Scope
from gaprune_viz.core.encoder import EmbeddingModel
from gaprune_viz.core.loading import load_model
from gaprune_viz.core.targets import in_scope, inventory


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
