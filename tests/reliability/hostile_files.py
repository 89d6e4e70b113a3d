"""Files and model folders that a stranger may send, and the line that answers each."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

GOOD = {"query": "a", "positive": "b", "negative": "c"}


def uploads(folder: Path) -> Iterator[tuple[str, Path]]:
    """What a stranger may send, by name; each file is made when it is asked for."""

    def file(name: str, content: bytes) -> Path:
        place = folder / name
        place.write_bytes(content)
        return place

    line = json.dumps(GOOD).encode() + b"\n"
    yield "a pickle", file("data.pkl", pickle.dumps(GOOD))
    yield "a pickle called .jsonl", file("pickle.jsonl", pickle.dumps(GOOD))
    yield "a pickle called .parquet", file("pickle.parquet", pickle.dumps(GOOD))
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../etc/cron.d/x", b"0" * 10_000_000)
    yield "a zip bomb with a path that climbs", file("bomb.zip", box.getvalue())
    yield "the same called .json", file("bomb.json", box.getvalue())
    yield "a gzip bomb called .csv", file("bomb.csv", gzip.compress(b"a,b,c\n" * 5_000_000))
    yield "a Parquet bomb", _parquet_bomb(folder)
    yield (
        "a Parquet file with a false footer",
        file("footer.parquet", b"PAR1" + b"\xff" * 64 + struct.pack("<I", 2**31) + b"PAR1"),
    )
    yield "one line of 1 GB", _long_line(folder)
    yield "one line of 2 MB", file("line.jsonl", b'{"query": "' + b"a" * 2_000_000 + b'"}\n')
    yield "JSON nested 100,000 deep", file("deep.json", b"[" * 100_000)
    yield "a row nested 100 deep", file("deep.jsonl", b'{"query": ' + b"[" * 100 + b"]" * 100 + b"}\n")
    yield "a number of 10,000 digits", file("digits.jsonl", b'{"query": ' + b"9" * 10_000 + b"}\n")
    yield "Latin-1", file("latin.csv", "query,positive,negative\nété,b,c\n".encode("latin-1"))
    yield "UTF-16", file("wide.csv", "query,positive,negative\na,b,c\n".encode("utf-16"))
    yield (
        "half a surrogate",
        file("surrogate.jsonl", b'{"query": "\\ud800", "positive": "b", "negative": "c"}\n' + line),
    )
    yield "zero bytes in texts", file("zero.jsonl", b'{"query": "a\\u0000b", "positive": "b", "negative": "c"}\n' * 2)
    yield "an empty file", file("empty.csv", b"")
    yield "a quote that never ends", file("quote.csv", b'query,positive,negative\n"a,b,c\n' * 3)
    yield "100,000 columns", file("wide.tsv", b"\t".join(b"c%d" % n for n in range(100_000)) + b"\n")
    yield "two columns of one name", file("twice.csv", b"query,query,positive\n")
    yield "300,000 rows", file("rows.jsonl", line * 300_000)
    link = folder / "link.jsonl"
    link.symlink_to("/etc/passwd")
    yield "a link to /etc/passwd", link
    yield "a folder called .jsonl", _folder(folder)
    yield (
        "script in every text",
        file(
            "script.jsonl",
            b"".join(
                json.dumps({k: f"<script>alert({n})</script>" + v for k, v in GOOD.items()}).encode() + b"\n"
                for n in range(3)
            ),
        ),
    )
    yield "formulas in every text", file("formula.csv", b"query,positive,negative\n=1+1,+cmd,@SUM(A1)\n=2+2,-x,@y\n")


def _folder(folder: Path) -> Path:
    place = folder / "folder.jsonl"
    place.mkdir()
    return place


def _long_line(folder: Path) -> Path:
    place = folder / "huge.jsonl"
    with place.open("wb") as out:
        out.truncate(2**30)
    return place


def _parquet_bomb(folder: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    place = folder / "bomb.parquet"
    huge = pa.table({"query": pa.array(["a" * (8 * 2**20)])})
    with pq.ParquetWriter(place, huge.schema, compression="zstd", use_dictionary=False) as out:
        for _ in range(129):
            out.write_table(huge)
    return place


def answered(path: Path) -> str:
    """The one line that a person reads."""
    from gaprune_viz.data.preview import inspect_upload
    from gaprune_viz.errors import GapruneError

    try:
        found = inspect_upload(path)
    except GapruneError as error:
        return str(error)
    if found.problem:
        return str(found.problem)
    return f"Taken as plain text: {found.kept} triplets."


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
