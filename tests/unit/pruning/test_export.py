"""A mask goes on a live model and comes off without a trace; an export is the masked model."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from torch import Tensor

from gaprune_viz.config import Dtype, ModelSpec, RefitSpec, Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.prompts import Registered
from gaprune_viz.models.targets import Target, inventory
from gaprune_viz.pruning.applying import census, masked
from gaprune_viz.pruning.export import MASK_FILE, RESULT_FILE, export, prune
from tests.conformance.test_models import CONFIGURATIONS, made
from tests.tiny_models import FAMILIES, texts

FIVE = (*texts(), "salt and water")


def load(folder: Path, **fields: object) -> EmbeddingModel:
    return load_model(ModelSpec.parse({"model": str(folder), "device": "cpu", **fields}))


def random_masks(targets: tuple[Target, ...], kept: float = 0.5) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {t.name: torch.rand(t.shape, generator=generator) < kept for t in targets}


def parameters(model: EmbeddingModel) -> dict[str, Tensor]:
    """A copy of every bit: NaNs and signed zeros count too."""
    views = {2: torch.int16, 4: torch.int32}
    return {n: p.detach().clone().view(views[p.element_size()]) for n, p in model.backbone.named_parameters()}


def assert_same_bits(model: EmbeddingModel, before: dict[str, Tensor]) -> None:
    after = parameters(model)
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize("family", ["bert", "gpt2", "modernbert"])
@pytest.mark.parametrize("dtype", [Dtype.FLOAT32, Dtype.BFLOAT16])
def test_masks_come_off_to_the_bit(family: str, dtype: Dtype, tiny_model_folder: Callable[..., Path]) -> None:
    model = load(tiny_model_folder(family), dtype=dtype)
    targets = inventory(model).targets
    weight = targets[0].weight
    weight[0, 0], weight[0, 1], weight[1, 0] = float("nan"), -0.0, float("inf")
    masks, before = random_masks(targets), parameters(model)
    masks[targets[0].name][:2, :2] = False
    with masked(model, targets, masks):
        for target in targets:
            kept = masks[target.name]
            assert bool((target.weight[~kept] == 0).all())
            # In the layer's own layout: a Conv1D holds [in, out].
            stored = target.parameter.detach().t() if target.transposed else target.parameter.detach()
            assert torch.equal(stored == 0, ~kept | (stored == 0) & kept)
            assert int((stored[kept] == 0).sum()) == 0
    assert_same_bits(model, before)


def test_masks_come_off_after_an_error(tiny_bert: Path) -> None:
    model = load(tiny_bert)
    targets = inventory(model).targets
    before = parameters(model)
    with pytest.raises(KeyError), masked(model, targets, random_masks(targets)):
        raise KeyError("inside")
    assert_same_bits(model, before)
    wrong = random_masks(targets)
    wrong[targets[-1].name] = torch.ones(3, 3, dtype=torch.bool)
    with pytest.raises((RuntimeError, IndexError)), masked(model, targets, wrong):
        pytest.fail("a mask of another shape must not get here")
    assert_same_bits(model, before)
    assert model.lock.acquire(blocking=False)
    model.lock.release()


def test_a_target_without_a_mask_stays_dense(tiny_bert: Path) -> None:
    model = load(tiny_bert)
    first, *others = inventory(model).targets
    before = {t.name: t.weight.clone() for t in others}
    with masked(model, (first, *others), {first.name: torch.zeros(first.shape, dtype=torch.bool)}):
        assert int(first.weight.count_nonzero()) == 0
        assert all(torch.equal(t.weight, before[t.name]) for t in others)


def test_nobody_else_sees_a_mask(tiny_bert: Path) -> None:
    model = load(tiny_bert)
    targets = inventory(model).targets
    dense, seen = model.encode(FIVE), []
    other = threading.Thread(target=lambda: seen.append(model.encode(FIVE)))
    with masked(model, targets, random_masks(targets)):
        inside = model.encode(FIVE)
        other.start()
        other.join(timeout=0.3)
        assert not seen
    other.join(timeout=30)
    np.testing.assert_array_equal(seen[0], dense)
    assert np.abs(inside - dense).max() > 1e-2


def test_census_counts_zeros_of_the_scope_and_of_the_model(tiny_bert: Path) -> None:
    model = load(tiny_bert)
    targets = inventory(model).targets
    masks = {t.name: torch.ones(t.shape, dtype=torch.bool) for t in targets}
    masks[targets[0].name][0] = False
    found = census(model, masks)
    scope, everything = sum(t.size for t in targets), sum(p.numel() for p in model.backbone.parameters())
    assert found == {
        "scope_weights": scope,
        "zeros": 32,
        "scope_sparsity": 32 / scope,
        "model_weights": everything,
        "model_sparsity": 32 / everything,
        "flops_left": 1 - 32 / scope,
    }
    assert census(model, {})["scope_sparsity"] == 0


def write(folder: Path, model: EmbeddingModel, masks: dict[str, Tensor]) -> np.ndarray:
    """Export; returns the embeddings of the live masked model."""
    targets = inventory(model).targets
    before = parameters(model)
    export(folder, model, targets, masks, {"format": 1, "name": "pürüned"}, "# card\n")
    assert_same_bits(model, before)
    with masked(model, targets, masks):
        return model.encode(FIVE)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_export_is_the_masked_model(family: str, tiny_model_folder: Callable[..., Path], tmp_path: Path) -> None:
    # Padding on the left, as many decoders are published.
    model = load(tiny_model_folder(family, "left"))
    targets = inventory(model).targets
    masks = random_masks(targets)
    live = write(tmp_path, model, masks)
    assert np.abs(live - model.encode(FIVE)).max() > 1e-2
    st = SentenceTransformer(str(tmp_path), device="cpu", local_files_only=True)
    np.testing.assert_allclose(st.encode(list(FIVE), normalize_embeddings=True), live, atol=1e-6)
    again = load(tmp_path)
    assert again.pooling is model.pooling
    np.testing.assert_allclose(again.encode(FIVE), live, atol=1e-6)

    weights, stored = load_file(tmp_path / "model.safetensors"), load_file(tmp_path / MASK_FILE)
    assert stored.keys() == {t.name for t in targets}
    for target in targets:
        assert stored[target.name].dtype == torch.bool
        assert stored[target.name].shape == target.shape
        weight = weights[target.name].t() if target.transposed else weights[target.name]
        dense_zero = target.weight == 0
        assert torch.equal(weight == 0, ~stored[target.name] | dense_zero)
        assert torch.equal(weight[stored[target.name]], target.weight[stored[target.name]])
    document = json.loads((tmp_path / RESULT_FILE).read_text(encoding="utf-8"))
    assert document == {"format": 1, "name": "pürüned"}
    assert (tmp_path / "README.md").read_text() == "# card\n"
    assert not list(tmp_path.rglob("*.bin"))


def test_an_export_keeps_prompts_and_length_that_were_given(tiny_bert: Path, tmp_path: Path) -> None:
    model = load(tiny_bert, query_prompt="why: ", passage_prompt="this: ", max_length=8)
    limit, prompts = model.st.max_seq_length, dict(model.st.prompts)
    masks = random_masks(inventory(model).targets)
    live = write(tmp_path, model, masks)
    assert (model.st.max_seq_length, model.st.prompts) == (limit, prompts)
    st = SentenceTransformer(str(tmp_path), device="cpu", local_files_only=True)
    assert st.max_seq_length == 8
    np.testing.assert_allclose(st.encode_document(list(FIVE), normalize_embeddings=True), live, atol=1e-6)
    with masked(model, inventory(model).targets, masks):
        queries = model.encode(FIVE, "query")
    np.testing.assert_allclose(st.encode_query(list(FIVE), normalize_embeddings=True), queries, atol=1e-6)


@pytest.mark.parametrize(
    "name",
    ["cut", "dot", "euclidean", "a router", "a default and empty prompts", "prompts left out of the mean", "max"],
)
def test_an_export_reads_and_compares_as_the_model_does(name: str, tiny_bert: Path, tmp_path: Path) -> None:
    model = load(made(tiny_bert, CONFIGURATIONS[name], tmp_path / "model"))
    masks = random_masks(inventory(model).targets)
    write(tmp_path / "export", model, masks)
    st = SentenceTransformer(str(tmp_path / "export"), device="cpu", local_files_only=True)
    again = load(tmp_path / "export")
    assert again.similarity == model.similarity == st.similarity_fn_name
    with masked(model, inventory(model).targets, masks):
        for kind, theirs in (("query", st.encode_query), ("passage", st.encode_document)):
            live = model.encode(FIVE, kind)
            expected = theirs(list(FIVE), normalize_embeddings=model.similarity == "cosine")
            np.testing.assert_allclose(live, expected, atol=1e-5)
            np.testing.assert_allclose(again.encode(FIVE, kind), live, atol=1e-5)


def test_an_export_keeps_the_prompts_of_mtebs_registry(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = tmp_path / "models--intfloat--e5-small-v2" / "snapshots" / ("a" * 40)
    shutil.copytree(tiny_bert, entry)
    monkeypatch.setattr("gaprune_viz.models.prompts.registered", lambda name: Registered("query: ", "passage: "))
    model = load(entry)
    write(tmp_path / "export", model, random_masks(inventory(model).targets))
    again = load(tmp_path / "export")
    assert (again.query_prompt, again.passage_prompt) == ("query: ", "passage: ")
    assert again.prompts_from == {"query": "model", "passage": "model"}


def test_a_refit_of_a_model_that_padding_moves_is_refused(tiny_analysis: Path, tiny_bert: Path, tmp_path: Path) -> None:
    model = load(tiny_bert)
    model.padding_dependent = True
    with pytest.raises(GapruneError, match="A refit pads texts"):
        prune(tiny_analysis, Settings(refit=RefitSpec(refit=True)), tmp_path / "export", model=model)


def test_the_card_tells_prompts_and_similarity(tiny_analysis: Path, tmp_path: Path) -> None:
    prune(tiny_analysis, Settings(), tmp_path / "export")
    card = (tmp_path / "export" / "README.md").read_text()
    assert "| prompts | queries none, passages none |" in card
    assert "| compares by | cosine |" in card


@pytest.mark.minilm
def test_an_export_of_the_default_model(minilm: EmbeddingModel, tmp_path: Path) -> None:
    live = write(tmp_path, minilm, random_masks(inventory(minilm).targets, kept=0.8))
    st = SentenceTransformer(str(tmp_path), device="cpu", local_files_only=True)
    np.testing.assert_allclose(st.encode(list(FIVE)), live, atol=1e-6)
