"""What an analysis leaves on disk: files, tensors, what was done, medians, summary and histograms."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from gaprune_viz.analysis.making import analyze
from gaprune_viz.analysis.summaries import (
    LOG10_FISHER_EDGES,
    LOG10_THETA_EDGES,
    UNIT_EDGES,
    histogram_rows,
    scope_medians,
    summary_row,
)
from gaprune_viz.calibration.description import check_described
from gaprune_viz.calibration.progress import drain
from gaprune_viz.calibration.statistics import MatrixInfo, MatrixStatistics, Statistics, fields_of
from gaprune_viz.config import Alignment, ModelSpec, RunSpec
from gaprune_viz.criteria.alignment import align_matrix
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import inventory, weights_of

FILES = ["histograms.npz", "sketch.npz", "spec.json", "statistics.safetensors", "summary.parquet"]


@pytest.fixture(scope="module")
def opened(tiny_analysis: Path) -> Statistics:
    return Statistics.open(tiny_analysis)


def test_the_folder_holds_these_files(tiny_analysis: Path) -> None:
    assert sorted(p.name for p in tiny_analysis.iterdir()) == FILES


def test_tensors_have_the_names_and_shapes_of_the_parameters(tiny_analysis: Path, tiny_bert: Path) -> None:
    model = load_model(ModelSpec(model=str(tiny_bert), device="cpu"))
    named = dict(model.backbone.named_parameters())
    tensors = load_file(tiny_analysis / "statistics.safetensors")
    expected = {f"{t.name}:{field}" for t in inventory(model).targets for field in fields_of(t.role)}
    assert tensors.keys() == expected
    assert len(expected) == 12 * 6 + 2 * 6
    for key, tensor in tensors.items():
        name, field = key.rsplit(":", 1)
        assert tensor.dtype == torch.float32
        shape = named[name].shape
        assert tensor.shape == (shape if field.startswith(("fisher", "grad")) else shape[1:])
        assert bool(torch.isfinite(tensor).all())
        if not field.startswith(("grad", "mean")):
            assert bool((tensor >= 0).all())
    with safe_open(str(tiny_analysis / "statistics.safetensors"), framework="pt") as file:
        assert file.metadata() == {"format": "gaprune_viz", "version": "1"}


def test_triplets_of_one_query_count_as_one(
    opened: Statistics, tiny_triplets: tuple[Path, Path], tmp_path: Path
) -> None:
    # Every query twice, once with the passage of another as a second right answer.
    rows = [json.loads(line) for line in tiny_triplets[0].read_text().splitlines()]
    others = [{**row, "positive": other["positive"]} for row, other in zip(rows, rows[1:] + rows[:1], strict=True)]
    doubled = tmp_path / "doubled.jsonl"
    doubled.write_text("".join(json.dumps(row) + "\n" for row in rows + others))
    run = opened.run.with_(calibration=opened.run.calibration.with_(domain=str(doubled), samples=24))
    found = Statistics.open(drain(analyze(run, tmp_path / "analysis")))
    data = found.document["data"]["domain"]
    assert (data["samples"], data["queries"], found.samples("domain"), found.samples("general")) == (24, 12, 12, 12)
    assert found.effective_samples is not None
    assert found.effective_samples["domain"] <= 12
    assert any("24 samples are of 12 queries" in note for note in found.document["notes"])
    with pytest.raises(ValueError, match="no samples"):
        check_described({**found.document, "data": {**found.document["data"], "domain": {**data, "queries": 0}}})


def test_the_spec_tells_what_was_done(opened: Statistics, tiny_bert: Path, tiny_triplets: tuple[Path, Path]) -> None:
    document = opened.document
    model = load_model(ModelSpec(model=str(tiny_bert), device="cpu"))
    assert document["format"] == 1
    assert len(document["key"]) == 16
    assert RunSpec.parse(document["run"]) == opened.run
    assert opened.run.calibration.domain == str(tiny_triplets[0])
    assert document["model"]["weight_hash"] == model.weight_hash
    assert document["model"]["pooling"] == "mean"
    assert document["model"]["max_length"] == 128
    assert document["model"]["parameters"] == sum(p.numel() for p in model.backbone.parameters())
    for side in ("domain", "general"):
        data = document["data"][side]
        assert data["queries"] == 12
        assert (data["samples"], data["available"], data["dropped"], data["duplicates"]) == (12, 12, 0, 0)
        assert len(data["content_hash"]) == 64
        assert 0 < data["mean_loss"] < 20
        assert data["tokens"] > 12 * 3
    assert document["data"]["domain"]["content_hash"] != document["data"]["general"]["content_hash"]
    assert document["gradients"] == {"domain": True, "general": True}
    assert document["effective_samples"] == opened.effective_samples
    assert all(1 <= n <= 12 for n in document["effective_samples"].values())
    # A random model may guess, and is then told of.
    assert all("is not clearly below that of guessing" in note for note in document["notes"])
    assert "an embedding table" in document["refused"]["embeddings.word_embeddings.weight"]
    assert {"torch", "transformers", "gaprune-viz"} <= document["versions"].keys()
    assert document["seconds"] > 0


def test_the_matrices_are_those_of_the_model(opened: Statistics, tiny_bert: Path) -> None:
    targets = inventory(load_model(ModelSpec(model=str(tiny_bert), device="cpu"))).targets
    assert opened.names == tuple(t.name for t in targets)
    assert opened.matrices == tuple(MatrixInfo(t.name, t.layer, t.role, t.scope, *t.shape) for t in targets)


def test_the_medians_are_those_of_the_whole_scope(opened: Statistics, tiny_bert: Path) -> None:
    weights = weights_of(inventory(load_model(ModelSpec(model=str(tiny_bert), device="cpu"))).targets)
    theta = torch.cat([w.flatten() for w in weights.values()]).abs().numpy()
    fisher = torch.cat([opened.tensor(name, "fisher_domain").flatten() for name in weights]).numpy()
    assert opened.medians == {
        "sqrt_theta": pytest.approx(float(np.median(np.sqrt(theta)))),
        "fisher_theta_1.0": pytest.approx(float(np.median(fisher * theta))),
        "fisher_theta_0.5": pytest.approx(float(np.median(np.sqrt(fisher) * theta))),
    }


def test_the_summary_has_a_row_for_each_matrix(tiny_analysis: Path, opened: Statistics, tiny_bert: Path) -> None:
    table = pd.read_parquet(tiny_analysis / "summary.parquet")
    assert tuple(table["name"]) == opened.names
    weights = weights_of(inventory(load_model(ModelSpec(model=str(tiny_bert), device="cpu"))).targets)
    row = table.iloc[4]
    stats = opened.matrix(row["name"], weights[row["name"]])
    assert (row["role"], row["layer"], row["rows"], row["columns"], row["size"]) == ("up", 0, 48, 32, 48 * 32)
    assert row["fisher_domain_mean"] == pytest.approx(float(stats.fisher_domain.double().mean()))
    ratio = float(stats.fisher_domain.double().mean() / stats.fisher_general.double().mean())
    assert row["fisher_ratio_log10"] == pytest.approx(math.log10(ratio))
    cosine = torch.cosine_similarity(stats.grad_domain.flatten(), stats.grad_general.flatten(), dim=0)
    assert row["alignment_cosine"] == pytest.approx(float(cosine), abs=1e-5)
    same = float((stats.grad_domain.sign() == stats.grad_general.sign()).double().mean())
    assert row["sign_agreement"] == pytest.approx(same)
    assert row["sign_agreement"] + row["sign_disagreement"] == pytest.approx(1)
    assert row["theta_abs_median"] == pytest.approx(float(np.median(stats.theta.abs().numpy())))


def test_histograms_count_every_weight_once(tiny_analysis: Path, opened: Statistics) -> None:
    with np.load(tiny_analysis / "histograms.npz") as file:
        arrays = {name: file[name] for name in file.files}
    sizes = [m.size for m in opened.matrices]
    for key in ("fisher_domain", "fisher_general", "theta", "correlation"):
        counts, edges = arrays[key], arrays[f"{key}_edges"]
        assert counts.shape == (12, len(edges) - 1)
        assert counts.sum(axis=1).tolist() == sizes
    first = opened.tensor(opened.names[0], "fisher_domain")
    expected, _ = np.histogram(np.log10(first.numpy().astype(np.float64).clip(1e-24)), bins=LOG10_FISHER_EDGES)
    # On an edge, rounding decides.
    assert np.abs(arrays["fisher_domain"][0] - expected).sum() <= 4


def constant(theta: float, fisher: float) -> MatrixStatistics:
    def full(value: float) -> torch.Tensor:
        return torch.full((4, 5), value)

    return MatrixStatistics(full(theta), full(fisher), full(0), full(1), full(0), torch.ones(5), torch.ones(5))


def test_zeros_and_giants_are_counted_in_the_outermost_bins() -> None:
    rows = histogram_rows(constant(1e30, 0.0))
    assert rows["fisher_domain"][0] == 20
    assert rows["theta"][-1] == 20
    assert histogram_rows(constant(0.0, 1e30))["theta"][0] == 20
    middle = histogram_rows(constant(1.0, 1.0))["correlation"]
    assert middle.sum() == middle[len(middle) // 2 - 1 : len(middle) // 2 + 1].sum() == 20
    assert len(middle) == len(UNIT_EDGES) - 1
    assert len(rows["theta"]) == len(LOG10_THETA_EDGES) - 1


def test_a_side_without_fisher_information_has_an_infinite_ratio() -> None:
    row = summary_row(MatrixInfo("w", 0, "up", "mlp", 4, 5), constant(1.0, 2.0))
    assert row["fisher_ratio_log10"] == math.inf
    assert (row["sign_agreement"], row["sign_disagreement"], row["alignment_cosine"]) == (0, 0, 0)
    assert align_matrix(Alignment.CORRELATION, constant(1.0, 1.0)).abs().max() == 0


def test_medians_of_a_large_scope_are_taken_over_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    thetas = {str(i): torch.randn(200, 300, generator=generator) for i in range(3)}

    def pairs() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return ((theta, theta.square()) for theta in thetas.values())

    whole = scope_medians(pairs, 180_000)
    size = torch.cat([theta.reshape(-1) for theta in thetas.values()]).abs()
    expected = [size.sqrt(), size.square() * size, size.square().sqrt() * size]
    assert list(whole.values()) == [float(np.median(values.numpy())) for values in expected]
    monkeypatch.setattr("gaprune_viz.analysis.summaries.MEDIAN_CAP", 20_000)
    for key, value in scope_medians(pairs, 180_000).items():
        assert value == pytest.approx(whole[key], rel=0.05)
        assert value != whole[key]


def test_a_tensor_that_is_not_there(opened: Statistics) -> None:
    with pytest.raises(GapruneError, match="fisher_domain of nowhere cannot be read"):
        opened.tensor("nowhere", "fisher_domain")
