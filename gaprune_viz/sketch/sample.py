"""A stratified sample of weights: what makes the sliders live, whatever the model's size.

Two samples of every matrix are kept. The *scattered* one takes every k-th weight in an order in which neighbours are
alike in all that the criteria read (`strata`), weighted so that it adds up in every class of the usual scores
(`sample_weights`): their quantiles are caught closely.
The *segments* are stretches of consecutive inputs of a row, for what is decided within a row: N:M and row allocation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gaprune_viz.calibration.statistics import MatrixInfo
from gaprune_viz.config import SIDES, Alignment, FisherEstimate
from gaprune_viz.criteria.alignment import correlation, sign_agreement
from gaprune_viz.criteria.criterion import WeightStatistics
from gaprune_viz.criteria.sources.source_moments import OVER_SOURCES, over_sources
from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.array_files import DAMAGED, read_arrays

ESTIMATES = tuple(f"{kind.value}_{side}" for kind in (FisherEstimate.RANK_ONE, FisherEstimate.SHRUNK) for side in SIDES)
"""Fields of a sample that sketches of earlier versions lack."""
LATER = frozenset((*ESTIMATES, *OVER_SOURCES))
"""Fields that need not be in a sketch: those, and what only a run of several sources writes down."""


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
        rank_one_*, shrunk_*: float32, estimates of the Fisher information; None in sketches of earlier versions.
        source_*: float32, over the sources of a run of several (`over_sources`).
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
    rank_one_domain: Tensor | None = None
    rank_one_general: Tensor | None = None
    shrunk_domain: Tensor | None = None
    shrunk_general: Tensor | None = None
    source_agreement: Tensor | None = None
    source_least: Tensor | None = None
    source_mean: Tensor | None = None
    source_spread: Tensor | None = None

    def __len__(self) -> int:
        return len(self.theta)

    def over_sides(self, masses: Sequence[float]) -> Sample:
        """The same, with what the two sides say of each weight as the sources of a run that has no others.

        Args:
            masses: mean Fisher information of each side over the scope.
        """
        fishers, grads = (self.fisher_domain, self.fisher_general), (self.grad_domain, self.grad_general)
        return replace(self, **over_sources(fishers, grads, masses))

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

    def fisher(self, kind: FisherEstimate, side: str) -> Tensor:
        """An estimate of a side's Fisher information, float32 [n].

        Raises:
            GapruneError: an earlier version made this sketch, without estimates.
        """
        found = getattr(self, f"{'fisher' if kind is FisherEstimate.RAW else kind.value}_{side}")
        if found is None:
            raise GapruneError(
                "This analysis is of an earlier version, which kept Fisher information as measured only.",
                "Run it again, or choose Fisher estimate raw.",
            )
        return found

    def statistics(self, kind: Alignment, fisher: FisherEstimate = FisherEstimate.RAW) -> WeightStatistics:
        """What the criteria take.

        Raises:
            GapruneError: as `fisher`.
        """
        return WeightStatistics(
            theta=self.theta,
            fisher_domain=self.fisher(fisher, "domain"),
            fisher_general=self.fisher(fisher, "general"),
            alignment=self.alignment(kind),
            grad_domain=self.grad_domain,
            act_domain=self.act_domain,
            **{name: getattr(self, name) for name in OVER_SOURCES},
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
        names = {place: name in LATER for side in places.values() for name, place in side.items()}
        needed = ["segment_length", *(place for place, is_later in names.items() if not is_later)]
        later = [place for place, is_later in names.items() if is_later]
        try:
            found = read_arrays(path, needed, later)
            sides = [
                _sample({name: found[place] for name, place in side.items() if place in found})
                for side in places.values()
            ]
            length = found["segment_length"]
            if length.shape or length.dtype.kind != "i" or length < 1 or len(sides[1]) % int(length):
                raise ValueError("the length of its segments is another")
            for sample in sides if matrices is not None else ():
                _check_places(sample, matrices or ())
            return cls(sides[0], sides[1], int(length))
        except DAMAGED as error:
            raise GapruneError(f"The sketch {path.name} cannot be read: {error}.", "Run the analysis again.") from error


def _arrays(sample: Sample) -> dict[str, np.ndarray]:
    known = {f.name: getattr(sample, f.name) for f in fields(Sample)}
    return {name: values.numpy() for name, values in known.items() if values is not None}


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
