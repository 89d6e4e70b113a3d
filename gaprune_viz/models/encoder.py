"""EmbeddingModel: tokenize, pool, encode.

The model itself is a `SentenceTransformer`, so that pooling, projection layers and prompts are the model's own
and what is exported loads anywhere. Padding is always on the right: with an attention mask this gives every
model the same numbers as its own padding side, and absolute positions stay right in decoders. A model whose numbers
depend on the padding all the same is given texts of one length at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
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
# What sentence-transformers calls them.
TASKS = {"query": "query", "passage": "document"}
COSINE = "cosine"


class Features(dict[str, Any]):
    """What a transformer takes, and by which way a router sends it there.

    Attributes:
        route: what the router reads and no transformer takes; nothing where there is no router.
    """

    route: Mapping[str, str] = MappingProxyType({})


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
        similarity: by which the model compares: `cosine`, `dot`, `euclidean` or `manhattan`.
        dimension: components of an embedding that are kept, the first ones; None for all.
        padding_dependent: whether padding changes what a text alone gives; such texts are never padded.
        prompts_from: of each kind, who said its prompt (`models/prompts.py`).
        tokens_added: special tokens that its tokenizer's configuration promises and that were put right, for people.
        notes: what a person should be told of it, one sentence each.
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
    similarity: str = COSINE
    dimension: int | None = None
    padding_dependent: bool = False
    prompts_from: dict[str, str] = field(default_factory=dict)
    tokens_added: str = ""
    notes: tuple[str, ...] = ()
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def backbone(self) -> nn.Module:
        """The transformers model; target names are names of its parameters."""
        return transformer_of(self.st).auto_model

    @property
    def tokenizer(self) -> Any:
        return self.st.tokenizer

    def determining(self) -> dict[str, Any]:
        """What decides the numbers beside weights, pooling, prompts and lengths; nothing where all is as usual, so
        that what was kept under a key of before is found under the same key."""
        told = {
            "similarity": None if self.similarity == COSINE else self.similarity,
            "dimension": self.dimension,
            "padding_dependent": self.padding_dependent or None,
            "tokens_added": self.tokens_added or None,
            "reading": None if self._reads_plainly else "own",
        }
        return {name: value for name, value in told.items() if value is not None}

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
        if self._reads_plainly:
            ids = self.tokenizer(
                [prompt + text for text in texts], truncation=True, max_length=self.max_length, padding=False
            )["input_ids"]
        else:
            ids = self._own_ids(texts, prompt, kind)
        # Tokenizers that add no special tokens make nothing of an empty text.
        return [row or [self._pad_id] for row in ids]

    @property
    def _reads_plainly(self) -> bool:
        """Whether a text is its prompt, itself and the special tokens: no chat template, no length of its own kind."""
        reader: Any = transformer_of(self.st)
        own = ("query_length", "document_length", "query_expansion", "processing_kwargs")
        return "message" not in reader.modality_config and not any(getattr(reader, name, None) for name in own)

    def _own_ids(self, texts: Sequence[str], prompt: str, kind: str) -> list[list[int]]:
        """Token ids as the model's own reading makes them, text by text."""
        reader, rows = transformer_of(self.st), []
        with self.lock:
            limit, reader.max_seq_length = reader.max_seq_length, self.max_length
            try:
                for text in texts:
                    read = reader.preprocess([text], prompt=prompt or None, task=TASKS[kind])
                    rows.append(read["input_ids"][0][read["attention_mask"][0].bool()].tolist())
            finally:
                reader.max_seq_length = limit
        return rows

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
        features = Features({"input_ids": input_ids.to(self.device), "attention_mask": mask.to(self.device)})
        if is_router(self.st[0]):
            features.route = {"task": TASKS[kind], "modality": "text"}
        prompt = self.prompt(kind)
        if prompt and self._reads_plainly:
            features["prompt_length"] = self._prompt_length(prompt)
        return features

    def embed(self, features: dict[str, Any]) -> Tensor:
        """Unit-length embeddings, float32 [texts, dimension], differentiable where gradients are enabled."""
        return F.normalize(self._raw(features), dim=-1)

    def _raw(self, features: dict[str, Any]) -> Tensor:
        """Embeddings as the model gives them, float32 [texts, dimension]."""
        route = features.route if isinstance(features, Features) else {}
        return self.st({**features, **route})["sentence_embedding"][..., : self.dimension].float()

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
            float32 [texts, dimension] in the order of `texts`: unit rows where the model compares by cosine, else as
            the model gives them.

        Raises:
            Cancelled: when `stop` says so.
        """
        if not texts:
            return np.zeros((0, int(self.st.get_embedding_dimension() or 0)), dtype=np.float32)
        ids = self.token_ids(texts, kind)
        read = self.embed if self.similarity == COSINE else self._raw
        out: np.ndarray | None = None
        done = 0
        for batch in token_batches([len(row) for row in ids], ENCODE_TOKENS, padded=not self.padding_dependent):
            if stop is not None and stop():
                raise Cancelled
            with self.lock:
                vectors = read(self.features([ids[i] for i in batch], kind)).cpu().numpy()
            if out is None:
                out = np.empty((len(texts), vectors.shape[1]), dtype=np.float32)
            out[batch] = vectors
            done += len(batch)
            if progress is not None:
                progress(done, len(texts))
        assert out is not None
        return out

    def directions(self, texts: Sequence[str], kind: str = "passage") -> np.ndarray:
        """Embeddings of unit length whatever the model compares by, float32 [texts, dimension]: what mining and
        sampling take."""
        vectors = self.encode(texts, kind)
        return vectors if self.similarity == COSINE else unit_rows(vectors)

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


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Rows of unit length, [n, d]; a row of zeros stays."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norms > 0, norms, 1)


def is_router(module: nn.Module) -> bool:
    """Whether a module sends queries and documents through modules of their own."""
    from sentence_transformers.base.modules import Router

    return isinstance(module, Router)


def transformer_of(st: SentenceTransformer) -> Any:
    """The module that holds the transformer: the first one, or what the routes of a router begin with."""
    first = st[0]
    return next(iter(first.sub_modules.values()))[0] if is_router(first) else first  # type: ignore[union-attr]


def token_batches(lengths: Sequence[int], budget: int, *, padded: bool = True) -> Iterator[list[int]]:
    """Group texts of like length so that padded size stays within a token budget.

    Args:
        lengths: tokens of each text.
        budget: largest number of padded tokens of a batch. A longer text is a batch of its own.
        padded: False for batches of one length each.

    Yields:
        indices into `lengths`, longest texts first, so that the first batch shows whether memory suffices.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    batch: list[int] = []
    for i in order:
        full = batch and (len(batch) + 1) * lengths[batch[0]] > budget
        if full or (batch and not padded and lengths[i] != lengths[batch[0]]):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


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
