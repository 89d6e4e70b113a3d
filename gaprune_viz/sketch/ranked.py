"""A sample of weights made ready for sliders: scores, their order and thresholds, remembered."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np

from gaprune_viz.config import Alignment, FisherEstimate, ScoreSpec
from gaprune_viz.criteria.criterion import STATISTICS, Criterion, ResolvedScore, WeightStatistics
from gaprune_viz.criteria.diagnostics import rank_spread
from gaprune_viz.criteria.registry import criterion
from gaprune_viz.criteria.scoring import alignment_of, estimate_of, score_weights, terms_of
from gaprune_viz.masking.order_statistics import weighted_last
from gaprune_viz.sketch.sample import Sample

REMEMBERED = 24

# torch starts threads from twice this many elements on; beside a running calibration they would wait for each other.
BLOCK = 16_384


@dataclass
class Scored:
    """Scores of a sample, and what is derived from them when first asked for.

    Attributes:
        values: float32 [n].
        weight: float64 [n], how many weights of the model each one stands for.
        whole: the same with neurons counted whole, once somebody asked for it.
    """

    values: np.ndarray
    weight: np.ndarray
    whole: Scored | None = None
    _grouped: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=dict)
    _asked: set[str] = field(default_factory=set)

    @cached_property
    def order(self) -> np.ndarray:
        return np.argsort(self.values)

    @cached_property
    def ranks(self) -> np.ndarray:
        """Average rank of each value, float64 [n]; each one takes up as many ranks as it has weight."""
        ordered = self.values[self.order]
        new = np.empty(len(ordered), dtype=bool)
        new[0] = True
        np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
        weight = self.weight[self.order]
        ends = np.cumsum(weight)
        if new.all():
            middle = ends - (weight - 1) / 2
        else:
            starts = np.flatnonzero(new)
            taken = np.add.reduceat(weight, starts)
            middle = np.repeat(np.cumsum(taken) - (taken - 1) / 2, np.diff(np.append(starts, len(ordered))))
        ranks = np.empty(len(ordered))
        ranks[self.order] = middle
        return ranks

    @cached_property
    def spread(self) -> tuple[np.ndarray, float]:
        """Ranks about their mean, and their norm; see `rank_spread`."""
        return rank_spread(self.ranks, self.weight)

    def thresholds(self, name: str, groups: np.ndarray, count: int, fraction: float) -> np.ndarray:
        """The score up to which a fraction of each group's weight lies.

        Args:
            name: of the grouping, under which its order is remembered.
            groups: int64 [n], the group of each entry.
            count: how many groups there are.
            fraction: above 0, at most 1.

        Returns:
            float64 [count].
        """
        if name not in self._grouped and name not in self._asked:
            # Sorting pays where the same scores are asked again, as when only the sparsity moves.
            self._asked.add(name)
            return weighted_last(self.values, self.weight, groups, count, fraction)
        if name not in self._grouped:
            order = self.order if count == 1 else self.order[np.argsort(groups[self.order], kind="stable")]
            bounds = np.searchsorted(groups[order], np.arange(count + 1)) if count > 1 else np.array([0, len(order)])
            self._grouped[name] = order, np.cumsum(self.weight[order]), bounds
        order, ends, bounds = self._grouped[name]
        before = np.where(bounds > 0, ends[bounds - 1], 0.0)
        wanted = before[:-1] + fraction * np.diff(before)
        # Rounding of the running sum must not push a whole group past its own end.
        places = np.searchsorted(ends, wanted * (1 - 1e-12))
        return self.values[order[np.clip(places, bounds[:-1], bounds[1:] - 1)]].astype(np.float64)


class SampleView:
    """One sample as arrays, with its scores for the settings used lately.

    Args:
        sample: of all matrices.
        matrices: how many there are.
        lacks: statistics that were not measured, whatever the sample holds in their place.
    """

    def __init__(self, sample: Sample, matrices: int, lacks: Collection[str] = ()) -> None:
        self.sample, self.lacks = sample, frozenset(lacks)
        self.matrix = sample.matrix.numpy()
        self.weight = sample.weight.double().numpy()
        self.weight32 = sample.weight.numpy()
        self._bounds = np.searchsorted(self.matrix, np.arange(matrices + 1))
        each = self.weight[self._bounds[:-1]]
        self._even = each if (self.weight == each[self.matrix]).all() else None
        self.totals = self.by_matrix(np.ones(len(sample), dtype=bool))
        self._blocks: dict[tuple[Alignment, FisherEstimate], list[WeightStatistics]] = {}
        self._alignments: dict[Alignment, np.ndarray] = {}
        self._scored: OrderedDict[tuple[object, ...], Scored] = OrderedDict()
        self._lock = threading.Lock()

    def blocks(self, kind: Alignment, fisher: FisherEstimate) -> list[WeightStatistics]:
        """What the criteria take, in blocks that torch works on without threads.

        Raises:
            GapruneError: the run does not have the estimate.
        """
        if (kind, fisher) not in self._blocks:
            whole = self.sample.statistics(kind, fisher)
            starts = range(0, len(self.sample), BLOCK)
            self._blocks[kind, fisher] = [_block(whole, slice(start, start + BLOCK), self.lacks) for start in starts]
        return self._blocks[kind, fisher]

    def alignment(self, kind: Alignment) -> np.ndarray:
        """s of every entry, float32 [n]."""
        if kind not in self._alignments:
            self._alignments[kind] = self.sample.alignment(kind).numpy()
        return self._alignments[kind]

    def terms(self, chosen: Criterion, spec: ScoreSpec, numbers: ResolvedScore) -> dict[str, np.ndarray]:
        """The additive terms of a criterion's scores, float64 [n] each.

        Raises:
            GapruneError: a statistic that the run does not have.
        """
        blocks = self.blocks(alignment_of(chosen, spec), estimate_of(chosen, spec))
        parts = [terms_of(chosen, block, numbers) for block in blocks]
        return {name: np.concatenate([p[name].numpy() for p in parts], dtype=np.float64) for name in parts[0]}

    def scored(self, spec: ScoreSpec, numbers_of: Callable[[ScoreSpec], ResolvedScore]) -> Scored:
        """Scores of the sample under some settings.

        Raises:
            GapruneError: unknown criterion, kappa without a value, or a statistic the run does not have.
        """
        chosen = criterion(spec.criterion)
        kind = alignment_of(chosen, spec)
        key = (chosen.name, kind if "alignment" in chosen.needs else None, *(getattr(spec, k) for k in chosen.knobs))
        with self._lock:
            if key in self._scored:
                self._scored.move_to_end(key)
                return self._scored[key]
        numbers, blocks = numbers_of(spec), self.blocks(kind, estimate_of(chosen, spec))
        values = np.concatenate([score_weights(chosen, block, numbers).numpy() for block in blocks])
        with self._lock:
            # Another thread may have been first: then its order and ranks are of use to this one.
            made = self._scored.setdefault(key, Scored(values, self.weight))
            while len(self._scored) > REMEMBERED:
                self._scored.popitem(last=False)
        return made

    def total(self, chosen: np.ndarray) -> float:
        """How many weights of the model a bool [n] stands for."""
        return float(self.by_matrix(chosen).sum())

    def share_by_matrix(self, chosen: np.ndarray) -> np.ndarray:
        """Share of each matrix that a bool [n] marks, float64 [matrices]."""
        return self.by_matrix(chosen) / self.totals

    def by_matrix(self, chosen: np.ndarray) -> np.ndarray:
        """How many weights of each matrix a bool [n] stands for, float64 [matrices]."""
        if self._even is None:
            return np.add.reduceat(self.weight * chosen, self._bounds[:-1])
        # Not `np.add.reduceat`, which widens every bool before it adds.
        counts = [np.count_nonzero(chosen[a:b]) for a, b in pairwise(self._bounds.tolist())]
        return np.array(counts) * self._even

    def mean_by_matrix(self, values: np.ndarray) -> np.ndarray:
        """Mean of values [n] in each matrix, float64 [matrices]."""
        return np.add.reduceat(values * self.weight, self._bounds[:-1]) / self.totals


def _block(whole: WeightStatistics, part: slice, lacks: frozenset[str]) -> WeightStatistics:
    """Some entries of a sample's statistics."""
    known = [name for name in STATISTICS if getattr(whole, name) is not None and name not in lacks]
    picked = {name: getattr(whole, name)[part] for name in known}
    assert whole.flat_index is not None
    assert not isinstance(whole.matrix_index, int)
    return WeightStatistics(**picked, flat_index=whole.flat_index[part], matrix_index=whole.matrix_index[part])
