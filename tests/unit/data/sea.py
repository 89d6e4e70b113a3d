"""A collection of thirty passages of the sea, each the answer to one query, written as a person may write it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

CORPUS = {f"d{i}": ("", f"text {i} of the sea") for i in range(30)}
QUERIES = {f"q{i}": f"text {i}" for i in range(30)}
QRELS = {f"q{i}": {f"d{i}": 1} for i in range(30)}


def json_lines(rows: list[dict[str, Any]]) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


def write(folder: Path, name: str, content: str | bytes) -> None:
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content if isinstance(content, bytes) else content.encode())


def corpus(folder: Path, extra: list[dict[str, Any]] = []) -> None:  # noqa: B006
    rows = [{"_id": id, "title": title, "text": text} for id, (title, text) in CORPUS.items()]
    write(folder, "corpus.jsonl", json_lines(rows + extra))


def queries(folder: Path, extra: list[dict[str, Any]] = []) -> None:  # noqa: B006
    write(folder, "queries.jsonl", json_lines([{"_id": id, "text": text} for id, text in QUERIES.items()] + extra))


def qrels(folder: Path, *more: str, name: str = "qrels/test.tsv", form: str = "{q}\t{d}\t{g}", head: str = "") -> None:
    lines = [form.format(q=q, d=d, g=g) for q, grades in QRELS.items() for d, g in grades.items()]
    write(folder, name, "\n".join([*([head] if head else []), *lines, *more]))


def whole(folder: Path, *skip: str) -> Path:
    for part in (corpus, queries, qrels):
        if part.__name__ not in skip:
            part(folder)
    return folder


def zipped(folder: Path, members: dict[str, bytes] | None = None) -> None:
    """The folder as one file of its name, which is what is given."""
    place = whole(folder.parent / "inside" / "beir-sea")
    files = {f"beir-sea/{f.relative_to(place).as_posix()}": f.read_bytes() for f in place.rglob("*") if f.is_file()}
    with zipfile.ZipFile(folder, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (files | {"__MACOSX/._x": b"x"} if members is None else members).items():
            archive.writestr(name, content)


def make(*parts: Callable[[Path], None]) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        for part in parts:
            part(folder)

    return run


def judged(form: str = "{q}\t{d}\t{g}", *more: str, head: str = "", name: str = "qrels/test.tsv") -> Any:
    return make(corpus, queries, lambda folder: qrels(folder, *more, form=form, head=head, name=name))
