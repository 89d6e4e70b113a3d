"""Whole neurons in a sketch: what the exact rule of `masking.neuron_masks` will do, from a sample of each row.

The exact rule asks at which score nearly all of a neuron's inputs are gone. A segment is a stretch of one row, and its
own such score stands for that row and for its neighbours that were not drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gaprune_viz.calibration.statistics import MatrixInfo
from gaprune_viz.masking.neuron_masks import GONE, mlps_of
from gaprune_viz.sketch.ranked import SampleView, Scored


@dataclass(frozen=True)
class _Place:
    """Where the ends of an MLP lie in the list of all ends, and from which segments each feeder's are read."""

    start: int
    count: int
    segments: tuple[np.ndarray, ...]


class SampledNeurons:
    """The neurons of a scope as its sketch knows them.

    Args:
        matrices: of the scope.
        segments: the sample of stretches of rows.
        length: of a stretch.
    """

    def __init__(self, matrices: Sequence[MatrixInfo], segments: SampleView, length: int) -> None:
        self.matrices, self.segments, self.length = tuple(matrices), segments, length
        self.mlps = mlps_of(matrices)
        index = {m.name: i for i, m in enumerate(matrices)}
        first = segments.matrix[::length]
        self.places: list[_Place] = []
        self.of_matrix: dict[int, int] = {}
        start = 0
        for number, mlp in enumerate(self.mlps):
            drawn = tuple(np.flatnonzero(first == index[name]) for name in mlp.feeders)
            place = _Place(start, min(map(len, drawn)), drawn)
            self.places.append(place)
            start += place.count
            self.of_matrix[index[mlp.down]] = number
        self.total = start
        self._pointers: dict[int, np.ndarray] = {}

    def whole(self, view: SampleView, scored: Scored, segments: Scored) -> Scored:
        """Scores of a view in which a neuron goes whole; remembered beside those it was made from.

        Args:
            scored: of `view`.
            segments: of the sample of segments, under the same settings.
        """
        if scored.whole is None:
            ends = np.nextafter(self._ends(segments.values), np.float32(-np.inf))
            line = np.append(ends, np.float32(np.inf))[self._pointer(view)]
            scored.whole = Scored(np.minimum(scored.values, line), scored.weight)
        return scored.whole

    def _ends(self, values: np.ndarray) -> np.ndarray:
        """The score at which a sampled row is all but gone, the lower one of a neuron's rows; float32 [total]."""
        blocks = values.reshape(-1, self.length)
        count = min(self.length, int(GONE * self.length) + 1)
        of_row = np.partition(blocks, count - 1, axis=1)[:, count - 1]
        ends = np.empty(self.total, dtype=np.float32)
        for place in self.places:
            found = [of_row[drawn[np.arange(place.count) * len(drawn) // place.count]] for drawn in place.segments]
            ends[place.start : place.start + place.count] = np.min(found, axis=0)
        return ends

    def _pointer(self, view: SampleView) -> np.ndarray:
        """Whose end each entry goes by, int64 [n]: that of its column in a `down`; the last is nobody's.

        What is left of a row that is all but gone is too little to matter here, and stays as it is.
        """
        if id(view) not in self._pointers:
            pointer = np.full(len(view.matrix), self.total, dtype=np.int64)
            flat = view.sample.flat.numpy()
            for matrix, number in self.of_matrix.items():
                here, place, neurons = view.matrix == matrix, self.places[number], self.mlps[number].neurons
                pointer[here] = place.start + flat[here] % neurons * place.count // neurons
            self._pointers[id(view)] = pointer
        return self._pointers[id(view)]
