"""What a model is and how it would read texts, before anything is done with it."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from gaprune_viz.config import ModelSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.encoder import EmbeddingModel, transformer_of
from gaprune_viz.models.files.checkpoint_kinds import folder_look, kind_of
from gaprune_viz.models.files.special_tokens import surroundings
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.prompts import NONE, Registered, registered
from gaprune_viz.models.sources import locate


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PromptReport(_Part):
    """What is put before texts. `source` is of each kind `given`, `model`, `mteb` or `none`; `suggestion` is what
    mteb's registry says of the name that a folder's own files give, where the folder says nothing."""

    query: str
    passage: str
    source: dict[str, str]
    suggestion: dict[str, str] | None = None


class TokenReport(_Part):
    """Special tokens around every text; `corrected` where the tokenizer's two files disagreed and it was put right."""

    begin: list[str]
    end: list[str]
    corrected: bool = False


class ModelReport(_Part):
    """What a model is, as `check_model` finds it.

    Attributes:
        kind: of the folder: sentence-transformers, transformers, Router or PEFT adapter.
        architecture: class of the transformer.
        pooling: mode or modes of the pooling in force.
        dimensions: components of an embedding, of which the model gives `whole_dimensions`.
        max_length: tokens after which a text is cut.
        similarity: by which embeddings are compared.
        parameters: of all modules.
        padding_dependent: whether padding would change embeddings, so that texts go in unpadded.
        notes: what a person should be told, one sentence each.
    """

    label: str
    source: str
    kind: str
    architecture: str
    pooling: list[str]
    dimensions: int
    whole_dimensions: int
    max_length: int
    similarity: str
    dtype: str
    parameters: int
    prompts: PromptReport
    special_tokens: TokenReport
    padding_dependent: bool
    notes: list[str]


def check_model(spec: ModelSpec) -> ModelReport:
    """Load a model and tell what it is.

    Raises:
        GapruneError: it could not be used; the line says what it is and what would work.
    """
    found = locate(spec)
    kind = kind_of(found.look, found.label)
    model = load_model(spec)
    dimensions = model.encode(["a text"]).shape[1]
    begin, end = surroundings(model.tokenizer)
    name = model.tokenizer.convert_ids_to_tokens
    notes, suggestion = list(model.notes), suggested(model, found.name)
    if suggestion:
        notes.append(
            f"The files of {model.label} name {suggestion[0]}, which mteb gives prompts: queries "
            f"{suggestion[1].query!r}, passages {suggestion[1].passage!r}. Give them if this is such a model."
        )
    return ModelReport(
        label=model.label,
        source=model.source,
        kind=kind,
        architecture=type(model.backbone).__name__,
        pooling=_pooling(model),
        dimensions=dimensions,
        whole_dimensions=_whole(model) or dimensions,
        max_length=model.max_length,
        similarity=model.similarity,
        dtype=str(next(model.backbone.parameters()).dtype).removeprefix("torch."),
        parameters=sum(p.numel() for p in model.st.parameters()),
        prompts=PromptReport(
            query=model.query_prompt,
            passage=model.passage_prompt,
            source=model.prompts_from,
            suggestion={"name": suggestion[0], "query": suggestion[1].query, "passage": suggestion[1].passage}
            if suggestion
            else None,
        ),
        special_tokens=TokenReport(begin=name(begin), end=name(end), corrected=bool(model.tokens_added)),
        padding_dependent=model.padding_dependent,
        notes=notes,
    )


def suggested(model: EmbeddingModel, name: str | None) -> tuple[str, Registered] | None:
    """What mteb's registry says of the name that a local folder's files give, where the folder says nothing itself.

    Args:
        name: of the model on the Hub, where that is certain: then its prompts are used, not suggested.
    """
    if name is not None or set(model.prompts_from.values()) != {NONE}:
        return None
    for candidate in _names_in(Path(model.source)):
        try:
            known = registered(candidate)
        except GapruneError:
            # A suggestion is no more than that.
            return None
        if known.query or known.passage:
            return candidate, known
    return None


def _names_in(folder: Path) -> list[str]:
    """Names of Hub models that a folder's files give as what it is, or what it was made from."""
    look, found = folder_look(folder), []
    for file, key in (("config.json", "_name_or_path"), ("tokenizer_config.json", "name_or_path")):
        told = look(file)
        if isinstance(told, dict):
            found.append(str(told.get(key, "")))
    card = folder / "README.md"
    if card.is_file():
        lines = card.read_text(encoding="utf-8", errors="replace").splitlines()[:200]
        found += [line.split(":", 1)[1].strip(" '\"") for line in lines if line.startswith("base_model:")]
    export = folder / "gaprune.json"
    if export.is_file():
        with suppress(OSError, ValueError, KeyError, TypeError):
            found.append(str(json.loads(export.read_text(encoding="utf-8"))["run"]["model"]["model"]))
    return list(dict.fromkeys(name for name in found if name.count("/") == 1 and not name.startswith((".", "/"))))


def _pooling(model: EmbeddingModel) -> list[str]:
    from sentence_transformers.sentence_transformer.modules import Pooling

    modes: list[str] = []
    for layer in model.st.modules():
        if isinstance(layer, Pooling):
            modes += [layer.pooling_mode] if isinstance(layer.pooling_mode, str) else list(layer.pooling_mode)
    return list(dict.fromkeys(modes))


def _whole(model: EmbeddingModel) -> int | None:
    """Components of an embedding before it is cut."""
    kept, model.st.truncate_dim = model.st.truncate_dim, None
    try:
        return model.st.get_embedding_dimension() or transformer_of(model.st).get_embedding_dimension()
    finally:
        model.st.truncate_dim = kept
