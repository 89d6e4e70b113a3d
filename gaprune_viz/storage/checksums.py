"""Checksums of a result: what was written is what is read, or an error says which part is not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from gaprune_viz.errors import GapruneError

CHECKSUMS = "checksums"
# Files up to this size are hashed when a result is opened; larger ones when they are read, or by `verify`.
HASHED_AT_OPEN = 16 * 2**20
_CHUNK = 2**20


def tensor_digest(tensor: Tensor) -> str:
    """SHA-256 of a CPU tensor's values."""
    return hashlib.sha256(tensor.detach().contiguous().numpy().tobytes()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def seal(document: Mapping[str, Any], folder: Path, names: Iterable[str], tensors: Mapping[str, str]) -> dict[str, Any]:
    """A document with checksums of itself, of files beside it, and of single tensors in them.

    Args:
        document: what is to be written, without checksums.
        folder: where the files are.
        names: the files; those that are not there are left out.
        tensors: digest of each tensor.
    """
    # As it will be read: tuples as lists, keys as texts.
    document = json.loads(json.dumps(document))
    there = [folder / name for name in names if (folder / name).is_file()]
    files = {path.name: {"bytes": path.stat().st_size, "sha256": file_digest(path)} for path in there}
    body = {CHECKSUMS: {"files": files, "tensors": dict(tensors)}}
    return {**document, CHECKSUMS: {**body[CHECKSUMS], "document": _document_digest({**document, **body})}}


def check(document: Mapping[str, Any], folder: Path, *, whole: bool = False) -> None:
    """Compare a result with its checksums; one without any, from an earlier version, passes.

    Args:
        document: as read from disk.
        folder: where the files are.
        whole: hash the large files too.

    Raises:
        GapruneError: naming the part that is missing or altered.
    """
    sums = document.get(CHECKSUMS)
    if sums is None:
        return
    if not isinstance(sums, dict) or not isinstance(sums.get("files"), dict):
        raise _altered(folder, "its list of checksums")
    without = {**document, CHECKSUMS: {key: value for key, value in sums.items() if key != "document"}}
    if sums.get("document") != _document_digest(without):
        raise _altered(folder, "its description")
    for name, expected in sums["files"].items():
        path = folder / Path(name).name
        try:
            size = path.stat().st_size
            hashed = whole or size <= HASHED_AT_OPEN
            if size != expected["bytes"] or (hashed and file_digest(path) != expected["sha256"]):
                raise _altered(folder, name)
        except OSError as error:
            raise _altered(folder, name) from error


def check_tensor(document: Mapping[str, Any], folder: Path, name: str, tensor: Tensor) -> None:
    """Compare one tensor with its checksum.

    Raises:
        GapruneError: it is not the one that was written.
    """
    expected = (document.get(CHECKSUMS) or {}).get("tensors", {}).get(name)
    if expected is not None and tensor_digest(tensor) != expected:
        raise _altered(folder, name)


def _document_digest(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _altered(folder: Path, part: str) -> GapruneError:
    return GapruneError(
        f"The analysis in {folder.name} was altered or is damaged: {part} is not what was written.",
        "Run it again.",
    )
