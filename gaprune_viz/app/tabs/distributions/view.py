"""The figures of how values spread."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from gaprune_viz.app.session.view import Live, Shown, place_of
from gaprune_viz.calibration.description import NO_LABELS
from gaprune_viz.figures.kit import panels
from gaprune_viz.figures.kit.plotly_frame import empty
from gaprune_viz.figures.weights import distributions, matrix_window, terms
from gaprune_viz.figures.weights.structures import scores_note
from gaprune_viz.sketch.weight_kinds import kinds_of

POINTS = 3_000
SCOPE, MATRIX = "scope", "matrix"
"""Of which weights: the whole scope, or the selected matrix."""


def densities(now: Live) -> dict[str, go.Figure]:
    """Fisher (two sides), score and alignment: layer by value; by the element that shows each."""
    histograms, matrices = now.analysis.histograms, now.analysis.summary[["name", "layer"]]
    live_scope = now.analysis.live
    scores, alignments = live_scope.densities(now.preview.settings)
    return {
        "gv-score-density": distributions.density_heatmap(
            scores.edges,
            scores.counts,
            list(live_scope.layers),
            title=f"{now.label} by layer",
            x_title=f"{now.label}: pruned on the left of the threshold",
            thresholds=_layer_thresholds(now),
        ),
        "gv-alignment-density": distributions.density_heatmap(
            alignments.edges,
            alignments.counts,
            list(live_scope.layers),
            title="Alignment s by layer" if live_scope.aligned else f"Alignment s is off: {NO_LABELS}",
            x_title="s: −1 conflict, +1 agreement",
            thresholds=None,
        ),
        "gv-fisher-domain": distributions.fisher_density(histograms, matrices, "domain"),
        "gv-fisher-general": distributions.fisher_density(histograms, matrices, "general"),
    }


def scatter_figure(shown: Shown, only: str) -> go.Figure:
    """Sampled weights: Fisher part against magnitude part of DAI, kept and pruned; a click on one goes to it."""
    if shown.now.cut is not None:
        return empty("Single weights", _decides(shown.now.cut.noun))
    preview, live_scope = shown.now.preview, shown.now.analysis.live
    score = preview.settings.score
    points = live_scope.scatter(preview, POINTS, _matrix_index(shown, only))
    matrices = live_scope.matrices
    at = [place_of(m.name, matrices) for m in matrices]
    rows = live_scope.row_of.tolist()
    links = [
        [f"at={at[m]}&w={flat // matrices[m].columns},{flat % matrices[m].columns}", scored, rows[m]]
        for m, flat, scored in zip(points.matrix.tolist(), points.flat.tolist(), points.score.tolist(), strict=True)
    ]
    exact_line = score.criterion == "dai" and not np.isnan(preview.thresholds).any()
    return terms.scatter_terms(
        points.magnitude,
        points.fisher,
        points.pruned,
        threshold=float(preview.thresholds[0]) if exact_line and len(set(preview.thresholds)) == 1 else float("nan"),
        alpha=score.alpha if score.criterion == "dai" else 0.0,
        links=links,
    )


def kinds_figure(shown: Shown, only: str) -> go.Figure:
    """Fisher ratio against alignment."""
    now = shown.now
    if now.cut is not None:
        return empty("Kinds of weights", _decides(now.cut.noun))
    kinds = kinds_of(now.analysis.live, now.preview, _matrix_index(shown, only))
    where = "the whole scope" if only == SCOPE else shown.selected
    return matrix_window.kinds_figure(kinds.ratio_edges, kinds.alignment_edges, kinds.counts, kinds.pruned, where)


def kinds_html(shown: Shown, only: str) -> str:
    """The four kinds of weights, counted."""
    now = shown.now
    if now.cut is not None:
        return panels.notice(scores_note(now.cut.noun))
    if not now.analysis.live.aligned:
        return panels.notice(f"Kinds of weights are off: {NO_LABELS}, so nothing agrees or conflicts.")
    kinds = kinds_of(now.analysis.live, now.preview, _matrix_index(shown, only))
    return matrix_window.kinds_table_html(kinds.quadrants)


def _decides(noun: str) -> str:
    return f"Whole {noun} go: no single weight decides."


def _matrix_index(shown: Shown, only: str) -> int | None:
    return shown.now.analysis.statistics.names.index(shown.selected) if only == MATRIX else None


def _layer_thresholds(now: Live) -> list[float]:
    """One threshold per layer: common to its matrices, else their size-weighted mean."""
    table = now.table.assign(weighted=now.table["threshold"] * now.table["size"])
    grouped = table.groupby("layer")[["weighted", "size"]].sum(min_count=1)
    return [float(v) for v in (grouped["weighted"] / grouped["size"]).reindex(list(now.analysis.live.layers))]
