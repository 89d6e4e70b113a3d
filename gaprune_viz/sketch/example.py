"""One sampled weight as an example: its statistics, its terms and how near it is to the threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gaprune_viz.criteria.registry import criterion
from gaprune_viz.criteria.scoring import alignment_of, estimate_of
from gaprune_viz.sketch.preview import Preview
from gaprune_viz.sketch.tuning import LiveScope


@dataclass(frozen=True)
class Example:
    """A sampled weight under some settings.

    Attributes:
        name, row, column: which weight.
        theta: |theta|.
        fisher_domain, fisher_general: mean squared gradients.
        alignment: s.
        terms: additive terms of the score.
        score: higher means keep.
        threshold: of its group; nan where there is no common one.
        pruned: whether it would go.
    """

    name: str
    row: int
    column: int
    theta: float
    fisher_domain: float
    fisher_general: float
    alignment: float
    terms: dict[str, float]
    score: float
    threshold: float
    pruned: bool


def closest_call(live: LiveScope, preview: Preview, matrix: int) -> Example:
    """The sampled weight of a matrix whose score is nearest to the threshold; the median one where there is none.

    Args:
        preview: from this scope.
        matrix: position in the scope.
    """
    score = preview.settings.score
    view, pruned = live.pruned(preview.settings)
    values = view.scored(score, live.numbers).values
    here = np.flatnonzero(view.matrix == matrix)
    threshold = float(preview.thresholds[matrix])
    aim = threshold if np.isfinite(threshold) else float(np.median(values[here]))
    place = int(here[np.abs(values[here] - aim).argmin()])
    chosen = criterion(score.criterion)
    kind, fisher = alignment_of(chosen, score), estimate_of(chosen, score)
    terms = view.terms(chosen, score, live.numbers(score))
    sample, info = view.sample, live.matrices[matrix]
    row, column = divmod(int(sample.flat[place]), info.columns)
    return Example(
        name=info.name,
        row=row,
        column=column,
        theta=abs(float(sample.theta[place])),
        fisher_domain=float(sample.fisher(fisher, "domain")[place]),
        fisher_general=float(sample.fisher(fisher, "general")[place]),
        alignment=float(view.alignment(kind)[place]),
        terms={name: float(term[place]) for name, term in terms.items()},
        score=float(values[place]),
        threshold=threshold,
        pruned=bool(pruned[place]),
    )
