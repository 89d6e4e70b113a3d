"""Write a safetensors file one tensor at a time, so that its contents never have to be in memory together."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import torch
from torch import Tensor

_ALIGNMENT = 8


class TensorFile:
    """A safetensors file of float32 tensors whose shapes are known before their values.

    The layout is that of https://github.com/huggingface/safetensors#format: eight bytes with the length of the header,
    the header as JSON, the tensors one after another.

    Args:
        path: the file; replaced where it exists.
        shapes: of every tensor, in the order of the file.
        metadata: words for the header.
    """

    def __init__(self, path: Path, shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]) -> None:
        self.shapes = dict(shapes)
        header, self._size = _header(self.shapes, metadata)
        self._start = len(header)
        self._places = _offsets(self.shapes)
        self._missing = set(self.shapes)
        self._file = path.open("wb")
        self._file.write(header)
        self._file.truncate(self._start + self._size)

    def write(self, name: str, values: Tensor) -> None:
        """Put a tensor into its place; float32, whatever it was.

        Raises:
            ValueError: its shape is not the one that was announced.
            OSError: the disk is full.
        """
        if tuple(values.shape) != tuple(self.shapes[name]):
            raise ValueError(f"{name} is {tuple(values.shape)}, not {tuple(self.shapes[name])}")
        self._file.seek(self._start + self._places[name])
        values.detach().to("cpu", torch.float32).contiguous().numpy().tofile(self._file)
        self._missing.discard(name)

    def __enter__(self) -> TensorFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if kind is None and self._missing:
            raise ValueError(f"{len(self._missing)} tensors were not written, for example {min(self._missing)}")


def file_bytes(shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]) -> int:
    """Size of the file that these tensors make."""
    header, size = _header(shapes, metadata)
    return len(header) + size


def _offsets(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    places, at = {}, 0
    for name, shape in shapes.items():
        places[name] = at
        at += 4 * torch.Size(shape).numel()
    return places


def _header(shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]) -> tuple[bytes, int]:
    """The bytes before the tensors, and how many bytes the tensors take."""
    entries: dict[str, object] = {"__metadata__": dict(metadata)}
    size = 0
    for name, at in _offsets(shapes).items():
        size = at + 4 * torch.Size(shapes[name]).numel()
        entries[name] = {"dtype": "F32", "shape": list(shapes[name]), "data_offsets": [at, size]}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return struct.pack("<Q", len(text)) + text, size
