"""A stratified sample of weights: what makes the sliders live, whatever the model's size.

Two samples of every matrix are kept. The *scattered* one takes every k-th weight in an order in which neighbours are
alike in all that the criteria read (`strata`), weighted so that it adds up in every class of the usual scores
(`sample_weights`): their quantiles are caught closely.
The *segments* are stretches of consecutive inputs of a row, for what is decided within a row: N:M and row allocation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gaprune_viz.calibration.statistics import MatrixInfo, MatrixStatistics
from gaprune_viz.config import SKETCH_CAP, SKETCH_PER_MATRIX, Alignment
from gaprune_viz.criteria.alignment import align_matrix, correlation, sign_agreement
from gaprune_viz.criteria.criterion import WeightStatistics
from gaprune_viz.errors import GapruneError
from gaprune_viz.sketch.sample_weights import fitted_weights
from gaprune_viz.sketch.strata import along_the_scores
from gaprune_viz.storage.array_files import DAMAGED, read_arrays

SEGMENT = 64
SEGMENT_SHARE = 0.25
# Alignments of a weight that cannot be had from the weight's own gradients.
OF_WHOLE_MATRICES = (Alignment.ROW, Alignment.MATRIX, Alignment.UNIT_PRODUCT)


@dataclass(frozen=True)
class Sample:
    """Sampled weights of all matrices, matrix after matrix; every array is [n].

    Attributes:
        matrix: int64, position of the weight's matrix in the scope.
        flat: int64, row * in + column.
        weight: float32, how many weights of the model each one stands for.
        theta, fisher_domain, fisher_general, grad_domain, grad_general: float32.
        act_domain: float32, root mean square of the weight's input feature.
        s_row, s_matrix, s_unit_product: float32, the alignments that need a whole matrix.
    """

    matrix: Tensor
    flat: Tensor
    weight: Tensor
    theta: Tensor
    fisher_domain: Tensor
    fisher_general: Tensor
    grad_domain: Tensor
    grad_general: Tensor
    act_domain: Tensor
    s_row: Tensor
    s_matrix: Tensor
    s_unit_product: Tensor

    def __len__(self) -> int:
        return len(self.theta)

    def alignment(self, kind: Alignment) -> Tensor:
        """s_j of each sampled weight, float32 [n]."""
        if kind is Alignment.SIGN:
            return sign_agreement(self.grad_domain, self.grad_general)
        if kind is Alignment.CORRELATION:
            return correlation(self.grad_domain, self.grad_general, self.fisher_domain, self.fisher_general)
        return {
            Alignment.ROW: self.s_row,
            Alignment.MATRIX: self.s_matrix,
            Alignment.UNIT_PRODUCT: self.s_unit_product,
        }[kind]

    def statistics(self, kind: Alignment) -> WeightStatistics:
        """What the criteria take."""
        return WeightStatistics(
            theta=self.theta,
            fisher_domain=self.fisher_domain,
            fisher_general=self.fisher_general,
            alignment=self.alignment(kind),
            grad_domain=self.grad_domain,
            act_domain=self.act_domain,
            flat_index=self.flat,
            matrix_index=self.matrix,
        )


@dataclass(frozen=True)
class Sketch:
    """The two samples. `segment_length` consecutive entries of `segments` belong to one row."""

    scattered: Sample
    segments: Sample
    segment_length: int

    def save(self, path: Path) -> None:
        """Write `sketch.npz`."""
        arrays = {"segment_length": np.array(self.segment_length)}
        for side in ("scattered", "segments"):
            for name, values in _arrays(getattr(self, side)).items():
                arrays[f"{side}:{name}"] = values.astype(np.int32) if name in ("matrix", "flat") else values
        np.savez_compressed(path, **arrays)  # pyright: ignore[reportArgumentType]

    @classmethod
    def load(cls, path: Path, matrices: Sequence[MatrixInfo] | None = None) -> Sketch:
        """Read `sketch.npz`.

        Args:
            matrices: of the scope, all of which have to be in it.

        Raises:
            GapruneError: the file is missing or damaged, or is the sketch of others.
        """
        places = {side: {f.name: f"{side}:{f.name}" for f in fields(Sample)} for side in ("scattered", "segments")}
        names = ["segment_length", *(name for side in places.values() for name in side.values())]
        try:
            found = read_arrays(path, names)
            sides = [_sample({name: found[place] for name, place in side.items()}) for side in places.values()]
            length = found["segment_length"]
            if length.shape or length.dtype.kind != "i" or length < 1 or len(sides[1]) % int(length):
                raise ValueError("the length of its segments is another")
            for sample in sides if matrices is not None else ():
                _check_places(sample, matrices or ())
            return cls(sides[0], sides[1], int(length))
        except DAMAGED as error:
            raise GapruneError(f"The sketch {path.name} cannot be read: {error}.", "Run the analysis again.") from error


class SketchBuilder:
    """Takes matrices one at a time; holds no more than the samples.

    Args:
        matrices: of the scope, in the order in which they will come.
        seed: of the sample.
        cap: largest number of weights in it.
        medians: of the scope (`scope_medians`), for closer weights under a balanced DAI.
    """

    def __init__(
        self,
        matrices: Sequence[MatrixInfo],
        seed: int,
        cap: int = SKETCH_CAP,
        medians: Mapping[str, float] | None = None,
    ) -> None:
        self.matrices = matrices
        self.generator = np.random.default_rng(seed)
        sizes = [m.size for m in matrices]
        self.length = min(SEGMENT, *(m.columns for m in matrices))
        self.counts = allot(sizes, int(cap * (1 - SEGMENT_SHARE)), SKETCH_PER_MATRIX)
        self.segment_counts = [max(1, c // self.length) for c in allot(sizes, int(cap * SEGMENT_SHARE), self.length)]
        scale = (medians or {}).get("fisher_theta_0.5", 0.0)
        self.kappa = medians["sqrt_theta"] / scale if medians and scale > 0 else 0.0
        self.parts: list[tuple[dict[str, Tensor], dict[str, Tensor]]] = []

    def add(self, stats: MatrixStatistics) -> None:
        """Sample the next matrix."""
        index = len(self.parts)
        info = self.matrices[index]
        scattered = _scattered(stats, self.counts[index], self.generator)
        segments = _segments(info, self.segment_counts[index], self.length, self.generator)
        weights = fitted_weights(stats, scattered, self.kappa), np.full(len(segments), info.size / len(segments))
        whole = {kind: align_matrix(kind, stats).reshape(-1) for kind in OF_WHOLE_MATRICES}
        first, second = (
            _take(stats, whole, info, index, flat, weight)
            for flat, weight in zip((scattered, segments), weights, strict=True)
        )
        self.parts.append((first, second))

    def build(self) -> Sketch:
        """The sketch of all matrices added."""
        sides = [
            Sample(**{name: torch.cat([part[side][name] for part in self.parts]) for name in self.parts[0][side]})
            for side in (0, 1)
        ]
        return Sketch(sides[0], sides[1], self.length)


def allot(sizes: Sequence[int], cap: int, least: int) -> list[int]:
    """How many weights each matrix gives: in proportion to its size, at least `least`, `cap` in all.

    A matrix smaller than `least` gives all of itself. With too many matrices for `cap`, `least` shrinks.
    """
    least = min(least, max(1, cap // len(sizes)))
    counts = [min(size, least) for size in sizes]
    spare = cap - sum(counts)
    room = [size - count for size, count in zip(sizes, counts, strict=True)]
    total = sum(room)
    if total <= spare:
        return list(sizes)
    return [count + spare * free // total for count, free in zip(counts, room, strict=True)]


def _scattered(stats: MatrixStatistics, count: int, generator: np.random.Generator) -> np.ndarray:
    """Every k-th weight, from a random start, in the order of what the criteria read."""
    size = stats.theta.numel()
    if count >= size:
        return np.arange(size)
    places = (np.arange(count) + generator.random()) * (size / count)
    return np.sort(along_the_scores(stats)[places.astype(np.int64)])


def _segments(info: MatrixInfo, count: int, length: int, generator: np.random.Generator) -> np.ndarray:
    """Stretches of `length` inputs that begin at a multiple of `length`, so that N:M groups are whole."""
    per_row = info.columns // length
    chosen = generator.choice(info.rows * per_row, size=min(count, info.rows * per_row), replace=False)
    starts = (chosen // per_row) * info.columns + (chosen % per_row) * length
    return (np.sort(starts)[:, None] + np.arange(length)).reshape(-1)


def _take(
    stats: MatrixStatistics,
    whole: Mapping[Alignment, Tensor],
    info: MatrixInfo,
    index: int,
    flat: np.ndarray,
    weight: np.ndarray,
) -> dict[str, Tensor]:
    places = torch.from_numpy(flat)
    taken = {
        name: getattr(stats, name).reshape(-1)[places]
        for name in ("theta", "fisher_domain", "fisher_general", "grad_domain", "grad_general")
    }
    taken |= {f"s_{kind.value}": values[places].float() for kind, values in whole.items()}
    return {
        **taken,
        "matrix": torch.full((len(flat),), index, dtype=torch.long),
        "flat": places,
        "weight": torch.from_numpy(weight).float(),
        "act_domain": stats.act_domain[places % info.columns],
    }


def _arrays(sample: Sample) -> dict[str, np.ndarray]:
    return {f.name: getattr(sample, f.name).numpy() for f in fields(Sample)}


def _sample(arrays: Mapping[str, np.ndarray]) -> Sample:
    """A sample from its arrays.

    Raises:
        ValueError: they are not those of a sample.
    """
    size = len(arrays["theta"]) if arrays["theta"].ndim else 0
    for name, values in arrays.items():
        kinds = (np.int32, np.int64) if name in ("matrix", "flat") else (np.float32,)
        if values.shape != (size,) or not size or values.dtype not in kinds:
            raise ValueError(f"{name} is no array of a sample")
    if not (np.isfinite(arrays["weight"]) & (arrays["weight"] >= 0)).all():
        raise ValueError("weights of the sample are negative or not finite")
    tensors = {name: torch.from_numpy(values) for name, values in arrays.items()}
    return Sample(**{**tensors, "matrix": tensors["matrix"].long(), "flat": tensors["flat"].long()})


def _check_places(sample: Sample, matrices: Sequence[MatrixInfo]) -> None:
    """Refuse a sample that is not of some matrices, matrix after matrix.

    Raises:
        ValueError: it is not.
    """
    matrix, flat = sample.matrix.numpy(), sample.flat.numpy()
    if (np.diff(matrix) < 0).any() or not np.array_equal(np.unique(matrix), np.arange(len(matrices))):
        raise ValueError("it is of other matrices")
    if not (np.bincount(matrix, weights=sample.weight.numpy()) > 0).all():
        raise ValueError("it gives a matrix no weight")
    if (flat < 0).any() or (flat >= np.array([m.size for m in matrices])[matrix]).any():
        raise ValueError("it has weights that no matrix has")
