"""Put a mask on a live model and take it off without a trace; count what is left; export."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gaprune_viz.core.encoder import EmbeddingModel
from gaprune_viz.core.targets import Target

MASK_FILE = "mask.safetensors"
RESULT_FILE = "gaprune.json"


@contextmanager
def masked(model: EmbeddingModel, targets: Sequence[Target], masks: Mapping[str, Tensor]) -> Iterator[None]:
    """Zero the pruned weights for as long as the block runs; afterwards every bit is as before.

    The model's lock is held throughout, so that nobody sees another person's mask.

    Args:
        targets: where the masks belong; a target without a mask stays dense.
        masks: bool [out, in] by target name, True = kept.
    """
    with model.lock:
        saved: list[tuple[Tensor, Tensor, Tensor]] = []
        try:
            for target in targets:
                if target.name in masks:
                    weight = target.weight
                    pruned = ~masks[target.name].to(weight.device)
                    saved.append((weight, pruned, weight[pruned]))
                    weight.masked_fill_(pruned, 0)
            yield
        finally:
            for weight, pruned, values in saved:
                weight[pruned] = values


def census(model: EmbeddingModel, masks: Mapping[str, Tensor]) -> dict[str, float | int]:
    """What a mask removes.

    Returns:
        `scope_weights`, `zeros`, `scope_sparsity`; `model_weights` and `model_sparsity` over all parameters of the
        backbone; `flops_left`: share of the scope's multiply-adds per token that a kernel able to skip zeros would do.
        A plain matrix product skips none: masks alone make a model neither smaller nor faster.
    """
    scope = sum(mask.numel() for mask in masks.values())
    zeros = sum(mask.numel() - int(mask.count_nonzero()) for mask in masks.values())
    everything = sum(p.numel() for p in model.backbone.parameters())
    return {
        "scope_weights": scope,
        "zeros": zeros,
        "scope_sparsity": zeros / scope if scope else 0.0,
        "model_weights": everything,
        "model_sparsity": zeros / everything,
        "flops_left": 1 - zeros / scope if scope else 1.0,
    }


def export(
    folder: Path,
    model: EmbeddingModel,
    targets: Sequence[Target],
    masks: Mapping[str, Tensor],
    document: dict[str, Any],
    card: str,
) -> None:
    """Write a sentence-transformers folder with the mask, the specs and a model card.

    Args:
        folder: an empty folder.
        document: what goes into `gaprune.json`.
        card: the text of `README.md`.
    """
    from safetensors.torch import save_file

    st = model.st
    limit, prompts = st.max_seq_length, dict(st.prompts)
    with masked(model, targets, masks):
        try:
            if model.spec.max_length:
                st.max_seq_length = model.max_length
            if model.spec.query_prompt or model.spec.passage_prompt:
                st.prompts = {**prompts, "query": model.query_prompt, "document": model.passage_prompt}
            st.save_pretrained(str(folder), create_model_card=False, safe_serialization=True)
        finally:
            st.max_seq_length, st.prompts = limit, prompts
    save_file({name: mask.to(torch.bool).contiguous() for name, mask in masks.items()}, folder / MASK_FILE)
    (folder / RESULT_FILE).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card, encoding="utf-8")
