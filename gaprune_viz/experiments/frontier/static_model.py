"""A static model of the same vocabulary: each token's vector is what the model makes of it alone.

As model2vec does it (https://github.com/MinishLab/model2vec): the vectors are reduced by principal components and
weighted by how rare a token is, by Zipf's law from its place in the vocabulary. A text is the mean of its tokens.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel

COMPONENTS = 256
SIF = 1e-4
BATCH = 1_024


def save_static(model: EmbeddingModel, folder: Path) -> None:
    """Write the static model of a model as a sentence-transformers folder.

    Raises:
        GapruneError: its tokenizer is not one of the fast ones, whose file a static model is made with.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise GapruneError(
            f"{model.label} has no fast tokenizer, which a static model needs.", "Leave that row out: there is none."
        )
    # Its own copy: a static model switches padding off.
    tokenizer = Tokenizer.from_str(backend.to_str())
    vectors = torch.from_numpy(static_vectors(model, tokenizer.get_vocab_size()))
    st = SentenceTransformer(modules=[StaticEmbedding(tokenizer, vectors)], device="cpu")
    st.save_pretrained(str(folder), create_model_card=False, safe_serialization=True)


@torch.no_grad()
def static_vectors(model: EmbeddingModel, tokens: int) -> np.ndarray:
    """The vector of every token, float32 [tokens, at most COMPONENTS]; those of special tokens are zero."""
    before, after = _around(model)
    ids = [[*before, token, *after] for token in range(tokens)]
    parts = []
    for start in range(0, tokens, BATCH):
        with model.lock:
            parts.append(model.embed(model.features(ids[start : start + BATCH], "passage")).cpu())
    vectors = torch.cat(parts)
    vectors -= vectors.mean(dim=0)
    kept = min(COMPONENTS, *vectors.shape)
    # Signs of components are free; the largest entry is made positive, so that every machine gives the same.
    _, directions = torch.linalg.eigh((vectors.T @ vectors).double())
    directions = directions[:, -kept:].flip(1)
    largest = directions.abs().argmax(dim=0)
    directions = directions * directions[largest, torch.arange(kept)].sign()
    rare = 1 / torch.arange(2, tokens + 2, dtype=torch.float64)
    weights = SIF / (SIF + rare / rare.sum())
    found = (vectors.double() @ directions) * weights[:, None]
    found[[i for i in model.tokenizer.all_special_ids if i < tokens]] = 0
    return found.float().numpy()


def _around(model: EmbeddingModel) -> tuple[list[int], list[int]]:
    """The special tokens that stand before and after a text."""
    empty, one = (model.tokenizer(text)["input_ids"] for text in ("", "a"))
    same = next((i for i, (a, b) in enumerate(zip(empty, one, strict=False)) if a != b), min(len(empty), len(one)))
    return list(empty[:same]), list(empty[same:])
