"""Which kind of model a folder holds, told from its files alone: what can be pruned, and one line for what cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import Any

from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.json_files import stored_json

# A file of JSON by its name in the folder; None where there is none.
Look = Callable[[str], Any]

EMBEDS, PLAIN, ADAPTER, ROUTER = "sentence-transformers", "transformers", "PEFT adapter", "Router"
TRUSTED_MODULES = frozenset({"Transformer", "Pooling", "Normalize", "Dense", "LayerNorm", "Dropout", "Router", "Asym"})
CONVERT = "gaprune-viz convert"
DENSE = "Use a model of dense text embeddings, such as the default one."

# model_type of config_sentence_transformers.json, and what to say of it.
_OTHER_TYPES = {
    "SparseEncoder": "is a sparse encoder (SPLADE and its kind): it gives one weight a word, no dense embedding",
    "CrossEncoder": "is a CrossEncoder (a reranker): it scores pairs of texts and gives no embedding of one",
    "MultiVectorEncoder": "is a multi-vector encoder (ColBERT and its kind): it gives one embedding a token",
}
# Words in a module's type, and what to say of it.
_OTHER_MODULES = {
    "SpladePooling": _OTHER_TYPES["SparseEncoder"],
    "MLMTransformer": _OTHER_TYPES["SparseEncoder"],
    "sparse_encoder": _OTHER_TYPES["SparseEncoder"],
    "pylate": _OTHER_TYPES["MultiVectorEncoder"],
    "multi_vector_encoder": _OTHER_TYPES["MultiVectorEncoder"],
    "StaticEmbedding": "is a static embedding: a table of words, without a transformer block to prune",
    "WordEmbeddings": "is made of word vectors, without a transformer block to prune",
    "BoW": "counts words, without a transformer block to prune",
}
# Weights of other programs, by the end of a file's name.
_OTHER_WEIGHTS = (
    (".gguf", "GGUF weights, for llama.cpp", "Give the folder of the original model, with safetensors weights."),
    (".onnx", "ONNX weights", "Give the folder of the original model, with safetensors weights."),
    ("openvino_model.bin", "OpenVINO weights", "Give the folder of the original model, with safetensors weights."),
    ("tf_model.h5", "TensorFlow weights", "Load it once with transformers (`from_tf=True`) and save it again."),
    ("flax_model.msgpack", "Flax weights", "Load it once with transformers (`from_flax=True`) and save it again."),
    ("rust_model.ot", "weights for Rust", "Give the folder of the original model, with safetensors weights."),
)
_PICKLES = ("pytorch_model", "adapter_model", "model")


def folder_look(folder: Path) -> Look:
    """Reads JSON files of a folder."""

    def look(name: str) -> Any:
        path = folder / name
        if not path.is_file():
            return None
        try:
            return stored_json(path)
        except (OSError, ValueError) as error:
            if name == "config.json":
                raise GapruneError(
                    f"The model in {folder.name} cannot be loaded: {name} cannot be read.",
                    "Check that the folder is complete.",
                ) from error
            raise GapruneError(f"{name} of {folder} cannot be read.", "Save the model again.") from error

    return look


def kind_of(look: Look, label: str) -> str:
    """The kind of a model that can be used: sentence-transformers, transformers, PEFT adapter or Router.

    Raises:
        GapruneError: it is of another kind; the line names it and says what would work.
    """
    settings, config = _mapping(look("config_sentence_transformers.json")), _mapping(look("config.json"))
    said = _OTHER_TYPES.get(str(settings.get("model_type")))
    if said:
        raise GapruneError(f"{label} {said}.", DENSE)
    _refuse_quantized(config, label)
    kinds = module_types(look, label)
    for kind in kinds:
        _refuse_module(kind, label)
    if look("adapter_config.json") is not None:
        return ADAPTER
    if kinds:
        return ROUTER if any(_last(kind) in ("Router", "Asym") for kind in kinds) else EMBEDS
    if config.get("model_type") == "model2vec":
        raise GapruneError(f"{label} {_OTHER_MODULES['StaticEmbedding']}.", DENSE)
    heads = [str(name) for name in config.get("architectures") or [] if str(name).endswith("ForSequenceClassification")]
    if heads:
        raise GapruneError(
            f"{label} is a {heads[0]}: a CrossEncoder (reranker) or a classifier, which gives no embedding of a text.",
            DENSE,
        )
    return PLAIN


def module_types(look: Look, label: str) -> list[str]:
    """The types in modules.json, those inside a router too; none where there is no such file.

    Raises:
        GapruneError: a file cannot be read.
    """
    modules = look("modules.json")
    if modules is None:
        return []
    try:
        found = []
        for module in modules:
            found.append(str(module["type"]))
            folder = str(module.get("path", ""))
            _refuse_outside(folder, label)
            if _last(found[-1]) in ("Router", "Asym"):
                found += _routed(look, folder, label)
    except (LookupError, TypeError, AttributeError) as error:
        raise GapruneError(f"modules.json of {label} cannot be read.", "Save the model again.") from error
    return found


def reader_folder(look: Look) -> str:
    """Where in a folder the tokenizer lies: at the top, in that of the first module, or in that of a router's first."""
    modules = look("modules.json")
    if not modules:
        return ""
    folder = str(modules[0].get("path", ""))
    if _last(str(modules[0]["type"])) not in ("Router", "Asym"):
        return folder
    structure = _mapping(_router_config(look, folder).get("structure"))
    return "/".join(part for part in (folder, next(iter(structure.values()))[0]) if part)


def _router_config(look: Look, folder: str) -> dict[str, Any]:
    prefix = f"{folder}/" if folder else ""
    return _mapping(look(f"{prefix}router_config.json") or look(f"{prefix}config.json"))


def _routed(look: Look, folder: str, label: str) -> list[str]:
    """The types of the modules that a router sends texts through.

    Raises:
        GapruneError: it sends queries and documents through different models, or names none of its own.
    """
    config = _router_config(look, folder)
    types, structure = _mapping(config.get("types")), _mapping(config.get("structure"))
    if not types or not structure:
        raise GapruneError(f"The router of {label} names no modules.", "Save the model again.")
    for name in types:
        _refuse_outside(str(name), label)
    first = {route: modules[0] for route, modules in structure.items()}
    if len(set(first.values())) > 1:
        names = ", ".join(f"{route}: {_last(str(types[name]))}" for route, name in first.items())
        raise GapruneError(
            f"{label} is a Router of different models ({names}), and only one could be pruned.",
            "Give one of them alone, for example by its folder in this one.",
        )
    return [str(kind) for kind in types.values()]


def _refuse_outside(folder: str, label: str) -> None:
    """Refuse a module's folder that is not in the model's own: somebody else's file would name what is read here.

    Raises:
        GapruneError: saying which.
    """
    place = PureWindowsPath(folder)
    if place.root or place.drive or ".." in place.parts:
        raise GapruneError(
            f"A module of {label} lies outside of its folder: {folder[:80]!r}.", "Save the model again, as one folder."
        )


def _refuse_module(kind: str, label: str) -> None:
    """Refuse a module that is of another kind of model, or whose code comes from elsewhere.

    Raises:
        GapruneError: saying which.
    """
    for word, said in _OTHER_MODULES.items():
        if word in kind and kind.startswith(("sentence_transformers.", "pylate")):
            raise GapruneError(f"{label} {said}.", DENSE)
    if not kind.startswith("sentence_transformers.") or _last(kind) not in TRUSTED_MODULES:
        raise GapruneError(
            f"The model needs the module {kind!r}, which is not among the supported ones.",
            f"Supported are: {', '.join(sorted(TRUSTED_MODULES))}. Code from a model repository is never run.",
        )


def _refuse_quantized(config: dict[str, Any], label: str) -> None:
    told = config.get("quantization_config")
    if told is None:
        return
    told = _mapping(told)
    method = str(told.get("quant_method", "")) or "quantized"
    bits = told.get("bits") or (4 if told.get("load_in_4bit") else 8 if told.get("load_in_8bit") else None)
    name = f"{bits}-bit {method}" if bits else method
    raise GapruneError(
        f"{label} holds quantized weights ({name}), which have no gradient.",
        "Use the model that it was made from, as float32 or bfloat16 (--dtype bfloat16).",
    )


def refuse_other_weights(folder: Path) -> None:
    """Refuse a folder without safetensors weights, naming those that are there.

    Raises:
        GapruneError: there are none, or another program's, or pickled ones.
    """
    if any(folder.rglob("*.safetensors")):
        return
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    for end, said, hint in _OTHER_WEIGHTS:
        if any(name.endswith(end) for name in names):
            raise GapruneError(f"The folder {folder.name} holds no safetensors weights: it holds {said}.", hint)
    if pickled(folder):
        raise GapruneError(
            f"The folder {folder.name} holds no safetensors weights.",
            f"Pickled weights are refused. Convert them once: `{CONVERT} {folder} NEW_FOLDER`.",
        )
    raise GapruneError(
        f"The folder {folder.name} holds no safetensors weights.",
        "Pickled weights are refused. Save the model again with `safe_serialization=True`.",
    )


def pickled(folder: Path) -> list[Path]:
    """The pickled weights of a folder and of its modules, in the order of their names."""
    found = (p for p in folder.rglob("*") if p.suffix in (".bin", ".pt", ".pth") and p.stem.startswith(_PICKLES))
    return sorted(found)


def refuse_empty(folder: Path, name: str) -> None:
    """Refuse a folder that holds no model at all.

    Raises:
        GapruneError: saying what is missing, or where in it a model lies.
    """
    if any((folder / file).is_file() for file in ("config.json", "modules.json", "adapter_config.json")):
        return
    if any(folder.glob("*.gguf")):
        refuse_other_weights(folder)
    inside = sorted(p.parent.name for p in folder.glob("*/config.json")) + sorted(
        p.parent.name for p in folder.glob("*/adapter_config.json")
    )
    hint = (
        f"Its folder {inside[-1]} holds one: give that."
        if inside
        else "Give a folder saved by transformers or sentence-transformers."
    )
    raise GapruneError(f"The folder {name} holds no model: config.json is missing.", hint)


def _last(kind: str) -> str:
    return kind.rsplit(".", 1)[-1]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
