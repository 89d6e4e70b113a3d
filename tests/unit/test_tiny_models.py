"""The random models that other tests are made with are what they say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoTokenizer, T5EncoderModel

from tests.tiny_models import CAUSAL, FAMILIES, HIDDEN, PaddingSide, build, texts


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A family's name and its folder."""
    return request.param, build(tmp_path_factory.mktemp(request.param), request.param)


def load(folder: Path, family: str) -> torch.nn.Module:
    """The backbone as transformers loads it; every weight must come from the file."""
    loader = T5EncoderModel if family == "t5" else AutoModel
    backbone, report = loader.from_pretrained(folder, output_loading_info=True, use_safetensors=True)
    assert not report["missing_keys"], report
    assert not report["unexpected_keys"], report
    return backbone.eval()


def test_a_padded_batch_gives_the_states_of_single_texts(model: tuple[str, Path]) -> None:
    family, folder = model
    backbone, tokenizer = load(folder, family), AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(list(texts()), padding=True, return_tensors="pt")
    assert (batch["attention_mask"] == 0).any()
    if family == "gpt2":
        # The only family here that counts absolute positions from the first token, padding or not.
        batch["position_ids"] = (batch["attention_mask"].cumsum(1) - 1).clamp(min=0)
    with torch.inference_mode():
        states = backbone(**batch).last_hidden_state
        for row, text in enumerate(texts()):
            alone = backbone(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
            torch.testing.assert_close(states[row][batch["attention_mask"][row].bool()], alone, rtol=1e-4, atol=1e-4)
    assert states.shape[-1] == HIDDEN


def test_attention_has_the_direction_of_its_family(model: tuple[str, Path]) -> None:
    family, folder = model
    backbone = load(folder, family)
    ids = torch.arange(20, 28)[None]
    changed = ids.clone()
    changed[0, -1] = 40
    with torch.inference_mode():
        first, second = (backbone(input_ids=x).last_hidden_state[0, 0] for x in (ids, changed))
    assert torch.allclose(first, second, atol=1e-6) == (family in CAUSAL)


def test_texts_are_known_and_their_embeddings_differ(model: tuple[str, Path]) -> None:
    _, folder = model
    st = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    ids = st.tokenizer("Bonds & café: 3.5 % (yield)")["input_ids"]
    assert st.tokenizer.unk_token_id not in ids
    assert len(st.tokenizer) <= 500
    vectors = st.encode(list(texts()), normalize_embeddings=True)
    assert vectors.shape == (len(texts()), HIDDEN)
    similarity = vectors @ vectors.T - np.eye(len(texts()))
    assert np.isfinite(vectors).all()
    assert similarity.max() < 0.99


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_padding_side_is_kept(tmp_path: Path, side: PaddingSide) -> None:
    folder = build(tmp_path, "qwen3", padding_side=side)
    assert AutoTokenizer.from_pretrained(folder).padding_side == side
    assert json.loads((folder / "config.json").read_text())["model_type"] == "qwen3"


def test_a_seed_decides_the_weights(tmp_path: Path) -> None:
    files = [
        build(tmp_path / name, "bert", seed=seed) / "model.safetensors"
        for name, seed in zip("abc", (1, 1, 2), strict=True)
    ]
    first, again, other = (file.read_bytes() for file in files)
    assert first == again
    assert first != other
