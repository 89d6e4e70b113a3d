"""Folders of models and of analyses that a stranger may send, and the line that answers each."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path

from hostile_files import GOOD


def build_tiny(folder: Path) -> Path:
    """A random model of a few thousand weights."""
    from tests.tiny_models import build

    return build(folder / "tiny", "bert")


def model_folders(folder: Path) -> Iterator[tuple[str, Path]]:
    """Model folders that want to run code, or lie about their weights."""
    import torch

    from tests.tiny_models import build

    def model(name: str) -> Path:
        return build(folder / name, "bert")

    pickled = model("pickled")
    (pickled / "model.safetensors").unlink()
    torch.save({}, pickled / "pytorch_model.bin")
    yield "a model with pickled weights only", pickled
    coded = model("coded")
    config = json.loads((coded / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "evil.Model"}
    config["model_type"] = "evil"
    (coded / "config.json").write_text(json.dumps(config))
    (coded / "evil.py").write_text("raise SystemExit('code ran')\n")
    yield "a model that brings its own code", coded
    for what, kind in (
        ("a module type that is a function of the system", "os.system"),
        ("a module type that is a file of the model's own", "evil.Transformer"),
    ):
        module = model(kind)
        (module / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "", "type": kind}]))
        (module / "evil.py").write_text("raise SystemExit('code ran')\n")
        yield what, module
    tokens = model("tokens")
    config = json.loads((tokens / "tokenizer_config.json").read_text())
    config |= {"auto_map": {"AutoTokenizer": ["evil.Tokens", None]}, "tokenizer_class": "EvilTokens"}
    (tokens / "tokenizer_config.json").write_text(json.dumps(config))
    (tokens / "evil.py").write_text("raise SystemExit('code ran')\n")
    yield "a tokenizer that brings its own code", tokens
    header = model("header")
    content = (header / "model.safetensors").read_bytes()
    (header / "model.safetensors").write_bytes(struct.pack("<Q", 2**62) + content[8:])
    yield "safetensors with a header of 2^62 bytes", header
    (size,) = struct.unpack("<Q", content[:8])
    table = json.loads(content[8 : 8 + size])
    name = next(key for key in table if key != "__metadata__")
    for what, entry in (
        ("safetensors whose offsets point outside", {**table[name], "data_offsets": [0, 2**50]}),
        ("safetensors with a shape of 2^60 numbers", {**table[name], "shape": [2**30, 2**30]}),
        ("safetensors with negative offsets", {**table[name], "data_offsets": [-8, 0]}),
        ("safetensors with a type that is none", {**table[name], "dtype": "PICKLE"}),
    ):
        folder_of = model(what.replace(" ", "-").replace("^", ""))
        text = json.dumps({**table, name: entry}).encode()
        (folder_of / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])
        yield what, folder_of
    text = b"not JSON"
    lying = model("lying")
    (lying / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])
    yield "safetensors whose header is no JSON", lying


def sketches(folder: Path) -> Iterator[tuple[str, Path]]:
    """Analyses whose files hold something else."""
    import shutil

    import numpy as np

    from gaprune_viz.storage.paths import assets

    for what, content in (("an analysis whose sketch holds a pickled object", GOOD), ("an empty sketch", None)):
        place = Path(shutil.copytree(assets() / "demo", folder / f"sketch-{content is None}"))
        document = json.loads((place / "spec.json").read_text())
        document.pop("checksums", None)
        (place / "spec.json").write_text(json.dumps(document))
        box = io.BytesIO()
        if content is not None:
            # All else is as it was written, so that it is the object that is refused.
            with np.load(place / "sketch.npz") as file:
                arrays = dict(file)
            np.savez(box, **arrays | {"scattered:matrix": np.array([content], dtype=object)})
        (place / "sketch.npz").write_bytes(box.getvalue())
        yield what, place


def opened(path: Path) -> str:
    from gaprune_viz.analysis.opening import open_analysis
    from gaprune_viz.errors import GapruneError

    try:
        open_analysis(path)
    except GapruneError as error:
        return str(error)
    return "OPENED"


def load(path: Path) -> str:
    from gaprune_viz.config import ModelSpec
    from gaprune_viz.errors import GapruneError
    from gaprune_viz.models.loading import load_model

    try:
        load_model(ModelSpec(model=str(path), device="cpu"))
    except GapruneError as error:
        return str(error)
    return "Loaded without that code."
