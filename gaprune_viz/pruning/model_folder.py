"""A pruned model as a folder of sentence-transformers' own files, with the settings and a model card beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.prompts import folder_prompts

MASK_FILE = "mask.safetensors"
RESULT_FILE = "gaprune.json"


def save_model(folder: Path, model: EmbeddingModel) -> None:
    """Write a model as it is now, with the length and the prompts that it was measured with."""
    st = model.st
    limit, prompts = st.max_seq_length, dict(st.prompts)
    try:
        if model.spec.max_length:
            st.max_seq_length = model.max_length
        if folder_prompts(st) != (model.query_prompt, model.passage_prompt):
            st.prompts = {**prompts, "query": model.query_prompt, "document": model.passage_prompt}
        st.save_pretrained(str(folder), create_model_card=False, safe_serialization=True)
    finally:
        st.max_seq_length, st.prompts = limit, prompts


def write_words(folder: Path, document: dict[str, Any], card: str) -> None:
    """Write what was done: `gaprune.json`, and the text of `README.md`."""
    (folder / RESULT_FILE).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card, encoding="utf-8")


def weight_bytes(folder: Path) -> int:
    """Size of a model's weight files; the mask is not counted."""
    return sum(f.stat().st_size for f in folder.rglob("*.safetensors") if f.name != MASK_FILE)
