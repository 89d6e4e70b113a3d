"""Packed files, archives and workbooks that want to write elsewhere or fill the disk and the memory."""

from __future__ import annotations

import bz2
import gzip
import stat
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path


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
