"""A mask alone brings no speed; whole silent neurons do, exactly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from gaprune_viz.config import Dtype, MaskSpec, ModelSpec, Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.latency import NO_GAIN, measure_speed, write_shrunk
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import inventory
from gaprune_viz.pruning.export import prune
from gaprune_viz.pruning.model_folder import weight_bytes
from gaprune_viz.pruning.structured.silent_neurons import neurons_of, removable, shrink
from tests.tiny_models import INTERMEDIATE, texts


@pytest.mark.parametrize("family", ["bert", "qwen3"])
def test_silent_neurons_go_without_a_trace(family: str, tiny_model_folder: Callable[..., Path], tmp_path: Path) -> None:
    model = load_model(ModelSpec(model=str(tiny_model_folder(family)), device="cpu"))
    targets = inventory(model).targets
    assert removable(targets) == 0
    for layer, count in zip(neurons_of(targets), (9, 7), strict=True):
        layer.down.weight[:, 3 : 3 + count] = 0
    model.st.save_pretrained(str(tmp_path / "masked"))
    masked = load_model(ModelSpec(model=str(tmp_path / "masked"), device="cpu"))
    assert removable(inventory(masked).targets) == 7
    smaller = write_shrunk(masked, tmp_path / "smaller")
    assert {n.down.shape[1] for n in neurons_of(inventory(smaller).targets)} == {INTERMEDIATE - 7}
    np.testing.assert_allclose(smaller.encode(texts()), model.encode(texts()), atol=1e-6)
    plain = SentenceTransformer(str(tmp_path / "smaller"), device="cpu").encode(
        list(texts()), normalize_embeddings=True
    )
    np.testing.assert_allclose(plain, model.encode(texts()), atol=1e-5)


def test_what_is_shrunk_stays_in_its_format(tiny_bert: Path, tmp_path: Path) -> None:
    model = load_model(ModelSpec(model=str(tiny_bert), device="cpu", dtype=Dtype.BFLOAT16))
    for layer in neurons_of(inventory(model).targets):
        layer.down.weight[:, :8] = 0
    model.st.save_pretrained(str(tmp_path / "masked"))
    masked = load_model(ModelSpec(model=str(tmp_path / "masked"), device="cpu", dtype=Dtype.BFLOAT16))
    smaller = write_shrunk(masked, tmp_path / "smaller")
    assert {p.dtype for p in smaller.backbone.parameters()} == {torch.bfloat16}
    assert weight_bytes(tmp_path / "smaller") < weight_bytes(tmp_path / "masked")
    np.testing.assert_allclose(smaller.encode(texts()), masked.encode(texts()), atol=1e-2)


def test_a_model_without_silent_neurons_stays(tiny_bert: Path) -> None:
    model = load_model(ModelSpec(model=str(tiny_bert), device="cpu"))
    before = {n: p.clone() for n, p in model.backbone.named_parameters()}
    assert shrink(model, inventory(model).targets) == 0
    assert all(torch.equal(p, before[n]) for n, p in model.backbone.named_parameters())


def test_fused_and_transposed_mlps_are_refused(tiny_model_folder: Callable[..., Path]) -> None:
    for family in ("modernbert", "gpt2"):
        model = load_model(ModelSpec(model=str(tiny_model_folder(family)), device="cpu"))
        with pytest.raises(GapruneError, match="cannot be taken out"):
            neurons_of(inventory(model).targets)


def test_an_unstructured_export_is_as_large_and_the_words_say_so(tiny_analysis: Path, tmp_path: Path) -> None:
    prune(tiny_analysis, Settings(mask=MaskSpec(sparsity=0.5)), tmp_path / "pruned")
    found = measure_speed(tmp_path / "pruned", texts(), rounds=1)
    assert found["dense"]["bytes"] == pytest.approx(found["pruned"]["bytes"], rel=0.02)
    assert found["dense"]["seconds"] > 0 < found["pruned"]["seconds"]
    assert found["sentences"][0] == NO_GAIN
    assert "shrunk" not in found


def test_a_mask_of_whole_neurons_is_measured_smaller(tiny_analysis: Path, tmp_path: Path) -> None:
    """At 95 % most columns of a row-free mask are empty; the rest are emptied by hand, as a structured mask would."""
    prune(tiny_analysis, Settings(mask=MaskSpec(sparsity=0.95)), tmp_path / "pruned")
    model = load_model(ModelSpec(model=str(tmp_path / "pruned"), device="cpu"))
    for layer in neurons_of(inventory(model).targets):
        layer.down.weight[:, : INTERMEDIATE // 2] = 0
    model.st.save_pretrained(str(tmp_path / "pruned"), create_model_card=False)
    found = measure_speed(tmp_path / "pruned", texts(), rounds=1, shrunk=tmp_path / "kept")
    assert found["neurons_per_layer"] >= INTERMEDIATE // 2
    assert found["shrunk"]["bytes"] < found["pruned"]["bytes"]
    assert found["largest_difference"] < 1e-6
    assert (tmp_path / "kept" / "model.safetensors").is_file()
