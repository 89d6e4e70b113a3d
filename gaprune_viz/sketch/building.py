"""Draw the two samples of every matrix that make up a sketch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from gaprune_viz.calibration.statistics import MatrixInfo, MatrixStatistics
from gaprune_viz.config import SIDES, SKETCH_CAP, SKETCH_PER_MATRIX, Alignment
from gaprune_viz.criteria.alignment import align_matrix
from gaprune_viz.criteria.fisher_estimate import rank_one, shrunk
from gaprune_viz.sketch.sample import Sample, Sketch
from gaprune_viz.sketch.sample_weights import fitted_weights
from gaprune_viz.sketch.strata import along_the_scores

SEGMENT = 64
SEGMENT_SHARE = 0.25
# Alignments of a weight that cannot be had from the weight's own gradients.
OF_WHOLE_MATRICES = (Alignment.ROW, Alignment.MATRIX, Alignment.UNIT_PRODUCT)


class SketchBuilder:
    """Takes matrices one at a time; holds no more than the samples.

    Args:
        matrices: of the scope, in the order in which they will come.
        seed: of the sample.
        cap: largest number of weights in it.
        medians: of the scope (`scope_medians`), for closer weights under a balanced DAI.
        samples: number of samples a side, by which estimates of the Fisher information are shrunk.
    """

    def __init__(
        self,
        matrices: Sequence[MatrixInfo],
        seed: int,
        cap: int = SKETCH_CAP,
        medians: Mapping[str, float] | None = None,
        samples: Mapping[str, float] | None = None,
    ) -> None:
        self.samples = samples or dict.fromkeys(SIDES, 1.0)
        self.matrices = matrices
        self.generator = np.random.default_rng(seed)
        sizes = [m.size for m in matrices]
        self.length = min(SEGMENT, *(m.columns for m in matrices))
        self.counts = allot(sizes, int(cap * (1 - SEGMENT_SHARE)), SKETCH_PER_MATRIX)
        self.segment_counts = [max(1, c // self.length) for c in allot(sizes, int(cap * SEGMENT_SHARE), self.length)]
        scale = (medians or {}).get("fisher_theta_0.5", 0.0)
        self.kappa = medians["sqrt_theta"] / scale if medians and scale > 0 else 0.0
        self.parts: list[tuple[dict[str, Tensor], dict[str, Tensor]]] = []

    def add(self, stats: MatrixStatistics, over: Mapping[str, Tensor] | None = None) -> None:
        """Sample the next matrix.

        Args:
            over: what several sources say of its weights (`over_sources`), float32 [out, in] each.
        """
        index = len(self.parts)
        info = self.matrices[index]
        scattered = _scattered(stats, self.counts[index], self.generator)
        segments = _segments(info, self.segment_counts[index], self.length, self.generator)
        weights = fitted_weights(stats, scattered, self.kappa), np.full(len(segments), info.size / len(segments))
        whole = {f"s_{kind.value}": align_matrix(kind, stats).reshape(-1) for kind in OF_WHOLE_MATRICES}
        whole |= {name: values.reshape(-1) for name, values in (over or {}).items()}
        for side in SIDES:
            raw = getattr(stats, f"fisher_{side}")
            smooth = rank_one(raw)
            whole[f"rank_one_{side}"] = smooth.reshape(-1)
            whole[f"shrunk_{side}"] = shrunk(raw, smooth, self.samples[side]).reshape(-1)
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
    whole: Mapping[str, Tensor],
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
    taken |= {name: values[places].float() for name, values in whole.items()}
    return {
        **taken,
        "matrix": torch.full((len(flat),), index, dtype=torch.long),
        "flat": places,
        "weight": torch.from_numpy(weight).float(),
        "act_domain": stats.act_domain[places % info.columns],
    }
