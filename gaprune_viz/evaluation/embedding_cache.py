"""Embeddings kept on disk by content: what was encoded once is not encoded again, in this process or the next."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.tasks import Progress, Stop
from gaprune_viz.storage.workspace import workspace

if TYPE_CHECKING:
    from torch import Tensor

    from gaprune_viz.models.encoder import EmbeddingModel
    from gaprune_viz.models.targets import Target

# 2: vectors of format 1 could be those of the dense model under a mask's name.
FORMAT = 2
CACHE_LIMIT = 2 * 2**30
STALE_SECONDS = 86_400


class EmbeddingCache:
    """Arrays in a folder, one file each, the longest unused deleted first.

    A disk that is full or not ours makes this slower, never wrong: what cannot be kept is computed again.

    Args:
        folder: made when first needed; None keeps nothing.
        largest: bytes that may stay.
    """

    def __init__(self, folder: Path | None, largest: int = CACHE_LIMIT) -> None:
        self.folder, self.largest = folder, largest

    def read(self, key: str, rows: int) -> np.ndarray | None:
        """float32 [rows, d], or None where there is nothing whole under this key."""
        if self.folder is None:
            return None
        place = self.folder / f"{key}.npy"
        try:
            with place.open("rb") as file:
                found = np.load(file, allow_pickle=False)
            place.touch()
        except (OSError, ValueError, EOFError):
            return None
        whole = isinstance(found, np.ndarray) and found.ndim == 2 and len(found) == rows and found.dtype == np.float32
        return found if whole and np.isfinite(found).all() else None

    def write(self, key: str, vectors: np.ndarray) -> None:
        """Keep vectors under a key, so that others see all of them or nothing; then make room."""
        if self.folder is None or vectors.nbytes > self.largest or not np.isfinite(vectors).all():
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".tmp", delete=False) as file:
                np.save(file, vectors, allow_pickle=False)
            Path(file.name).replace(self.folder / f"{key}.npy")
            self._make_room(key)
        except OSError:
            # Nothing is lost: the vectors are in memory.
            return

    def _make_room(self, newest: str) -> None:
        assert self.folder is not None
        for leftover in self.folder.glob("*.tmp"):
            if time.time() - leftover.stat().st_mtime > STALE_SECONDS:
                leftover.unlink(missing_ok=True)
        files = [(file, file.stat()) for file in self.folder.glob("*.npy")]
        files.sort(key=lambda one: (one[0].stem == newest, one[1].st_mtime), reverse=True)
        used = 0
        for file, stat in files:
            used += stat.st_size
            if used > self.largest and file.stem != newest:
                file.unlink(missing_ok=True)


class CachedEncoder:
    """A model, dense or under a mask, that looks on disk before it encodes; it encodes as `EmbeddingModel` does.

    The mask is put on only where something is missing, and is off again afterwards.

    Args:
        model: dense.
        cache: where vectors are kept.
        targets, masks: the mask; masks None for the dense model.
        weights: of a refit under the mask, by target name; None where the kept ones are the model's.
    """

    def __init__(
        self,
        model: EmbeddingModel,
        cache: EmbeddingCache,
        targets: Sequence[Target] = (),
        masks: Mapping[str, Tensor] | None = None,
        weights: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.model, self.cache, self.targets, self.masks, self.weights = model, cache, targets, masks, weights
        self.mask_hash = "" if masks is None else mask_hash(masks)
        self.refit_hash = "" if weights is None else weights_hash(weights)

    @property
    def similarity(self) -> str:
        """By which the model compares."""
        return self.model.similarity

    def key(self, texts: Sequence[str], kind: str) -> str:
        """A hash of all that determines the vectors. The device is no part of it: it changes the time."""
        content = {
            "format": FORMAT,
            "weights": self.model.weight_hash,
            "pooling": str(self.model.pooling),
            "prompt": self.model.prompt(kind),
            "max_length": self.model.max_length,
            "dtype": self.model.spec.dtype.value,
            "mask": self.mask_hash,
            "texts": texts,
            **self.model.determining(),
        }
        if self.refit_hash:
            content["refit"] = self.refit_hash
        text = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def encode(
        self,
        texts: Sequence[str],
        kind: str = "passage",
        *,
        progress: Progress | None = None,
        stop: Stop | None = None,
    ) -> np.ndarray:
        """See `EmbeddingModel.encode`."""
        key = self.key(list(texts), kind)
        found = self.cache.read(key, len(texts))
        if found is not None:
            if progress is not None:
                progress(len(texts), len(texts))
            return found
        with self._as_wanted():
            vectors = self.model.encode(texts, kind, progress=progress, stop=stop)
        self.cache.write(key, vectors)
        return vectors

    def _as_wanted(self):
        # torch comes with it: not wanted by those who only read a task.
        from gaprune_viz.pruning.applying import masked

        if self.masks is None:
            return nullcontext()
        return masked(self.model, self.targets, self.masks, self.weights)


def mask_hash(masks: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, shapes and bits of a mask, whatever the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(masks):
        bits = masks[name].cpu().numpy()
        digest.update(f"{name}:{bits.shape}\n".encode())
        digest.update(np.packbits(bits).tobytes())
    return digest.hexdigest()


def by_its_own_weights(model: EmbeddingModel) -> EmbeddingModel:
    """A model that was made of another one, told from it by the hash of the weights that it has."""
    return replace(model, weight_hash=weights_hash(dict(model.st.named_parameters())))


def weights_hash(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, shapes and bytes of weights, whatever the order of the names."""
    # Not wanted by those who only read a task.
    import torch

    digest = hashlib.sha256()
    for name in sorted(weights):
        weight = weights[name].detach().cpu().contiguous()
        digest.update(f"{name}:{tuple(weight.shape)}:{weight.dtype}\n".encode())
        digest.update(weight.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def embedding_cache() -> EmbeddingCache:
    """Embeddings of evaluations, kept in the workspace; without one, nothing is kept."""
    try:
        return EmbeddingCache(workspace() / "embeddings")
    except GapruneError:
        return EmbeddingCache(None)
