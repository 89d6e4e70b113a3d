"""Load a model from wherever it lies: safetensors only, no code from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from gaprune_viz.config import ModelSpec, Pooling
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel, is_causal
from gaprune_viz.models.load_errors import plain_errors
from gaprune_viz.models.placement import Placement, place, refuse_offloaded
from gaprune_viz.models.sources import hub_revision, resolve_source, weight_hash
from gaprune_viz.storage.json_files import stored_json

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

LONGEST_BY_DEFAULT = 512

TRUSTED_MODULES = frozenset({"Transformer", "Pooling", "Normalize", "Dense", "LayerNorm", "Dropout"})
POOLING_MODES = {Pooling.MEAN: "mean", Pooling.CLS: "cls", Pooling.LAST: "lasttoken"}


def load_model(spec: ModelSpec, *, weights: bool = True) -> EmbeddingModel:
    """Load the model that a spec names.

    Args:
        weights: False for an outline: tokenizer, prompts and shapes, the weights on torch's meta device.

    Raises:
        GapruneError: the model is unknown or unreachable, its weights are not safetensors or were altered, or it
            needs code that does not come with transformers.
    """
    source, label = resolve_source(spec.model)
    revision = spec.revision if isinstance(source, Path) else hub_revision(source, spec.revision)
    has_modules = _check_modules(source, revision)
    st = _load_sentence_transformer(source, spec, revision, weights)
    st.eval().requires_grad_(False)
    if len(st.tokenizer) <= len(st.tokenizer.all_special_ids):
        # Where its files are missing, transformers makes one that knows no word.
        raise GapruneError(f"The model {label} has no tokenizer.", "Check that the folder is complete.")
    # On the left, models with absolute positions would count the padding; an export keeps this.
    st.tokenizer.padding_side = "right"
    pooling = _set_pooling(st, spec.pooling, has_modules or not weights)
    if weights:
        refuse_offloaded(st, label)
    limit = _longest(st)
    prompts = dict(st.prompts or {})
    model = EmbeddingModel(
        spec=spec,
        label=label,
        source=str(source),
        weight_hash=weight_hash(source, revision) if weights else "",
        st=st,
        pooling=pooling,
        query_prompt=_first_set(spec.query_prompt, prompts.get("query"), _default_prompt(st)),
        passage_prompt=_first_set(
            spec.passage_prompt, prompts.get("passage"), prompts.get("document"), _default_prompt(st)
        ),
        max_length=int(spec.max_length or min(limit, LONGEST_BY_DEFAULT)),
    )
    if spec.max_length and spec.max_length > limit:
        raise GapruneError(
            f"max-length {spec.max_length} is more than the {limit} tokens that {label} can take.",
            f"Use {limit} or less.",
        )
    return model


def _check_modules(source: Path | str, revision: str | None) -> bool:
    """Whether there is a sentence-transformers configuration; refuse one that would run code from elsewhere."""
    if isinstance(source, Path):
        path = source / "modules.json"
        if not any(source.rglob("*.safetensors")):
            raise GapruneError(
                f"The folder {source.name} holds no safetensors weights.",
                "Pickled weights are refused. Save the model again with `safe_serialization=True`.",
            )
    else:
        from sentence_transformers.util import load_file_path

        with plain_errors(source):
            found = load_file_path(source, "modules.json", revision=revision)
        path = Path(found) if found else Path("modules.json.missing")
    if not path.is_file():
        return False
    try:
        modules = stored_json(path)
        kinds = [str(module["type"]) for module in modules]
    except (ValueError, KeyError, TypeError) as error:
        raise GapruneError(f"modules.json of {source} cannot be read.", "Save the model again.") from error
    for kind in kinds:
        if not kind.startswith("sentence_transformers.") or kind.rsplit(".", 1)[-1] not in TRUSTED_MODULES:
            raise GapruneError(
                f"The model needs the module {kind!r}, which is not among the supported ones.",
                f"Supported are: {', '.join(sorted(TRUSTED_MODULES))}. Code from a model repository is never run.",
            )
    return True


def _load_sentence_transformer(
    source: Path | str, spec: ModelSpec, revision: str | None, weights: bool
) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    dtype = getattr(torch, spec.dtype.value)
    where = place(spec.device, source, dtype) if weights else Placement(None, "meta")
    with plain_errors(source):
        return SentenceTransformer(
            str(source),
            device=where.device,
            revision=revision,
            trust_remote_code=False,
            local_files_only=isinstance(source, Path),
            model_kwargs={"use_safetensors": True, "dtype": dtype, **where.model_kwargs},
        )


def _set_pooling(st: SentenceTransformer, wanted: Pooling, has_modules: bool) -> Pooling:
    """Keep the model's own pooling where it has one; else last token for decoders, mean for encoders."""
    from sentence_transformers.sentence_transformer.modules import Pooling as PoolingModule

    layer = next((module for module in st if isinstance(module, PoolingModule)), None)
    if layer is None:
        raise GapruneError("The model has no pooling layer.", "Only models that pool token states are supported.")
    if wanted is Pooling.AUTO and not has_modules:
        # Any four distinct ids will do: only the flow between positions matters.
        wanted = Pooling.LAST if is_causal(st, [5, 6, 7, 8]) else Pooling.MEAN
    if wanted is not Pooling.AUTO:
        layer.pooling_mode = POOLING_MODES[wanted]  # type: ignore[assignment]
        return wanted
    by_mode = {mode: name for name, mode in POOLING_MODES.items()}
    mode = layer.pooling_mode if isinstance(layer.pooling_mode, str) else ""
    return by_mode.get(mode, Pooling.AUTO)


def _longest(st: SentenceTransformer) -> int:
    """Tokens that a model can take at most."""
    backbone: torch.nn.Module = st[0].auto_model  # type: ignore[union-attr, assignment]
    limit = st.max_seq_length or getattr(backbone.config, "max_position_embeddings", None) or LONGEST_BY_DEFAULT
    for name, module in backbone.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            # RoBERTa's positions begin after the one of the padding token.
            first = 0 if module.padding_idx is None else module.padding_idx + 1
            limit = min(limit, module.num_embeddings - first)
    return int(limit)


def _default_prompt(st: SentenceTransformer) -> str | None:
    return (st.prompts or {}).get(st.default_prompt_name) if st.default_prompt_name else None


def _first_set(*values: str | None) -> str:
    """The first prompt that is not empty; none is the empty string."""
    return next((value for value in values if value), "")
