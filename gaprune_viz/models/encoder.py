"""EmbeddingModel: tokenize, pool, encode.

The model itself is a `SentenceTransformer`, so that pooling, projection layers and prompts are the model's own
and what is exported loads anywhere. Padding is always on the right: with an attention mask this gives every
model the same numbers as its own padding side, and absolute positions stay right in decoders.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gaprune_viz.config import ModelSpec, Pooling
from gaprune_viz.errors import Cancelled, GapruneError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

ENCODE_TOKENS = 4_096
KINDS = ("query", "passage")


@dataclass(eq=False)
class EmbeddingModel:
    """A text-embedding model with frozen weights, in eval mode.

    Attributes:
        spec: what was asked for.
        label: short name for people.
        source: folder or Hub id that was loaded.
        weight_hash: SHA-256 that identifies the weights (of the files, or of the Hub revision).
        st: the sentence-transformers model; `st[0]` holds the backbone.
        pooling: the pooling in force.
        max_length: longest text in tokens; longer ones are cut.
        lock: held while the weights are masked or gradients flow.
    """

    spec: ModelSpec
    label: str
    source: str
    weight_hash: str
    st: SentenceTransformer
    pooling: Pooling
    query_prompt: str
    passage_prompt: str
    max_length: int
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def backbone(self) -> nn.Module:
        """The transformers model; target names are names of its parameters."""
        return self.st[0].auto_model  # type: ignore[union-attr, return-value]

    @property
    def tokenizer(self) -> Any:
        return self.st.tokenizer

    @property
    def device(self) -> torch.device:
        return next(self.backbone.parameters()).device

    def prompt(self, kind: str) -> str:
        """The text put before every text of a kind: `query` or `passage`."""
        if kind not in KINDS:
            raise ValueError(f"kind is one of {KINDS}, not {kind!r}")
        return self.query_prompt if kind == "query" else self.passage_prompt

    def token_ids(self, texts: Sequence[str], kind: str) -> list[list[int]]:
        """Token ids of each text, with its prompt, cut at `max_length`."""
        prompt = self.prompt(kind)
        ids = self.tokenizer(
            [prompt + text for text in texts], truncation=True, max_length=self.max_length, padding=False
        )["input_ids"]
        # Tokenizers that add no special tokens make nothing of an empty text.
        return [row or [self._pad_id] for row in ids]

    def features(self, ids: Sequence[Sequence[int]], kind: str) -> dict[str, Any]:
        """Pad token ids into what the model takes.

        Returns:
            `input_ids` and `attention_mask`, int64 [texts, longest], on the model's device.
        """
        longest = max(len(row) for row in ids)
        input_ids = torch.full((len(ids), longest), self._pad_id, dtype=torch.long)
        mask = torch.zeros_like(input_ids)
        for i, row in enumerate(ids):
            input_ids[i, : len(row)] = torch.as_tensor(row)
            mask[i, : len(row)] = 1
        features: dict[str, Any] = {"input_ids": input_ids.to(self.device), "attention_mask": mask.to(self.device)}
        prompt = self.prompt(kind)
        if prompt:
            features["prompt_length"] = self._prompt_length(prompt)
        return features

    def embed(self, features: dict[str, Any]) -> Tensor:
        """Unit-length embeddings, float32 [texts, dimension], differentiable where gradients are enabled."""
        return F.normalize(self.st(dict(features))["sentence_embedding"].float(), dim=-1)

    @torch.no_grad()
    def encode(
        self,
        texts: Sequence[str],
        kind: str = "passage",
        *,
        progress: Callable[[int, int], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> np.ndarray:
        """Embed texts in length-sorted batches.

        Args:
            texts: any number of texts.
            kind: `query` or `passage`; decides the prompt.
            progress: called with (texts done, texts in all) after each batch.
            stop: asked before each batch.

        Returns:
            float32 [texts, dimension], unit rows, in the order of `texts`.

        Raises:
            Cancelled: when `stop` says so.
        """
        if not texts:
            return np.zeros((0, int(self.st.get_embedding_dimension() or 0)), dtype=np.float32)
        ids = self.token_ids(texts, kind)
        out: np.ndarray | None = None
        done = 0
        for batch in token_batches([len(row) for row in ids], ENCODE_TOKENS):
            if stop is not None and stop():
                raise Cancelled
            with self.lock:
                vectors = self.embed(self.features([ids[i] for i in batch], kind)).cpu().numpy()
            if out is None:
                out = np.empty((len(texts), vectors.shape[1]), dtype=np.float32)
            out[batch] = vectors
            done += len(batch)
            if progress is not None:
                progress(done, len(texts))
        assert out is not None
        return out

    @property
    def _pad_id(self) -> int:
        tokenizer = self.tokenizer
        for candidate in (tokenizer.pad_token_id, tokenizer.eos_token_id):
            if candidate is not None:
                return int(candidate)
        return 0

    def _prompt_length(self, prompt: str) -> int:
        """Tokens of the prompt, less a closing special token: what a pooling without prompts leaves out."""
        ids = self.tokenizer(prompt)["input_ids"]
        return len(ids) - (1 if ids and ids[-1] in self.tokenizer.all_special_ids else 0)


def token_batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Group texts of like length so that padded size stays within a token budget.

    Args:
        lengths: tokens of each text.
        budget: largest number of padded tokens of a batch. A longer text is a batch of its own.

    Yields:
        indices into `lengths`, longest texts first, so that the first batch shows whether memory suffices.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    batch: list[int] = []
    for i in order:
        if batch and (len(batch) + 1) * lengths[batch[0]] > budget:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


@torch.no_grad()
def is_causal(st: SentenceTransformer, ids: Sequence[int]) -> bool:
    """Whether a token's state ignores the tokens after it, found by changing the last one.

    Not to the last bit: a mixture of experts sorts its tokens, and that changes the rounding.
    """
    first = torch.as_tensor([list(ids)])
    other = first.clone()
    other[0, -1] = first[0, 0] if first[0, 0] != first[0, -1] else first[0, 0] + 1
    backbone: nn.Module = st[0].auto_model  # type: ignore[assignment]
    device = next(backbone.parameters()).device
    states = [
        backbone(input_ids=x.to(device), attention_mask=torch.ones_like(x, device=device)).last_hidden_state
        for x in (first, other)
    ]
    before, after = (state[0, 0].float() for state in states)
    return bool((before - after).abs().max() <= 1e-4 * before.abs().max())


def check_finite(vectors: np.ndarray, texts: Sequence[str]) -> None:
    """Refuse embeddings that are not numbers.

    Raises:
        GapruneError: naming the first text whose embedding is not finite.
    """
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if bad.size:
        raise GapruneError(
            f"The embedding of {texts[bad[0]][:60]!r} is not finite ({bad.size} of {len(texts)} texts).",
            "Use float32 or a lower sparsity.",
        )
