"""The compact statistics of an analysis: one file, a matrix decoded when it is asked for."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gaprune_viz.calibration.compact.log_quantization import (
    Packed,
    pack,
    packed_signs,
    rank_one,
    unpack,
    unpacked_signs,
)
from gaprune_viz.errors import GapruneError

COMPACT_FILE = "compact.npz"
# Natural logarithms. Fisher information decides most masks, and the domain's gradient is a criterion of its own; the
# general one's is read for alignments only.
STEPS = {"fisher_domain": 0.03, "fisher_general": 0.03, "grad_domain": 0.05, "grad_general": 0.25}
LEAST_SHARE = 1e-6
Field = Callable[[str], Tensor]


def encoded(field: Field, shape: tuple[int, int]) -> Iterator[tuple[str, np.ndarray]]:
    """The parts of one matrix by what they are called in the file.

    Args:
        field: gives a statistic of the matrix, float32 [out, in].
        shape: [out, in].
    """
    base: dict[str, np.ndarray] = {}
    left: dict[str, np.ndarray] = {}
    for side in ("domain", "general"):
        name = f"fisher_{side}"
        values = field(name).numpy().reshape(shape)
        rows, columns = rank_one(values)
        zeros = values == 0
        log = np.log(np.where(zeros, 1, values).astype(np.float64)) - (rows[:, None] + columns[None, :])
        told = slope = None
        if side == "general":
            told = left["fisher_domain"]
            slope = np.float32(_slope(log[~zeros], told[~zeros]))
            log = log - slope * told
            yield f"{name}:slope", slope.reshape(1)
        packed = pack((log / STEPS[name]).ravel(), zeros.ravel())
        yield from _parts(name, packed)
        yield f"{name}:rows", rows
        yield f"{name}:columns", columns
        steps, _ = unpack(packed, values.size)
        found = steps.reshape(shape) * STEPS[name]
        left[name] = found if told is None else found + slope * told
        base[name] = rows[:, None] + columns[None, :] + left[name]
    for side in ("domain", "general"):
        name = f"grad_{side}"
        values = field(name).numpy().reshape(shape)
        zeros = values == 0
        share = np.abs(np.where(zeros, 1, values)).astype(np.float64) / np.exp(0.5 * base[f"fisher_{side}"])
        yield from _parts(name, pack((np.log(np.maximum(share, LEAST_SHARE)) / STEPS[name]).ravel(), zeros.ravel()))
        yield f"{name}:signs", packed_signs(values.ravel())


class CompactStatistics:
    """Compact statistics on disk.

    Args:
        path: of the file.
        shapes: [out, in] of every matrix by name.

    Attributes:
        checked: whether the file was compared with its checksum.
        keeping: bytes of decoded statistics that are kept: decoding takes four times as long as making masks of them.
    """

    def __init__(self, path: Path, shapes: Mapping[str, tuple[int, int]]) -> None:
        self.path, self.shapes = path, shapes
        self.checked = False
        self.keeping = 0
        self._kept: dict[tuple[str, str], np.ndarray] = {}
        self._file: Mapping[str, np.ndarray] | None = None
        # Of the matrix that was read last: its other statistics are asked for next.
        self._last: tuple[str, dict[str, np.ndarray]] = ("", {})

    def tensor(self, name: str, field: str) -> Tensor:
        """One statistic of one matrix, float32.

        Raises:
            GapruneError: the file is missing, damaged, or lacks it.
        """
        try:
            file = self._file = self._file or np.load(self.path, allow_pickle=False)
            if field not in STEPS:
                return torch.from_numpy(file[f"{name}:{field}"])
            return torch.from_numpy(self._known(file, name, field))
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise GapruneError(
                f"{field} of {name} cannot be read from the compact statistics: {error}.",
                "Run the analysis: it computes them anew.",
            ) from error

    def _known(self, file: Mapping[str, np.ndarray], name: str, field: str) -> np.ndarray:
        """A statistic, decoded now or before; whoever gets it may write on it."""
        kept = self._kept.get((name, field))
        if kept is not None:
            return kept.copy()
        found = self._decoded(file, name, field)
        if sum(one.nbytes for one in self._kept.values()) + found.nbytes <= self.keeping:
            self._kept[name, field] = found.copy()
        return found

    def _decoded(self, file: Mapping[str, np.ndarray], name: str, field: str) -> np.ndarray:
        shape, side = self.shapes[name], field.partition("_")[2]
        steps, zeros = _read(file, name, field, shape)
        if field.startswith("fisher_"):
            found = np.exp(self._logarithm(file, name, side))
        else:
            share = np.minimum(np.exp(steps.reshape(shape) * STEPS[field]), 1)
            signs = unpacked_signs(file[f"{name}:{field}:signs"], steps.size).reshape(shape)
            found = signs * share * np.exp(0.5 * self._logarithm(file, name, side))
        found[zeros.reshape(shape)] = 0
        return found.astype(np.float32)

    def _logarithm(self, file: Mapping[str, np.ndarray], name: str, side: str) -> np.ndarray:
        """Of the Fisher information of a side, float32 [out, in]."""
        field = f"fisher_{side}"
        rows, columns = file[f"{name}:{field}:rows"], file[f"{name}:{field}:columns"]
        return rows[:, None] + columns[None, :] + self._left(file, name, side)

    def _left(self, file: Mapping[str, np.ndarray], name: str, side: str) -> np.ndarray:
        """What the rank-one form does not say."""
        known = self._last[1] if self._last[0] == name else {}
        if side not in known:
            field, shape = f"fisher_{side}", self.shapes[name]
            found = _read(file, name, field, shape)[0].reshape(shape) * np.float32(STEPS[field])
            if side == "general":
                found += file[f"{name}:{field}:slope"][0] * self._left(file, name, "domain")
                known = self._last[1] if self._last[0] == name else {}
            known = {**known, side: found}
            self._last = (name, known)
        return known[side]


def write_compact(
    path: Path,
    matrices: Mapping[str, tuple[int, int]],
    tensor: Callable[[str, str], Tensor],
    plain: Mapping[str, tuple[str, ...]],
) -> None:
    """Write the compact statistics of some matrices.

    Args:
        matrices: [out, in] by name.
        tensor: a statistic of a matrix, by the matrix and the statistic.
        plain: by matrix, the statistics that are kept as they are.
    """
    parts: dict[str, np.ndarray] = {}
    for name, shape in matrices.items():
        parts |= {f"{name}:{part}": value for part, value in encoded(lambda field, n=name: tensor(n, field), shape)}
        parts |= {f"{name}:{field}": tensor(name, field).numpy() for field in plain[name]}
    np.savez(path, allow_pickle=False, **parts)


def _parts(name: str, packed: Packed) -> Iterator[tuple[str, np.ndarray]]:
    yield f"{name}:body", packed.body
    yield f"{name}:others", packed.others
    yield f"{name}:zeros", packed.zeros


def _read(
    file: Mapping[str, np.ndarray], name: str, field: str, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    parts = (file[f"{name}:{field}:{part}"] for part in ("body", "others", "zeros"))
    return unpack(Packed(*parts), shape[0] * shape[1])


def _slope(values: np.ndarray, told: np.ndarray) -> float:
    """Of the straight line through 0 that tells one from the other best."""
    square = float((told**2).sum())
    return float((values * told).sum()) / square if square else 0.0
