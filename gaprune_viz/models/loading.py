"""Load a model from wherever it lies: safetensors only, no code from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from gaprune_viz.config import ModelSpec, Pooling
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.device_placement import Placement, place, refuse_offloaded
from gaprune_viz.models.encoder import COSINE, EmbeddingModel, transformer_of
from gaprune_viz.models.files.adapters import merged
from gaprune_viz.models.files.checkpoint_kinds import (
    ADAPTER,
    PLAIN,
    Look,
    folder_look,
    kind_of,
    reader_folder,
    refuse_other_weights,
)
from gaprune_viz.models.files.construction import constructing
from gaprune_viz.models.files.special_tokens import keep_promises
from gaprune_viz.models.load_errors import plain_errors, works
from gaprune_viz.models.probing import is_causal, padding_moves
from gaprune_viz.models.prompts import REGISTRY, Prompts, prompts_of, told
from gaprune_viz.models.sources import base_folder, downloaded, locate, weight_hash

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

LONGEST_BY_DEFAULT = 512
# A text needs a token between two special ones.
LEAST_LENGTH = 3

SIMILARITIES = {"dot": "dot product", "euclidean": "Euclidean distance", "manhattan": "Manhattan distance"}
POOLING_MODES = {Pooling.MEAN: "mean", Pooling.CLS: "cls", Pooling.LAST: "lasttoken"}


def load_model(spec: ModelSpec, *, weights: bool = True) -> EmbeddingModel:
    """Load the model that a spec names.

    Args:
        weights: False for an outline: tokenizer, prompts and shapes, the weights on torch's meta device.

    Raises:
        GapruneError: the model is unknown or unreachable, its weights are not safetensors or were altered, it is of
            another kind than dense embeddings, or it needs code that does not come with transformers.
    """
    found = locate(spec)
    source, revision, label, look, notes = found.source, found.revision, found.label, found.look, list[str]()
    kind = kind_of(look, label)
    if kind == ADAPTER:
        source, said = merged(downloaded(found), base_folder)
        revision, look = None, folder_look(source)
        kind = kind_of(look, label)
        notes.append(said)
    if isinstance(source, Path):
        refuse_other_weights(source)
    st = _load_sentence_transformer(source, spec, revision, weights)
    st.eval().requires_grad_(False)
    if not hasattr(transformer_of(st), "auto_model"):
        raise GapruneError(f"modules.json of {label} does not begin with a transformer.", "Save the model again.")
    if len(st.tokenizer) <= len(st.tokenizer.all_special_ids):
        # Where its files are missing, transformers makes one that knows no word.
        raise GapruneError(f"The model {label} has no tokenizer.", "Check that the folder is complete.")
    # On the left, models with absolute positions would count the padding; an export keeps this.
    st.tokenizer.padding_side = "right"
    added = _keep_promises(st, look, label)
    with works(label):
        pooling = _set_pooling(st, spec.pooling, kind != PLAIN or not weights)
    if weights:
        refuse_offloaded(st, label)
    limit = _longest(st)
    prompts = prompts_of(spec, st, found.name)
    model = EmbeddingModel(
        spec=spec,
        label=label,
        source=str(source),
        weight_hash=weight_hash(source, revision) if weights else "",
        st=st,
        pooling=pooling,
        query_prompt=prompts.query,
        passage_prompt=prompts.passage,
        max_length=int(spec.max_length or min(limit, LONGEST_BY_DEFAULT)),
        similarity=st.similarity_fn_name,
        dimension=_kept_dimensions(st),
        prompts_from=prompts.sources,
        tokens_added=added,
    )
    if spec.max_length and spec.max_length > limit:
        raise GapruneError(
            f"max-length {spec.max_length} is more than the {limit} tokens that {label} can take.",
            f"Use {limit} or less.",
        )
    if weights:
        with works(label):
            model.padding_dependent = padding_moves(model)
    model.notes = (*notes, *_said_of(model, prompts))
    return model


def _keep_promises(st: SentenceTransformer, look: Look, label: str) -> str:
    """As `keep_promises`, of the tokenizer in the folder of what reads the texts."""
    folder = reader_folder(look)
    config = look(f"{folder}/tokenizer_config.json" if folder else "tokenizer_config.json")
    return keep_promises(st.tokenizer, config, label) if isinstance(config, dict) else ""


def _kept_dimensions(st: SentenceTransformer) -> int | None:
    """How many components of an embedding are kept, where the model's settings cut it; else None."""
    kept, st.truncate_dim = st.truncate_dim, None
    if kept is not None and (type(kept) is not int or kept < 1):
        raise GapruneError(f"truncate_dim of the model is {str(kept)[:40]!r}.", "Set it to a number of dimensions.")
    whole = st.get_embedding_dimension()
    st.truncate_dim = kept
    return kept if kept and (whole is None or kept < whole) else None


def _said_of(model: EmbeddingModel, prompts: Prompts) -> list[str]:
    """What a person should know of a model before they read its numbers."""
    said = [prompts.note] if prompts.note else []
    if REGISTRY in prompts.sources.values():
        said.append(
            f"{model.label} says nothing of prompts; those of mteb's registry are used: "
            f"{told(prompts.query, prompts.passage, prompts.sources)}."
        )
    if model.tokens_added:
        said.append(
            f"tokenizer_config.json of {model.label} promises other special tokens than tokenizer.json adds; texts are "
            f"read as {model.tokens_added}."
        )
    if model.padding_dependent:
        said.append(f"Padding changes what {model.label} gives for a text, so texts are embedded without any.")
    if model.similarity != COSINE:
        said.append(
            f"{model.label} compares by {SIMILARITIES[model.similarity]}, and rankings do too; calibration compares "
            "by cosine, for which the temperature of its loss is meant."
        )
    return said


def _load_sentence_transformer(
    source: Path | str, spec: ModelSpec, revision: str | None, weights: bool
) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    dtype = getattr(torch, spec.dtype.value)
    where = place(spec.device, source, dtype) if weights else Placement(None, "meta")
    with plain_errors(source), constructing():
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

    layers = [module for module in st.modules() if isinstance(module, PoolingModule)]
    if not layers:
        raise GapruneError("The model has no pooling layer.", "Only models that pool token states are supported.")
    if wanted is Pooling.AUTO and not has_modules:
        # Any four distinct ids will do: only the flow between positions matters.
        wanted = Pooling.LAST if is_causal(st, [5, 6, 7, 8]) else Pooling.MEAN
    if wanted is not Pooling.AUTO:
        for layer in layers:
            layer.pooling_mode = POOLING_MODES[wanted]  # type: ignore[assignment]
            layer.pooling_output_dimension = layer.embedding_dimension
        return wanted
    by_mode = {mode: name for name, mode in POOLING_MODES.items()}
    modes = {layer.pooling_mode for layer in layers}
    return by_mode.get(modes.pop(), Pooling.AUTO) if len(modes) == 1 else Pooling.AUTO  # type: ignore[arg-type]


def _longest(st: SentenceTransformer) -> int:
    """Tokens that a model can take at most."""
    backbone: torch.nn.Module = transformer_of(st).auto_model
    limit = st.max_seq_length or getattr(backbone.config, "max_position_embeddings", None) or LONGEST_BY_DEFAULT
    if not isinstance(limit, int | float) or limit < LEAST_LENGTH:
        raise GapruneError(
            f"The model's files say that it takes {str(limit)[:40]!r} tokens.",
            "Put max_seq_length or model_max_length right.",
        )
    for name, module in backbone.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            # RoBERTa's positions begin after the one of the padding token.
            first = 0 if module.padding_idx is None else module.padding_idx + 1
            limit = min(limit, module.num_embeddings - first)
    return int(limit)
