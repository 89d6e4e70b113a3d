"""A look into a matrix: a window of it, its units, its extremes, and why one weight stays or goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.config import Allocation, MaskSpec, Settings, StructureSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.jobs.works.memory_cache import KEPT
from gaprune_viz.masking.neuron_masks import Losses, woken_neuron
from gaprune_viz.masking.sentences import woken_sentence
from gaprune_viz.sketch import inspection
from gaprune_viz.sketch.inspection import Blocks, Window

MOST_ROWS, MOST_COLUMNS = 40, 96
EXTREMES = 10


@dataclass(frozen=True)
class Look:
    """What a look into a matrix found.

    Attributes:
        window: what of it is in `grid`.
        means: of its rows, its columns and, in attention, its heads, float64 each.
        losses: of the exact masks.
        silent: how many neurons of each layer say nothing.
        extremes: "least" or "most" important, row, column, score, theta, whether it is kept; the most extreme first.
    """

    name: str
    window: Window
    grid: Blocks
    means: dict[str, np.ndarray]
    losses: Losses
    silent: dict[int, int]
    extremes: list[tuple[str, int, int, float, float, bool]]


def look_inside(analysis: Analysis, settings: Settings, name: str, what: str, window: Window | None) -> Look:
    """Everything that is shown of one matrix.

    Args:
        what: of `inspection.QUANTITIES`.
        window: what of it to draw; None for all.

    Raises:
        GapruneError: the settings cannot be met, or there is no such quantity or matrix.
    """
    scope, _ = KEPT.scope(analysis)
    result, losses = KEPT.masks(analysis, settings), KEPT.losses(analysis, settings)
    info = next((m for m in analysis.statistics.matrices if m.name == name), None)
    if info is None:
        raise GapruneError("That matrix is not in this analysis.", "Select one in the Atlas.")
    window = window or inspection.whole((info.rows, info.columns))
    values = inspection.quantity(scope, name, settings, what, result)
    config = getattr(KEPT.dense(analysis).backbone, "config", None)
    scores, theta, mask = scope.scores(name, settings.score), scope.theta_of(name), result.masks[name]
    return Look(
        name,
        window,
        inspection.blocks(values, window, MOST_ROWS, MOST_COLUMNS),
        inspection.unit_means(values, info.role, inspection.head_size_of(config)),
        losses,
        dict(inspection.silent_neurons(result.masks, analysis.statistics.matrices)),
        [
            (label, row, column, float(scores[row, column]), float(theta[row, column]), bool(mask[row, column]))
            for label, places in zip(("least", "most"), inspection.extremes(scores, EXTREMES), strict=True)
            for row, column in places
        ],
    )


def explain(analysis: Analysis, settings: Settings, name: str, row: int, column: int) -> dict[str, Any]:
    """Why one weight is pruned or kept, as plain values; see `ExactScope.explain`.

    Raises:
        GapruneError: the settings cannot be met, or there is no such weight.
    """
    if settings.structure.whole:
        return _explain_unit(analysis, settings, name, row, column)
    result = KEPT.masks(analysis, settings)
    answer = KEPT.scope(analysis)[0].explain(name, row, column, settings, result)
    woken = woken_neuron(result.masks, analysis.statistics.matrices, name, row, column)
    return answer if woken is None else {**answer, "neuron": woken_sentence(woken)}


def _explain_unit(analysis: Analysis, settings: Settings, name: str, row: int, column: int) -> dict[str, Any]:
    """The same where structures go: the numbers are the weight's, the reason is its neuron, head or layer."""
    result = KEPT.masks(analysis, settings)
    # Of single weights only the values are told here; ranked within its row, a weight is ranked at once.
    alone = settings.with_(mask=MaskSpec(allocation=Allocation.ROW), structure=StructureSpec())
    answer = KEPT.scope(analysis)[0].explain(name, row, column, alone, result)
    return {**answer, **KEPT.planned(analysis, settings).told(name, row, column)}
