"""Which sampled weights some settings would prune, and how much of each matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor

import numpy as np

from gaprune_viz.calibration.statistics import MatrixInfo
from gaprune_viz.config import Allocation, MaskSpec, ScoreSpec
from gaprune_viz.criteria.criterion import ResolvedScore
from gaprune_viz.errors import GapruneError
from gaprune_viz.sketch.neuron_samples import SampledNeurons
from gaprune_viz.sketch.ranked import SampleView, Scored


@dataclass(frozen=True)
class Cut:
    """What goes.

    Attributes:
        pruned: bool [n], of the entries of the sample that was asked about.
        thresholds: float64 [matrices], the score up to which each was pruned; nan where there is no one line.
        fraction: float64 [matrices], the share of each matrix that goes.
    """

    pruned: np.ndarray
    thresholds: np.ndarray
    fraction: np.ndarray


class SketchCutting:
    """Prunes the two samples of a sketch.

    Args:
        matrices: of the scope.
        scattered, segments: the samples.
        length: of a segment.
        numbers: what a spec's criterion computes with.
    """

    def __init__(
        self,
        matrices: Sequence[MatrixInfo],
        scattered: SampleView,
        segments: SampleView,
        length: int,
        numbers: Callable[[ScoreSpec], ResolvedScore],
    ) -> None:
        self.matrices, self.scattered, self.segments, self.length = tuple(matrices), scattered, segments, length
        self.numbers = numbers
        self.neurons = SampledNeurons(matrices, segments, length)
        layers = sorted({m.layer for m in matrices})
        everything = np.zeros(len(matrices), dtype=np.int64)
        self.groups = {
            Allocation.AUTO: everything,
            Allocation.GLOBAL: everything,
            Allocation.LAYER: np.searchsorted(layers, [m.layer for m in matrices]),
            Allocation.MATRIX: np.arange(len(matrices)),
        }

    def cut(self, view: SampleView, score: ScoreSpec, mask: MaskSpec) -> Cut:
        """Prune a sample: the segments where `within_rows`, else either.

        Raises:
            GapruneError: unknown criterion, kappa without a value, a statistic the run does not have, or a pattern that
                does not fit the segments.
        """
        scored = view.scored(score, self.numbers)
        if mask.pattern != "unstructured":
            kept, group = mask.n_m
            if self.length % group:
                raise GapruneError(
                    f"{mask.pattern} cannot be previewed: {group} does not divide {self.length}.",
                    "Choose an M that divides the segments, such as 4, 8 or 16.",
                )
            return self._without_line(view, _lowest_of_groups(scored.values, group, np.array(group - kept)))
        if mask.sparsity == 0:
            return self._without_line(view, np.zeros(len(scored.values), dtype=bool))
        if mask.allocation is Allocation.ROW:
            return self._without_line(view, _lowest_of_groups(scored.values, self.length, self._of_rows(mask.sparsity)))
        if mask.row_ceiling < 1:
            scattered, segments = (self._whole(sample, score, mask) for sample in (self.scattered, self.segments))
            return self._below_ceiling(scattered, segments, mask)
        return self._below(view, self._whole(view, score, mask), mask)

    def _whole(self, view: SampleView, score: ScoreSpec, mask: MaskSpec) -> Scored:
        """The scores of a sample, a neuron counting as a whole if it shall."""
        scored = view.scored(score, self.numbers)
        if not (mask.whole_neurons and self.neurons.mlps):
            return scored
        return self.neurons.whole(view, scored, self.segments.scored(score, self.numbers))

    def _without_line(self, view: SampleView, pruned: np.ndarray) -> Cut:
        return Cut(pruned, np.full(len(self.matrices), np.nan), view.share_by_matrix(pruned))

    def _below(self, view: SampleView, scored: Scored, mask: MaskSpec) -> Cut:
        """What is below the threshold of its group."""
        groups, name = self.groups[mask.allocation], mask.allocation.value
        count = int(groups.max()) + 1
        if mask.floor > 0 or mask.ceiling < 1:
            scored, name = self._bounded(view, scored, mask), f"{name}, bounded"
        of_entry = groups[view.matrix] if count > 1 else np.zeros(0, dtype=np.int64)
        line = scored.thresholds(name, of_entry, count, mask.sparsity)
        limit = np.float32(line[0]) if count == 1 else line.astype(np.float32)[of_entry]
        pruned = scored.values <= limit
        return Cut(pruned, line[groups], view.share_by_matrix(pruned))

    def _below_ceiling(self, scattered: Scored, segments: Scored, mask: MaskSpec) -> Cut:
        """What is below the threshold and is not kept by its row.

        The scattered sample says how many weights are below a line, the segments how many of them their rows keep: a
        small number, so that it matters little how few rows were drawn.
        """
        if mask.floor > 0 or mask.ceiling < 1:
            scattered = self._bounded(self.scattered, scattered, mask)
            segments = self._bounded(self.segments, segments, mask)
        groups = self.groups[mask.allocation]
        kept = self._kept_in_rows(segments.values, mask.row_ceiling)
        values = np.concatenate([scattered.values, segments.values[kept]])
        weight = np.concatenate([scattered.weight, -segments.weight[kept]])
        group = groups[np.concatenate([self.scattered.matrix, self.segments.matrix[kept]])]
        line = np.full(int(groups.max()) + 1, np.inf)
        for number in range(len(line)):
            here = np.flatnonzero(group == number) if len(line) > 1 else np.arange(len(values))
            order = here[np.argsort(values[here], kind="stable")]
            ends = np.cumsum(weight[order])
            enough = ends >= mask.sparsity * self.scattered.totals[groups == number].sum() * (1 - 1e-9)
            if enough.any():
                line[number] = values[order[enough.argmax()]]
        of_matrix = line[groups]
        below = scattered.values <= of_matrix.astype(np.float32)[self.scattered.matrix]
        low = segments.values <= of_matrix.astype(np.float32)[self.segments.matrix]
        fraction = self.scattered.share_by_matrix(below) - self.segments.share_by_matrix(low & kept)
        return Cut(low & ~kept, of_matrix, np.clip(fraction, 0.0, mask.row_ceiling))

    def _of_rows(self, sparsity: float) -> np.ndarray:
        """How many of each segment go, int64 [segments]: on the whole as large a share as goes of the matrix's rows."""
        columns = np.array([m.columns for m in self.matrices])
        share = np.floor(sparsity * columns + 1e-9) / columns
        wanted = np.cumsum(share[self.segments.matrix[:: self.length]] * self.length)
        return np.diff(np.floor(wanted + 1e-6), prepend=0).astype(np.int64)

    def _kept_in_rows(self, values: np.ndarray, ceiling: float) -> np.ndarray:
        """bool [n] of the segments: the highest scores of each, which its row keeps; of equal ones the later."""
        goes = np.array(floor(ceiling * self.length + 1e-9))
        return ~_lowest_of_groups(values, self.length, goes)

    def _bounded(self, view: SampleView, scored: Scored, mask: MaskSpec) -> Scored:
        """Scores in which what a matrix must give comes first, and what it may not give comes last."""
        count = len(self.matrices)
        low = np.full(count, -np.inf)
        if mask.floor > 0:
            low = scored.thresholds("matrix", view.matrix, count, mask.floor)
        high = scored.thresholds("matrix", view.matrix, count, mask.ceiling)
        low32, high32 = low.astype(np.float32)[view.matrix], high.astype(np.float32)[view.matrix]
        values = np.where(scored.values <= low32, -np.inf, np.where(scored.values > high32, np.inf, scored.values))
        return Scored(values.astype(np.float32), view.weight)


def within_rows(mask: MaskSpec) -> bool:
    """Whether a mask is decided, or bounded, within rows: only the segments know what goes then."""
    return mask.pattern != "unstructured" or mask.allocation is Allocation.ROW or mask.row_ceiling < 1


def _lowest_of_groups(scores: np.ndarray, group: int, counts: np.ndarray) -> np.ndarray:
    """bool [n]: the lowest of every `group` consecutive entries, one count for all or each its own; ties by place."""
    blocks = scores.reshape(-1, group)
    pruned = np.zeros(blocks.shape, dtype=bool)
    order = np.argsort(blocks, axis=1, kind="stable")
    goes = np.broadcast_to(np.arange(group) < counts[..., None], blocks.shape)
    np.put_along_axis(pruned, order, goes, axis=1)
    return pruned.reshape(-1)
