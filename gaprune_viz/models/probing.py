"""What a model does, found by running it on a few tokens: where its states look, and whether padding moves them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel, transformer_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Of an embedding of unit length. Rounding of another batch is far below in float32; in half precision it is not.
FULL_TOLERANCE, HALF_TOLERANCE = 1e-3, 5e-2
SHORT_TOKENS, LONG_TOKENS = 4, 48


@torch.no_grad()
def is_causal(st: SentenceTransformer, ids: Sequence[int]) -> bool:
    """Whether a token's state ignores the tokens after it, found by changing the last one.

    Not to the last bit: a mixture of experts sorts its tokens, and that changes the rounding.
    """
    first = torch.as_tensor([list(ids)])
    other = first.clone()
    other[0, -1] = first[0, 0] if first[0, 0] != first[0, -1] else first[0, 0] + 1
    backbone: nn.Module = transformer_of(st).auto_model
    device = next(backbone.parameters()).device
    states = [
        backbone(input_ids=x.to(device), attention_mask=torch.ones_like(x, device=device)).last_hidden_state
        for x in (first, other)
    ]
    before, after = (state[0, 0].float() for state in states)
    return bool((before - after).abs().max() <= 1e-4 * before.abs().max())


@torch.no_grad()
def padding_moves(model: EmbeddingModel) -> bool:
    """Whether a short text has another embedding beside a long one than alone.

    Some models mix positions without regard to the attention mask (FNet, ConvBERT, Nystromformer), or have a row of
    padding that is not zero (MobileBERT).

    Raises:
        GapruneError: the model answers one text in two ways, so that no gradient of it means anything.
    """
    short, long = _two_texts(model)
    alone = _embedded(model, [short])[0]
    spread = HALF_TOLERANCE if next(model.backbone.parameters()).element_size() < 4 else FULL_TOLERANCE
    if not bool(torch.isfinite(alone).all()):
        # Said with more words where targets are looked for.
        return False
    if float((alone - _embedded(model, [short])[0]).abs().max()) > spread:
        raise GapruneError(
            f"{model.label} embeds one text in another way each time: it draws random numbers.",
            "Choose a model that gives the same embedding every time.",
        )
    return float((alone - _embedded(model, [short, long])[0]).abs().max()) > spread


def _two_texts(model: EmbeddingModel) -> tuple[list[int], list[int]]:
    """Token ids of a short and of a long text, special tokens as the tokenizer sets them."""
    words = model.token_ids(["the water " * LONG_TOKENS], "passage")[0]
    middle = words[len(words) // 2 : len(words) // 2 + 2] or words
    begin, end = words[:1], words[-1:]
    long = words[: min(LONG_TOKENS, model.max_length)]
    return [*begin, *middle, *end][:SHORT_TOKENS], [*long[:-1], *end]


def _embedded(model: EmbeddingModel, ids: Sequence[Sequence[int]]) -> Tensor:
    return model.embed(model.features(ids, "passage")).float().cpu()
