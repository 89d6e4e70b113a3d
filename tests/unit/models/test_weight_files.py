"""Weights that need a step before a model: pickles are converted, adapters are merged into their base."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules

from gaprune_viz.config import ModelSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.files.adapters import merged
from gaprune_viz.models.files.converting import convert
from gaprune_viz.models.sources import base_folder, parameter_count
from tests.commands import Run
from tests.unit.models.folders import TEXTS, change, load, refusal


@pytest.fixture
def pickled(tiny_bert: Path, tmp_path: Path) -> Path:
    """A folder of before safetensors, with a projection of its own, and tied weights."""
    st = SentenceTransformer(str(tiny_bert), device="cpu", local_files_only=True)
    torch.manual_seed(0)
    st.append(modules.Dense(32, 8))
    folder = tmp_path / "old"
    st.save_pretrained(str(folder), create_model_card=False)
    for path in list(folder.rglob("model.safetensors")):
        weights = load_file(path)
        if path.parent == folder:
            weights["tied"] = weights["embeddings.word_embeddings.weight"]
        torch.save(weights, path.with_name("pytorch_model.bin"))
        path.unlink()
    (folder / "training_args.json").write_text("{}")
    (folder / "evil.py").write_text("raise SystemExit\n")
    return folder


def test_pickled_weights_are_refused_with_the_command_that_converts_them(
    pickled: Path, tiny_bert: Path, tmp_path: Path, run: Run
) -> None:
    line = refusal(pickled)
    assert "Pickled weights are refused" in line
    assert f"`gaprune-viz convert {pickled} NEW_FOLDER`" in line
    done = run("convert", pickled, tmp_path / "new", "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["written"] == ["2_Dense/model.safetensors", "model.safetensors"]
    assert not list((tmp_path / "new").rglob("*.bin")) + list((tmp_path / "new").rglob("*.py"))
    st = SentenceTransformer(str(tiny_bert), device="cpu", local_files_only=True)
    torch.manual_seed(0)
    st.append(modules.Dense(32, 8))
    expected = st.encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(load(tmp_path / "new").encode(TEXTS), expected, atol=1e-6)
    again = run("convert", tmp_path / "new", tmp_path / "newer")
    assert again.status == 2
    assert "holds no pickled weights" in again.err


def test_weights_in_several_pickles(copy: Path, tmp_path: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    halves = [dict(list(weights.items())[:10]), dict(list(weights.items())[10:])]
    names = [f"pytorch_model-0000{i}-of-00002.bin" for i in (1, 2)]
    for name, half in zip(names, halves, strict=True):
        torch.save(half, copy / name)
    index = {key: name for name, half in zip(names, halves, strict=True) for key in half}
    (copy / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    expected = load(copy).encode(TEXTS)
    (copy / "model.safetensors").unlink()
    convert(copy, tmp_path / "new")
    np.testing.assert_array_equal(load(tmp_path / "new").encode(TEXTS), expected)


class Evil:
    def __reduce__(self):
        return eval, ("open('/tmp/gaprune-viz-was-here', 'w')",)


@pytest.mark.parametrize("content", ["code", "a list", "numbers", "cut short", "no zip"])
def test_what_is_no_plain_tensors_is_not_converted(content: str, copy: Path, tmp_path: Path) -> None:
    (copy / "model.safetensors").unlink()
    path = copy / "pytorch_model.bin"
    torch.save({"code": {"a": Evil()}, "a list": [1], "numbers": {"a": 1}}.get(content, {"a": torch.ones(99)}), path)
    if content == "cut short":
        path.write_bytes(path.read_bytes()[:200])
    if content == "no zip":
        path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(GapruneError, match="cannot be converted") as raised:
        convert(copy, tmp_path / "new")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "new").exists()
    assert not Path("/tmp/gaprune-viz-was-here").exists()


def test_a_conversion_never_writes_into_the_old_folder(pickled: Path) -> None:
    for out in (pickled, pickled / "new", pickled.parent):
        with pytest.raises(GapruneError):
            convert(pickled, out)


@pytest.fixture(params=["bert", "qwen3"])
def adapted(
    request: pytest.FixtureRequest, tiny_model_folder: Callable[..., Path], tmp_path: Path
) -> tuple[Path, Path, np.ndarray]:
    """A LoRA adapter, its base, and what the two give together."""
    peft = pytest.importorskip("peft")
    base = shutil.copytree(tiny_model_folder(request.param), tmp_path / "base")
    st = SentenceTransformer(str(base), device="cpu", local_files_only=True)
    torch.manual_seed(0)
    names = {"bert": ["query", "dense"], "qwen3": ["q_proj", "down_proj"]}[request.param]
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=names, init_lora_weights=False)
    both = peft.get_peft_model(st[0].auto_model, config)  # type: ignore[union-attr]
    both.peft_config["default"].base_model_name_or_path = str(base)
    both.save_pretrained(tmp_path / "adapter")
    # Decoders are pooled by their last token here, where nothing else is said.
    if request.param == "qwen3":
        st[1] = modules.Pooling(32, pooling_mode="lasttoken")
    st[0].model = both.merge_and_unload()  # type: ignore[assignment]
    return tmp_path / "adapter", base, st.encode(TEXTS, batch_size=1, normalize_embeddings=True)


def test_an_adapter_is_merged_into_its_base(adapted: tuple[Path, Path, np.ndarray]) -> None:
    folder, base, expected = adapted
    model = load(folder)
    np.testing.assert_allclose(model.encode(TEXTS), expected, atol=1e-5)
    assert np.abs(load(base).encode(TEXTS) - expected).max() > 1e-2
    assert any("is an adapter: this is" in note and "merged in" in note for note in model.notes)
    assert model.label == "adapter"
    # The same is found again; another adapter is another model.
    assert load(folder).weight_hash == model.weight_hash
    assert load(folder).source == model.source
    assert parameter_count(ModelSpec(model=str(folder))) > parameter_count(ModelSpec(model=str(base)))


def test_an_adapter_of_a_base_in_half_precision_loses_nothing(adapted: tuple[Path, Path, np.ndarray]) -> None:
    folder, base, _ = adapted
    half = {name: tensor.bfloat16() for name, tensor in load_file(base / "model.safetensors").items()}
    save_file({name: tensor.float() for name, tensor in half.items()}, base / "model.safetensors", {"format": "pt"})
    wide = load(folder).encode(TEXTS)
    save_file(half, base / "model.safetensors", {"format": "pt"})
    change(base / "config.json", dtype="bfloat16")
    np.testing.assert_allclose(load(folder).encode(TEXTS), wide, atol=1e-6)
    assert next(load(folder, dtype="bfloat16").backbone.parameters()).dtype is torch.bfloat16


def test_an_adapter_of_a_model_that_writes_text(tiny_model_folder: Callable[..., Path], tmp_path: Path) -> None:
    """It names the weights one level deeper than the model that embeds does."""
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    base = shutil.copytree(tiny_model_folder("qwen3"), tmp_path / "base")
    torch.manual_seed(0)
    config = peft.LoraConfig(r=4, target_modules=["q_proj", "up_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    both = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    both.peft_config["default"].base_model_name_or_path = str(base)
    both.save_pretrained(tmp_path / "adapter")
    st = SentenceTransformer(str(base), device="cpu", local_files_only=True)
    st[1] = modules.Pooling(32, pooling_mode="lasttoken")
    st[0].model = both.merge_and_unload().model  # type: ignore[assignment]
    expected = st.encode(TEXTS, batch_size=1, normalize_embeddings=True)
    np.testing.assert_allclose(load(tmp_path / "adapter").encode(TEXTS), expected, atol=1e-5)


def test_an_adapter_is_found_beside_its_base(adapted: tuple[Path, Path, np.ndarray]) -> None:
    folder, _, expected = adapted
    change(folder / "adapter_config.json", base_model_name_or_path="/somewhere/else/base")
    np.testing.assert_allclose(load(folder).encode(TEXTS), expected, atol=1e-5)


def test_an_adapter_without_its_base(adapted: tuple[Path, Path, np.ndarray]) -> None:
    folder = adapted[0]
    change(folder / "adapter_config.json", base_model_name_or_path="no-such-org/no-such-model")
    assert "is a PEFT adapter of no-such-org/no-such-model, which is not at hand" in refusal(folder)


def test_an_adapter_of_another_model(adapted: tuple[Path, Path, np.ndarray], tiny_model_folder: Any) -> None:
    folder = adapted[0]
    change(folder / "adapter_config.json", base_model_name_or_path=str(tiny_model_folder("gpt2")))
    assert "adapter" in refusal(folder)


def test_an_adapter_where_peft_is_missing(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (copy / "model.safetensors").rename(copy / "adapter_model.safetensors")
    (copy / "config.json").unlink()
    change(copy / "adapter_config.json", base_model_name_or_path="org/base", peft_type="LORA")
    monkeypatch.setattr("gaprune_viz.models.files.adapters.importlib.util.find_spec", lambda name: None)
    with pytest.raises(GapruneError, match="is a PEFT adapter of org/base, and peft") as raised:
        merged(copy, base_folder)
    assert "pip install 'gaprune-viz[peft]'" in raised.value.hint


def test_a_pickled_adapter(copy: Path) -> None:
    for name in ("model.safetensors", "config.json"):
        (copy / name).unlink()
    (copy / "adapter_model.bin").write_bytes(b"")
    change(copy / "adapter_config.json", base_model_name_or_path="org/base")
    assert "holds no adapter_model.safetensors" in refusal(copy)
