"""A PEFT adapter merged into the model it was trained on: from then on a model like any other.

The merged model lies in the workspace, under a hash of both, and is made again where it is missing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gaprune_viz.errors import GapruneError
from gaprune_viz.models.files.construction import constructing
from gaprune_viz.models.files.hub_cache import entry_name
from gaprune_viz.models.load_errors import plain_errors
from gaprune_viz.storage.workspace import whole_folder, workspace

MARKER = "gaprune-merged.json"
EXTRA = "pip install 'gaprune-viz[peft]'"
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "vocab.json")
_TOKENIZER += ("merges.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "added_tokens.json")
_READING = ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json")


def base_name(folder: Path) -> str:
    """The name of the model that an adapter was trained on.

    Raises:
        GapruneError: it does not say.
    """
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        return str(config["base_model_name_or_path"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GapruneError(
            f"adapter_config.json of {folder.name} names no base model.", "Save the adapter again with peft."
        ) from error


def merged(folder: Path, find_base: Callable[[str, Path], Path]) -> tuple[Path, str]:
    """The folder of the model that an adapter and its base make together, and a sentence that says so.

    Args:
        folder: with adapter_config.json and adapter_model.safetensors.
        find_base: gives the folder of the base model, by its name and the adapter's folder.

    Raises:
        GapruneError: `peft` is not installed, the base is not at hand, or the adapter does not fit it.
    """
    name, label = base_name(folder), entry_name(folder) or folder.name
    if not (folder / "adapter_model.safetensors").is_file():
        raise GapruneError(
            f"The adapter {label} holds no adapter_model.safetensors.",
            "Pickled weights are refused. Save it again with `safe_serialization=True`.",
        )
    if importlib.util.find_spec("peft") is None:
        raise GapruneError(
            f"{label} is a PEFT adapter of {name}, and peft, which merges them, is not installed.",
            f"Run `{EXTRA}`, or give the folder of the merged model.",
        )
    base = find_base(name, folder)
    place = workspace() / f"merged-{_digest(folder, base)}"
    if not (place / MARKER).is_file():
        with whole_folder(place, marker=MARKER) as out, plain_errors(folder):
            _merge(folder, base, out)
            (out / MARKER).write_text(json.dumps({"adapter": folder.name, "base": name}) + "\n", encoding="utf-8")
    return place, f"{label} is an adapter: this is {name} with it merged in."


def _digest(folder: Path, base: Path) -> str:
    # What was merged in the base's own precision was another merge.
    digest = hashlib.sha256(b"float32")
    for place in (folder, base):
        for path in sorted([*place.rglob("*.safetensors"), *place.rglob("*.json")]):
            digest.update(path.relative_to(place).as_posix().encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _merge(folder: Path, base: Path, out: Path) -> None:
    # An extra: not everybody has it.
    import torch
    from peft import PeftConfig, get_peft_model, set_peft_model_state_dict
    from safetensors.torch import load_file
    from transformers import AutoModel, AutoModelForCausalLM

    weights = load_file(folder / "adapter_model.safetensors")
    config = PeftConfig.from_pretrained(str(folder))
    config.inference_mode = False
    # An adapter of a model that writes text names its weights one level deeper.
    writes = any(name.startswith("base_model.model.model.") for name in weights)
    kind: Any = AutoModelForCausalLM if writes else AutoModel
    inner = base / _transformer_folder(base)
    with constructing():
        model: Any = kind.from_pretrained(
            # In half precision most of what an adapter adds would be rounded away.
            str(inner),
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
        )
    config.task_type, config.base_model_name_or_path = None, str(inner)
    whole: Any = get_peft_model(model, config)
    fitted = set_peft_model_state_dict(whole, weights)
    expected = [name for name in whole.state_dict() if "lora_" in name]
    missing = [name for name in fitted.missing_keys if name in expected]
    if fitted.unexpected_keys or missing:
        wrong = (fitted.unexpected_keys or missing)[0]
        raise GapruneError(
            f"The adapter {folder.name} does not fit {base.name}: {wrong} is in only one of them.",
            "Give the base model that adapter_config.json names.",
        )
    whole.merge_and_unload().save_pretrained(out, safe_serialization=True)
    _copy_beside(folder, base, inner, out)


def _transformer_folder(base: Path) -> str:
    """Where in a folder its transformer lies: at the top, or in that of its first module."""
    path = base / "modules.json"
    if not path.is_file():
        return ""
    return str(json.loads(path.read_text(encoding="utf-8"))[0].get("path", ""))


def _copy_beside(folder: Path, base: Path, inner: Path, out: Path) -> None:
    """The tokenizer and what sentence-transformers needs, from the adapter where it has them, else from its base."""
    tokens = folder if (folder / "tokenizer_config.json").is_file() else inner
    for name in _TOKENIZER:
        if (tokens / name).is_file():
            shutil.copyfile(tokens / name, out / name)
    reading = folder if (folder / "modules.json").is_file() else base
    if not (reading / "modules.json").is_file():
        return
    modules = json.loads((reading / "modules.json").read_text(encoding="utf-8"))
    first = str(modules[0].get("path", ""))
    for name in _READING:
        source = reading / first / name if name == "sentence_bert_config.json" else reading / name
        if source.is_file():
            shutil.copyfile(source, out / name)
    for module in modules[1:]:
        part = str(module.get("path", ""))
        if part and ".." not in Path(part).parts and not Path(part).is_absolute() and (reading / part).is_dir():
            shutil.copytree(reading / part, out / part, dirs_exist_ok=True)
    modules[0]["path"] = ""
    (out / "modules.json").write_text(json.dumps(modules, indent=2) + "\n", encoding="utf-8")
