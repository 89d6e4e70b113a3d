"""What a slider move computes: scores of the sketch, thresholds, pruned fractions, densities, diagnostics.

The exact mask is another matter (`masking`); the preview says what it will look like, within sampling error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, nan

import numpy as np

from gaprune_viz.calibration.statistics import MatrixInfo
from gaprune_viz.config import Allocation, MaskSpec, ScoreSpec, Settings
from gaprune_viz.criteria.diagnostics import spread_correlation, term_shares
from gaprune_viz.criteria.registry import criteria, criterion, settled
from gaprune_viz.criteria.scoring import alignment_of, auto_kappa, lacking, resolve
from gaprune_viz.errors import GapruneError
from gaprune_viz.masking.neurons import capped
from gaprune_viz.masking.sentences import plain_sentence
from gaprune_viz.sketch.preview import Density, Overlaps, Points, Preview
from gaprune_viz.sketch.ranked import SampleView, Scored
from gaprune_viz.sketch.sample import Sketch

STARVED = 0.95
SCORE_BINS = 96
SCORE_TAIL = 0.002


class LiveScope:
    """A sketch made ready for sliders: what does not depend on them is computed once.

    Args:
        sketch: of the scope.
        matrices: of the scope.
        medians: behind kappa (`scope_medians`).
        gradients: of each side whether it has any; None for both.
    """

    def __init__(
        self,
        sketch: Sketch,
        matrices: Sequence[MatrixInfo],
        medians: Mapping[str, float],
        gradients: Mapping[str, bool] | None = None,
    ) -> None:
        self.aligned = all((gradients or {}).values())
        lacks = lacking(gradients or {})
        self.sketch, self.matrices, self.medians = sketch, tuple(matrices), dict(medians)
        self.sizes = np.array([m.size for m in matrices], dtype=np.float64)
        self.layers = tuple(sorted({m.layer for m in matrices}))
        self.row_of = np.searchsorted(self.layers, [m.layer for m in matrices])
        self.scattered = SampleView(sketch.scattered, len(matrices), lacks)
        self.segments = SampleView(sketch.segments, len(matrices), lacks)
        self._layer_row = self.row_of[self.scattered.matrix]
        sample = sketch.scattered
        # The signs of the product, because the product of two small gradients underflows.
        apart = (sample.grad_domain.sign() * sample.grad_general.sign() < 0).numpy()
        self.disagreement = self.scattered.total(apart) / float(self.sizes.sum()) if self.aligned else nan

    def kappa(self, spec: ScoreSpec) -> float:
        """The number behind kappa.

        Raises:
            GapruneError: it is "auto" and the Fisher median is 0.
        """
        if spec.fisher_scale != "auto":
            return float(spec.fisher_scale)
        return auto_kappa(self.medians["sqrt_theta"], self.medians[f"fisher_theta_{float(spec.fisher_power)}"])

    def preview(self, settings: Settings) -> Preview:
        """Score the sketch and say what the mask will be like.

        Raises:
            GapruneError: unknown criterion, kappa without a value, or a statistic the run does not have.
        """
        chosen = criterion(settings.score.criterion)
        numbers = resolve(settings.score, self.kappa(settings.score))
        kind = alignment_of(chosen, settings.score)
        mask = settled(settings).mask
        view = self.segments if _within_rows(mask) else self.scattered
        pruned, thresholds = self._prune(view, view.scored(settings.score, self.kappa), mask)
        magnitude = settings.score.with_(criterion="magnitude")
        mine, overlap = view.total(pruned), 1.0
        if mine:
            overlap = view.total(pruned & self._prune(view, view.scored(magnitude, self.kappa), mask)[0]) / mine
        shown = self.scattered.scored(settings.score, self.kappa)
        shares = term_shares(self.scattered.terms(chosen, kind, numbers), self.scattered.weight)
        fraction = view.share_by_matrix(pruned)
        other = self.scattered.scored(magnitude, self.kappa)
        return Preview(
            settings=settings,
            kappa=numbers.kappa,
            pruned_fraction=fraction,
            score_mean=self.scattered.mean_by_matrix(shown.values),
            thresholds=thresholds,
            term_shares=shares,
            overlap_with_magnitude=overlap,
            rank_correlation=spread_correlation(shown.spread, other.spread),
            disagreement=self.disagreement,
            starved=tuple(m.name for m, f in zip(self.matrices, fraction, strict=True) if f > STARVED),
            sentence=plain_sentence(
                chosen,
                settings.score,
                mask,
                shares=shares,
                overlap_with_magnitude=overlap,
                pruned_fraction=float((fraction * self.sizes).sum() / self.sizes.sum()),
                aligned=self.aligned,
            ),
        )

    def densities(self, settings: Settings) -> tuple[Density, Density]:
        """How the score and the alignment s spread in every layer (rows: `layers`); nothing where alignment is off.

        Raises:
            GapruneError: as `preview`.
        """
        kind = alignment_of(criterion(settings.score.criterion), settings.score)
        shown = self.scattered.scored(settings.score, self.kappa)
        spread = self._density(self.scattered.alignment(kind), np.linspace(-1, 1, 82))
        if not self.aligned:
            spread = Density(spread.edges, np.zeros_like(spread.counts))
        return self._density(shown.values, _score_edges(shown)), spread

    def scatter(self, preview: Preview, most: int, matrix: int | None = None) -> Points:
        """A spread of sampled weights with both parts of DAI at the preview's constants, whatever its criterion.

        Args:
            preview: from this scope.
            most: largest number of weights.
            matrix: position of the one matrix whose weights are wanted; None for all.
        """
        score = preview.settings.score
        view, pruned = self.pruned(preview.settings)
        terms = view.terms(criterion("dai"), score.alignment, resolve(score, preview.kappa))
        places = np.arange(len(pruned)) if matrix is None else np.flatnonzero(view.matrix == matrix)
        places = places[:: max(1, len(places) // most)]
        return Points(
            terms["magnitude"][places],
            (terms["fisher_domain"] + terms["fisher_general"])[places],
            pruned[places],
            view.matrix[places],
            view.sample.flat.numpy()[places],
            view.scored(score, self.kappa).values[places].astype(np.float64),
        )

    def pruned(self, settings: Settings, *, by_row: bool = False) -> tuple[SampleView, np.ndarray]:
        """A sample, and which of it would go, bool [n].

        Args:
            by_row: take the sample of whole stretches of rows even where the scattered one would do.
        """
        mask = settled(settings).mask
        view = self.segments if by_row or _within_rows(mask) else self.scattered
        return view, self._prune(view, view.scored(settings.score, self.kappa), mask)[0]

    def common(self, one: Settings, other: Settings) -> float:
        """Jaccard index of the weights that two settings would prune; 1 where neither prunes."""
        by_row = any(_within_rows(settled(settings).mask) for settings in (one, other))
        view, mine = self.pruned(one, by_row=by_row)
        _, theirs = self.pruned(other, by_row=by_row)
        union = view.total(mine | theirs)
        return view.total(mine & theirs) / union if union else 1.0

    def overlaps(self, settings: Settings) -> Overlaps:
        """The mask against every criterion's at the same settings; a criterion that the run cannot serve is left out.

        Raises:
            GapruneError: as `preview`.
        """
        view, pruned = self.pruned(settings)
        mask = settled(settings).mask
        found = Overlaps({}, {})
        mine = view.total(pruned)
        for name in criteria():
            try:
                scored = view.scored(settings.score.with_(criterion=name), self.kappa)
            except GapruneError:
                continue
            theirs, _ = self._prune(view, scored, mask)
            both = view.total(pruned & theirs)
            union = mine + view.total(theirs) - both
            found.overlap[name] = both / mine if mine else 1.0
            found.jaccard[name] = both / union if union else 1.0
        return found

    def _prune(self, view: SampleView, scored: Scored, mask: MaskSpec) -> tuple[np.ndarray, np.ndarray]:
        """Pruned entries, bool [n], and the threshold of each matrix, float64 [matrices]."""
        nothing = np.full(len(self.matrices), np.nan)
        if mask.pattern != "unstructured":
            kept, group = mask.n_m
            if self.sketch.segment_length % group:
                raise GapruneError(
                    f"{mask.pattern} cannot be previewed: {group} does not divide {self.sketch.segment_length}.",
                    "Choose an M that divides the segments, such as 4, 8 or 16.",
                )
            return _lowest_of_groups(scored.values, group, group - kept), nothing
        if mask.sparsity == 0:
            return np.zeros(len(scored.values), dtype=bool), nothing
        if mask.allocation is Allocation.ROW:
            length = self.sketch.segment_length
            return _lowest_of_groups(scored.values, length, floor(mask.sparsity * length + 1e-9)), nothing
        return self._prune_by_threshold(view, scored, mask)

    def _prune_by_threshold(self, view: SampleView, scored: Scored, mask: MaskSpec) -> tuple[np.ndarray, np.ndarray]:
        groups = {
            Allocation.AUTO: np.zeros(len(self.matrices), dtype=np.int64),
            Allocation.GLOBAL: np.zeros(len(self.matrices), dtype=np.int64),
            Allocation.LAYER: self.row_of,
            Allocation.MATRIX: np.arange(len(self.matrices)),
        }[mask.allocation]
        count = int(groups.max()) + 1
        name = mask.allocation.value
        if mask.row_ceiling < 1:
            scored = self._kept_in_rows(scored, mask.row_ceiling)
        if mask.floor > 0 or mask.ceiling < 1:
            scored, name = self._bounded(view, scored, mask), f"{name}, bounded"
        of_entry = groups[view.matrix] if count > 1 else np.zeros(0, dtype=np.int64)
        line = scored.thresholds(name, of_entry, count, mask.sparsity)
        if count == 1:
            return scored.values <= np.float32(line[0]), np.full(len(self.matrices), line[0])
        return scored.values <= line.astype(np.float32)[of_entry], line[groups]

    def _kept_in_rows(self, scored: Scored, ceiling: float) -> Scored:
        """Scores of the segments in which what a row must keep comes last; a segment stands for its row."""
        length = self.sketch.segment_length
        values = capped(scored.values.reshape(-1, length), floor(ceiling * length + 1e-9)).reshape(-1)
        return Scored(values, scored.weight)

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

    def _density(self, values: np.ndarray, edges: np.ndarray) -> Density:
        bins = len(edges) - 1
        scale = np.float32(bins / (edges[-1] - edges[0]))
        # What is no number, as after an overflow, counts with the lowest.
        place = np.nan_to_num((values - np.float32(edges[0])) * scale).clip(0, bins - 1).astype(np.int64)
        flat = np.bincount(
            self._layer_row * bins + place, weights=self.scattered.weight, minlength=len(self.layers) * bins
        )
        return Density(edges, flat.reshape(len(self.layers), bins))


def _within_rows(mask: MaskSpec) -> bool:
    """Whether a mask is decided, or bounded, within rows: only the segments know what goes then."""
    return mask.pattern != "unstructured" or mask.allocation is Allocation.ROW or mask.row_ceiling < 1


def _lowest_of_groups(scores: np.ndarray, group: int, count: int) -> np.ndarray:
    """bool [n]: the `count` lowest of every `group` consecutive entries, equal ones by position."""
    blocks = scores.reshape(-1, group)
    pruned = np.zeros(blocks.shape, dtype=bool)
    order = np.argsort(blocks, axis=1, kind="stable")
    np.put_along_axis(pruned, order[:, :count], True, axis=1)
    return pruned.reshape(-1)


def _score_edges(scored: Scored) -> np.ndarray:
    """Bins over the bulk of the scores; what lies outside is counted in the outermost ones."""
    places = [int(SCORE_TAIL * len(scored.order)), int((1 - SCORE_TAIL) * (len(scored.order) - 1))]
    low, high = scored.values[scored.order[places]].astype(np.float64)
    if not high > low:
        low, high = low - 0.5, low + 0.5
    return np.linspace(low, high, SCORE_BINS + 1)
