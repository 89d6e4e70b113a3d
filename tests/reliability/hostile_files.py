"""Files and model folders that a stranger may send, and the line that answers each."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import pickle
import stat
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
    yield "Greek in an 8-bit encoding", file("greek.csv", "query,positive,negative\nτι είναι,b,c\n".encode("cp1253"))
    yield (
        "UTF-8 and Latin-1 in one file",
        file("mixed.csv", "query,positive,negative\né,b,c".encode() + b"\n\xe9t\xe9,b,c"),
    )
    yield from packed(folder)
    yield from archives(folder)
    yield "an Arrow bomb", _arrow_bomb(folder)
    yield "an Arrow file whose texts lie outside", _arrow_outside(folder)
    yield "a saved set that names a file outside", _saved_outside(folder)
    yield "formulas in every text", file("formula.csv", b"query,positive,negative\n=1+1,+cmd,@SUM(A1)\n=2+2,-x,@y\n")


def packed(folder: Path) -> Iterator[tuple[str, Path]]:
    """Small files that are large when unpacked, or are not what they say."""
    import pyarrow as pa

    head, row = b"query,positive,negative\n", b"a" * 16_000 + b",b,c\n"
    million = row * 65
    for ending, pack in ((".gz", gzip.open), (".bz2", bz2.open)):
        place = folder / f"expands.csv{ending}"
        with pack(place, "wb") as out:
            out.write(head)
            for _ in range(270):
                out.write(million)
        yield f"270 MB in a {ending} of {place.stat().st_size // 1024} KiB", place
    place = folder / "expands.csv.zst"
    with pa.output_stream(str(place), compression="zstd") as out:
        out.write(head)
        for _ in range(270):
            out.write(million)
    yield f"270 MB in a .zst of {place.stat().st_size // 1024} KiB", place
    twice = folder / "twice.jsonl.gz"
    twice.write_bytes(gzip.compress(gzip.compress(b"x" * 1000)))
    yield "a .gz in a .gz", twice
    cut = folder / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(b"x" * 1000)[:20])
    yield "half a .gz", cut


def archives(folder: Path) -> Iterator[tuple[str, Path]]:
    """Archives that want to write elsewhere or fill the disk."""

    def box(name: str, members: list[tuple[str | zipfile.ZipInfo, bytes]]) -> Path:
        place = folder / name
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in members:
                archive.writestr(member, content)
        return place

    whole: list[tuple[str | zipfile.ZipInfo, bytes]] = [
        ("sea/corpus.jsonl", b'{"_id": "d", "text": "a"}\n'),
        ("sea/queries.jsonl", b'{"_id": "q", "text": "a"}\n'),
        ("sea/qrels/test.tsv", b"q\td\t1\n"),
    ]
    for number, path in enumerate(("../../up", "/etc/cron.d/x", "C:\\x", "sea/qrels/../../../up")):
        yield f"a zip with the path {path}", box(f"climb{number}.zip", [*whole, (path, b"x")])
    link = zipfile.ZipInfo("sea/queries.jsonl")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    yield "a zip with a link to /etc/passwd", box("link.zip", [whole[0], (link, b"/etc/passwd"), whole[2]])
    large = box("large.zip", [("sea/corpus.jsonl", b"\n" * (257 * 2**20)), *whole[1:]])
    yield f"a collection of 257 MiB in {large.stat().st_size // 1024} KiB", large
    lying = box("lying.zip", [("sea/corpus.jsonl", b"\n" * (257 * 2**20)), *whole[1:]])
    content = bytearray(lying.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = content.find(mark) + offset
        content[at : at + 4] = struct.pack("<I", 10)
    lying.write_bytes(content)
    yield "the same, said to be of 10 bytes", lying
    yield "a zip of 20,000 files", box("many.zip", [*whole, *((f"sea/{n}", b"") for n in range(20_000))])
    sheet = b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'bb'>]><a>&b;</a>"
    yield "a workbook that declares entities", box("entities.xlsx", [("xl/workbook.xml", sheet)])
    yield "a workbook with one far cell in each row", _far_cells(folder)
    yield "a workbook of 300 MiB", box("large.xlsx", [("xl/workbook.xml", b" " * (300 * 2**20))])


def _far_cells(folder: Path) -> Path:
    import pandas as pd

    near, place = folder / "near.xlsx", folder / "far.xlsx"
    pd.DataFrame({"query": ["a"], "positive": ["b"], "negative": ["c"]}).to_excel(near, index=False)
    cell = '<row r="{0}"><c r="XFD{0}" t="inlineStr"><is><t>x</t></is></c></row>'
    far = "".join(cell.format(row) for row in range(1, 100_001))
    sheet = f'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{far}'
    with zipfile.ZipFile(near) as old, zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            ours = name == "xl/worksheets/sheet1.xml"
            new.writestr(name, f"{sheet}</sheetData></worksheet>" if ours else old.read(name))
    return place


def _arrow_bomb(folder: Path) -> Path:
    import pyarrow as pa
    import pyarrow.feather as feather

    place = folder / "bomb.feather"
    huge = pa.chunked_array([pa.array(["a" * (8 * 2**20)])] * 129)
    feather.write_feather(pa.table({"query": huge}), str(place), "zstd", chunksize=1)
    return place


def _arrow_outside(folder: Path) -> Path:
    import pyarrow as pa

    place = folder / "outside.arrow"
    table = pa.table({"query": ["abc", "def"]})
    with pa.OSFile(str(place), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as out:
        out.write_table(table)
    content, ends = place.read_bytes(), struct.pack("<iii", 0, 3, 6)
    assert ends in content
    place.write_bytes(content.replace(ends, struct.pack("<iii", 0, 2**30, 2**31 - 1)))
    return place


def _saved_outside(folder: Path) -> Path:
    place = folder / "saved"
    place.mkdir()
    (place / "state.json").write_text(json.dumps({"_data_files": [{"filename": "../../../../etc/passwd"}]}))
    return place


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
