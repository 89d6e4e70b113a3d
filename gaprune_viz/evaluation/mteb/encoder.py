"""What mteb calls when it wants embeddings: our own `EmbeddingModel.encode`, watched and stoppable."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import check_finite

if TYPE_CHECKING:
    import numpy as np
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.models.abs_encoder import AbsEncoder
    from mteb.types import PromptType

    from gaprune_viz.evaluation.mteb.model_versions import Variant
    from gaprune_viz.evaluation.tasks import Progress, Stop


def encoder_for(variant: Variant, *, progress: Progress | None = None, stop: Stop | None = None) -> AbsEncoder:
    """A variant as mteb's encoder.

    Passages get the passage prompt. Queries get the query prompt, and so do the texts of tasks that know no such
    difference (similarity, classification, clustering), as the makers of E5 and of Qwen3-Embedding do it.

    Args:
        progress: called from inside each encoding with (texts done, texts of this encoding).
        stop: asked before each batch.

    Returns:
        an encoder whose `encode` gives float32 [texts, dimension] as the model's own does, and raises GapruneError
        naming the first text whose embedding is not finite, and Cancelled when `stop` says so.
    """
    return _encoder_class()(variant, progress, stop)


def kind_of(prompt_type: PromptType | None) -> str:
    """The kind of text, in our words, of mteb's prompt type."""
    return "passage" if prompt_type is not None and prompt_type.value == "document" else "query"


@cache
def _encoder_class() -> Any:
    """Made on first use, because its base class takes mteb, which takes seconds."""
    from mteb.models import ModelMeta
    from mteb.models.abs_encoder import AbsEncoder
    from mteb.models.model_meta import ScoringFunction

    class LiveEncoder(AbsEncoder):
        def __init__(self, variant: Variant, progress: Progress | None, stop: Stop | None) -> None:
            self.variant, self.progress, self.stop = variant, progress, stop
            self.mteb_model_meta = ModelMeta.create_empty(
                overwrites={
                    "name": f"gaprune-viz/{_slug(variant.model.label)}-{_slug(variant.name)}",
                    "revision": variant.revision,
                    "similarity_fn_name": ScoringFunction(variant.model.similarity),
                }
            )

        def encode(
            self,
            inputs: Iterable[Mapping[str, Any]],
            *,
            task_metadata: TaskMetadata,
            hf_split: str,
            hf_subset: str,
            prompt_type: PromptType | None = None,
            **options: Any,
        ) -> np.ndarray:
            texts = _texts(inputs, task_metadata.name)
            with self.variant.applied():
                vectors = self.variant.model.encode(texts, kind_of(prompt_type), progress=self.progress, stop=self.stop)
            check_finite(vectors, texts)
            return vectors

    return LiveEncoder


def _texts(inputs: Iterable[Mapping[str, Any]], task: str) -> list[str]:
    texts: list[str] = []
    for batch in inputs:
        if "text" not in batch:
            raise GapruneError(f"The task {task} is not of texts.", "Choose a task of texts.")
        texts.extend(batch["text"])
    return texts


def _slug(text: str) -> str:
    """Letters, digits, dots and dashes: what mteb takes as a name."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-") or "model"
