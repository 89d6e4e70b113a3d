"""Files that a stranger may send, and the line that answers each."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

from hostile_archives import archives, packed

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
