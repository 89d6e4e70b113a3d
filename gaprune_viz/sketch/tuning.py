"""What a slider move computes: scores of the sketch, thresholds, pruned fractions, densities, diagnostics.

The exact mask is another matter (`masking`); the preview says what it will look like, within sampling error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import nan

import numpy as np

from gaprune_viz.calibration.statistics import MatrixInfo
from gaprune_viz.config import SIDES, ScoreSpec, Settings
from gaprune_viz.criteria.criterion import ResolvedScore
from gaprune_viz.criteria.diagnostics import spread_correlation, term_shares
from gaprune_viz.criteria.registry import criteria, criterion, settled
from gaprune_viz.criteria.scoring import alignment_of, kappa_of, lacking, numbers_of
from gaprune_viz.errors import GapruneError
from gaprune_viz.masking.sentences import plain_sentence
from gaprune_viz.sketch.preview import Density, Overlaps, Points, Preview
from gaprune_viz.sketch.ranked import SampleView, Scored
from gaprune_viz.sketch.sample import Sketch
from gaprune_viz.sketch.sampled_masks import SketchCutting, within_rows

STARVED = 0.95
SCORE_BINS = 96
SCORE_TAIL = 0.002


class LiveScope:
    """A sketch made ready for sliders: what does not depend on them is computed once.

    Args:
        sketch: of the scope.
        matrices: of the scope.
        scales: sizes that scores are set against (`Statistics.scales`).
        gradients: of each side whether it has any; None for both.
        several: whether the run has more sources than its two sides.
    """

    def __init__(
        self,
        sketch: Sketch,
        matrices: Sequence[MatrixInfo],
        scales: Mapping[str, float],
        gradients: Mapping[str, bool] | None = None,
        several: bool = False,
    ) -> None:
        self.aligned = all((gradients or {}).values())
        lacks = lacking(gradients or {})
        if not several:
            masses = [scales.get(f"mass_{side}", nan) for side in SIDES]
            samples = sketch.scattered.over_sides(masses), sketch.segments.over_sides(masses)
            sketch = Sketch(*samples, sketch.segment_length)
        self.sketch, self.matrices, self.scales = sketch, tuple(matrices), dict(scales)
        self.sizes = np.array([m.size for m in matrices], dtype=np.float64)
        self.layers = tuple(sorted({m.layer for m in matrices}))
        self.row_of = np.searchsorted(self.layers, [m.layer for m in matrices])
        self.scattered = SampleView(sketch.scattered, len(matrices), lacks)
        self.segments = SampleView(sketch.segments, len(matrices), lacks)
        self.cutting = SketchCutting(self.matrices, self.scattered, self.segments, sketch.segment_length, self.numbers)
        self._layer_row = self.row_of[self.scattered.matrix]
        sample = sketch.scattered
        # The signs of the product, because the product of two small gradients underflows.
        apart = (sample.grad_domain.sign() * sample.grad_general.sign() < 0).numpy()
        self.disagreement = self.scattered.total(apart) / float(self.sizes.sum()) if self.aligned else nan

    @cached_property
    def agreement(self) -> np.ndarray:
        """How far the gradients of all sources agree, float64 [matrices], each in the mean over its weights; nan where
        a source has none, or the sketch does not hold it."""
        found = self.sketch.scattered.source_agreement
        if found is None or not self.aligned:
            return np.full(len(self.matrices), nan)
        return self.scattered.mean_by_matrix(found.numpy())

    def kappa(self, spec: ScoreSpec) -> float:
        """The number behind kappa.

        Raises:
            GapruneError: it is "auto" and the Fisher median is 0.
        """
        return kappa_of(spec, self.scales)

    def numbers(self, spec: ScoreSpec) -> ResolvedScore:
        """What a criterion computes with.

        Raises:
            GapruneError: as `kappa`, where the criterion has one.
        """
        return numbers_of(spec, self.scales)

    def preview(self, settings: Settings) -> Preview:
        """Score the sketch and say what the mask will be like.

        Raises:
            GapruneError: unknown criterion, kappa without a value, or a statistic the run does not have.
        """
        chosen = criterion(settings.score.criterion)
        numbers = self.numbers(settings.score)
        mask = settled(settings).mask
        view = self.segments if within_rows(mask) else self.scattered
        cut = self.cutting.cut(view, settings.score, mask)
        magnitude = settings.score.with_(criterion="magnitude")
        mine, overlap = view.total(cut.pruned), 1.0
        if mine:
            overlap = view.total(cut.pruned & self.cutting.cut(view, magnitude, mask).pruned) / mine
        shown = self.scattered.scored(settings.score, self.numbers)
        shares = term_shares(self.scattered.terms(chosen, settings.score, numbers), self.scattered.weight)
        fraction = cut.fraction
        other = self.scattered.scored(magnitude, self.numbers)
        return Preview(
            settings=settings,
            kappa=self.kappa(settings.score),
            pruned_fraction=fraction,
            score_mean=self.scattered.mean_by_matrix(shown.values),
            thresholds=cut.thresholds,
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
        shown = self.scattered.scored(settings.score, self.numbers)
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
        terms = view.terms(criterion("dai"), score, self.numbers(score.with_(criterion="dai")))
        places = np.arange(len(pruned)) if matrix is None else np.flatnonzero(view.matrix == matrix)
        places = places[:: max(1, len(places) // most)]
        return Points(
            terms["magnitude"][places],
            (terms["fisher_domain"] + terms["fisher_general"])[places],
            pruned[places],
            view.matrix[places],
            view.sample.flat.numpy()[places],
            view.scored(score, self.numbers).values[places].astype(np.float64),
        )

    def pruned(self, settings: Settings, *, by_row: bool = False) -> tuple[SampleView, np.ndarray]:
        """A sample, and which of it would go, bool [n].

        Args:
            by_row: take the sample of whole stretches of rows even where the scattered one would do.

        Raises:
            GapruneError: whole structures go, which a sample of single weights does not know.
        """
        if settings.structure.whole:
            raise GapruneError(
                f"Which single weights go with whole {settings.structure.structure.value} a sketch cannot tell.",
                "Look inside a matrix, which makes the cut, or set structure to weights.",
            )
        mask = settled(settings).mask
        view = self.segments if by_row or within_rows(mask) else self.scattered
        return view, self.cutting.cut(view, settings.score, mask).pruned

    def common(self, one: Settings, other: Settings) -> float:
        """Jaccard index of the weights that two settings would prune; 1 where neither prunes."""
        by_row = any(within_rows(settled(settings).mask) for settings in (one, other))
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
                theirs = self.cutting.cut(view, settings.score.with_(criterion=name), mask).pruned
            except GapruneError:
                continue
            both = view.total(pruned & theirs)
            union = mine + view.total(theirs) - both
            found.overlap[name] = both / mine if mine else 1.0
            found.jaccard[name] = both / union if union else 1.0
        return found

    def _density(self, values: np.ndarray, edges: np.ndarray) -> Density:
        bins = len(edges) - 1
        scale = np.float32(bins / (edges[-1] - edges[0]))
        # What is no number, as after an overflow, counts with the lowest.
        place = np.nan_to_num((values - np.float32(edges[0])) * scale).clip(0, bins - 1).astype(np.int64)
        flat = np.bincount(
            self._layer_row * bins + place, weights=self.scattered.weight, minlength=len(self.layers) * bins
        )
        return Density(edges, flat.reshape(len(self.layers), bins))


def _score_edges(scored: Scored) -> np.ndarray:
    """Bins over the bulk of the scores; what lies outside is counted in the outermost ones."""
    places = [int(SCORE_TAIL * len(scored.order)), int((1 - SCORE_TAIL) * (len(scored.order) - 1))]
    low, high = scored.values[scored.order[places]].astype(np.float64)
    if not high > low:
        low, high = low - 0.5, low + 0.5
    return np.linspace(low, high, SCORE_BINS + 1)
