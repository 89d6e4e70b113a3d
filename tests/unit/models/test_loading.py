"""What can be wrong with a model gives one clear error, quickly."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer

from gaprune_viz.config import DEFAULT_MODEL, ModelSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import transformer_of
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.sources import (
    DEFAULT_PACKAGE,
    DEFAULT_SHA256,
    check_sha256,
    default_model_folder,
    resolve_source,
    weight_hash,
)
from gaprune_viz.models.targets import inventory


def load_error(model: object, **fields: object) -> GapruneError:
    """The error that loading gives; its message is one line and its hint says what to do."""
    with pytest.raises(GapruneError) as raised:
        load_model(ModelSpec.parse({"model": str(model), "device": "cpu", **fields}))
    error = raised.value
    assert "\n" not in str(error)
    assert len(error.message) < 400
    assert error.hint
    return error


@pytest.mark.parametrize("name", ["./no/such/folder", "/no/such/folder", "~/no-such-folder", "a/b/c", "what is this?"])
def test_an_unknown_folder(name: str) -> None:
    assert f"There is no model folder {name}." in load_error(name).message


def test_a_file_instead_of_a_folder(tiny_bert: Path) -> None:
    assert "There is no model folder" in load_error(tiny_bert / "model.safetensors").message


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    assert "config.json is missing" in load_error(tmp_path).message


@pytest.mark.parametrize("name", ["no-such-org/no-such-model", "no-such-model"])
def test_an_unknown_hub_id_without_a_network(name: str) -> None:
    began = time.monotonic()
    error = load_error(name)
    assert time.monotonic() - began < 10
    assert f"There is no folder {name!r} here" in error.message
    assert "cannot be reached" in error.message


def test_a_hub_that_refuses_connections_is_given_up_quickly(tmp_path: Path) -> None:
    script = (
        "from gaprune_viz.models.sources import hub_revision\n"
        "from gaprune_viz.errors import GapruneError\n"
        "try:\n    hub_revision('no-such-org/no-such-model', None)\n"
        "except GapruneError as error:\n    print(error.message)\n"
    )
    # Port 9 of this machine: nobody listens, and no packet leaves.
    environment = {**os.environ, "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert "cannot be reached" in done.stdout


def test_pickled_weights_are_refused(copy: Path) -> None:
    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    error = load_error(copy)
    assert "holds no safetensors weights" in error.message
    assert "Pickled weights are refused" in error.hint


def test_pickled_weights_are_refused_beside_other_safetensors(copy: Path) -> None:
    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "2_Dense").mkdir()
    (copy / "model.safetensors").rename(copy / "2_Dense" / "model.safetensors")
    assert "cannot be loaded" in load_error(copy).message


@pytest.mark.minilm
def test_altered_default_weights_are_refused(tmp_path: Path) -> None:
    published = default_model_folder() / "model.safetensors"
    check_sha256(published, DEFAULT_SHA256)
    altered = tmp_path / "model.safetensors"
    shutil.copyfile(published, altered)
    with altered.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(GapruneError, match="are not the published ones") as raised:
        check_sha256(altered, DEFAULT_SHA256)
    assert "Reinstall" in raised.value.hint
    with pytest.raises(GapruneError, match="SHA-256 nothing"):
        check_sha256(tmp_path / "missing.safetensors", DEFAULT_SHA256)


def test_a_default_model_with_other_weights_is_never_loaded(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package of the right name that is found first: its weights are whole, but not the published ones."""
    package = tmp_path / DEFAULT_PACKAGE
    shutil.copytree(tiny_bert, package / "model")
    (package / "__init__.py").write_text("")
    monkeypatch.delitem(sys.modules, DEFAULT_PACKAGE, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(GapruneError, match="are not the published ones"):
        load_model(ModelSpec())


def test_the_default_model_is_named_for_people() -> None:
    source, label = resolve_source(DEFAULT_MODEL)
    assert Path(source).is_dir()
    assert label == "all-MiniLM-L6-v2"


@pytest.mark.parametrize(
    "kind", ["custom_st.Transformer", "sentence_transformers.models.CLIPModel", "os.system", "sentence_transformers"]
)
def test_modules_from_elsewhere_are_refused(kind: str, copy: Path) -> None:
    modules = [{"idx": 0, "name": "0", "path": "", "type": kind}]
    (copy / "modules.json").write_text(json.dumps(modules))
    error = load_error(copy)
    assert f"needs the module {kind!r}" in error.message
    assert "never run" in error.hint


def test_code_of_a_model_repository_is_not_run(copy: Path) -> None:
    (copy / "evil.py").write_text("raise SystemExit('this code ran')\n")
    path = copy / "config.json"
    config = json.loads(path.read_text())
    config["auto_map"] = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}
    config["model_type"] = "of_another_world"
    path.write_text(json.dumps(config))
    assert "code of a model is never run" in load_error(copy).message


@pytest.mark.parametrize("text", ["{", "[{}]", "7", "[7]"])
def test_a_broken_list_of_modules(text: str, copy: Path) -> None:
    (copy / "modules.json").write_text(text)
    assert "modules.json" in load_error(copy).message


@pytest.mark.parametrize("left", [0, 4, 2_000])
def test_truncated_weights(left: int, copy: Path) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:left])
    assert "cannot be loaded" in load_error(copy).message


@pytest.mark.parametrize("text", ["{", "[]", '{"model_type": "bert", "hidden_size": "wide"}'])
def test_a_broken_config(text: str, copy: Path) -> None:
    (copy / "config.json").write_text(text)
    assert "cannot be loaded" in load_error(copy).message


def test_weights_of_another_shape(copy: Path) -> None:
    path = copy / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "intermediate_size": 64}))
    assert "cannot be loaded: its weights have other shapes" in load_error(copy).message


def test_a_missing_tokenizer(copy: Path) -> None:
    for path in copy.glob("token*"):
        path.unlink()
    assert "has no tokenizer" in load_error(copy).message


def test_a_device_that_is_not_there(tiny_bert: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    assert "device cuda is not available" in load_error(tiny_bert, device="cuda").message


def test_the_hash_follows_the_weights_not_the_place(tiny_model_folder: Callable[..., Path], copy: Path) -> None:
    original = weight_hash(tiny_model_folder("bert"), None)
    assert weight_hash(copy, None) == original
    save_file({"mask": torch.ones(2, dtype=torch.bool)}, copy / "mask.safetensors")
    (copy / "README.md").write_text("changed")
    assert weight_hash(copy, None) == original
    weights = load_file(copy / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][0, 0] += 1
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert weight_hash(copy, None) != original
    assert weight_hash("org/name", "a" * 40) != weight_hash("org/name", "b" * 40)


def test_a_dense_layer_after_pooling_is_the_models_own(tiny_bert: Path, tmp_path: Path) -> None:
    from sentence_transformers.base.modules import Dense

    st = SentenceTransformer(str(tiny_bert), device="cpu", local_files_only=True)
    st.append(Dense(32, 8))
    st.save_pretrained(str(tmp_path))
    model = load_model(ModelSpec(model=str(tmp_path), device="cpu"))
    found = model.encode(["water", "salt and a bond"])
    assert found.shape == (2, 8)
    expected = st.encode(["water", "salt and a bond"], normalize_embeddings=True)
    assert abs(found - expected).max() < 1e-6


def test_weights_that_the_files_lack_are_refused(tiny_bert: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_bert, tmp_path / "halved")
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "layer.1.output.dense.weight" not in name}
    assert len(kept) == len(weights) - 1
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(GapruneError, match=r"lack 1 weights, for example encoder\.layer\.1\.output\.dense\.weight"):
        inventory(load_model(ModelSpec(model=str(folder))))


def test_models_with_tied_weights_load_beside_others(tiny_model_folder: Callable[..., Path]) -> None:
    """transformers takes the tying out of its classes, for all threads, while one of them makes a model."""
    specs = [ModelSpec(model=str(tiny_model_folder(family)), device="cpu") for family in ("t5", "bert", "t5")]
    with ThreadPoolExecutor(len(specs)) as threads:
        models = list(threads.map(load_model, specs * 4))
    tied = [transformer_of(model.st).auto_model for model in models if "t5" in model.label]
    assert len(tied) == 8
    assert all(model.shared.weight is model.encoder.embed_tokens.weight for model in tied)
    assert load_model(specs[0]).padding_dependent is False
