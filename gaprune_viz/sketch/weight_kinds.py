"""Kinds of weights: whom a weight serves (Fisher ratio) against whether both sides want the same (alignment).

The paper sorts parameters by these two; here the map is drawn over the sketch, each sampled weight counting for those
that it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gaprune_viz.config import Alignment
from gaprune_viz.sketch.preview import Preview
from gaprune_viz.sketch.tuning import LiveScope

RATIO_REACH = 2.0
BULK = 0.995
RATIO_BINS, ALIGNMENT_BINS = 48, 32
NAMES = {
    (True, True): "domain, agreeing",
    (True, False): "domain, conflicting",
    (False, True): "general, agreeing",
    (False, False): "general, conflicting",
}


@dataclass(frozen=True)
class Kinds:
    """Weights by Fisher ratio and alignment.

    Attributes:
        ratio_edges: float64 [x + 1], log10 of domain over general Fisher information; the outermost bins take the rest.
        alignment_edges: float64 [y + 1], gradient correlation; they reach as far as the bulk of the weights.
        counts: float64 [y, x], weights of the model.
        pruned: float64 [y, x], those of them that would go.
        quadrants: name -> (share of the weights, share of these that would go). Nothing is sorted without gradients.
    """

    ratio_edges: np.ndarray
    alignment_edges: np.ndarray
    counts: np.ndarray
    pruned: np.ndarray
    quadrants: dict[str, tuple[float, float]]


def kinds_of(live: LiveScope, preview: Preview, matrix: int | None = None) -> Kinds:
    """Sort the sketch.

    Args:
        preview: what would go; from this scope.
        matrix: position of one matrix, or None for the whole scope.
    """
    view, gone = live.pruned(preview.settings)
    sample = view.sample
    chosen = np.ones(len(gone), dtype=bool) if matrix is None else view.matrix == matrix
    domain, general = (getattr(sample, f"fisher_{side}").double().numpy()[chosen] for side in ("domain", "general"))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log10(domain) - np.log10(general)
    agree = view.alignment(Alignment.CORRELATION)[chosen].astype(np.float64)
    if not live.aligned:
        agree = np.full_like(agree, np.nan)
    weight, gone = view.weight[chosen], gone[chosen]
    known = ~(np.isnan(ratio) | np.isnan(agree))
    ratio, agree, weight, gone = ratio[known], agree[known], weight[known], gone[known]
    reach = max(float(np.quantile(np.abs(agree), BULK)), 1e-6) if len(agree) else 1.0
    edges = np.linspace(-RATIO_REACH, RATIO_REACH, RATIO_BINS + 1), np.linspace(-reach, reach, ALIGNMENT_BINS + 1)
    inside = np.clip(ratio, -RATIO_REACH, RATIO_REACH), np.clip(agree, -reach, reach)

    def histogram(part: np.ndarray) -> np.ndarray:
        return np.histogram2d(inside[1], inside[0], bins=[edges[1], edges[0]], weights=part)[0]

    total = float(weight.sum()) or 1.0
    quadrants = {}
    for (to_domain, together), name in NAMES.items():
        here = ((ratio > 0) == to_domain) & ((agree >= 0) == together)
        share = float(weight[here].sum())
        quadrants[name] = share / total, float(weight[here & gone].sum()) / share if share else float("nan")
    return Kinds(edges[0], edges[1], histogram(weight), histogram(weight * gone), quadrants)
