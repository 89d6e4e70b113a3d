"""From an analysis and settings to everything that the page shows of them. Composition only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gaprune_viz.analysis import Analysis
from gaprune_viz.app.store import DEMO, STORE
from gaprune_viz.app.tuning import settings_line
from gaprune_viz.config import Settings, Spec
from gaprune_viz.core.kinds import kinds_of
from gaprune_viz.core.live import Overlaps, Preview
from gaprune_viz.core.masking import sparsity_of
from gaprune_viz.core.scoring import criteria, criterion
from gaprune_viz.core.statistics import MatrixInfo
from gaprune_viz.figures import atlas, distributions, inside, panels
from gaprune_viz.figures.formatting import count, number, percent
from gaprune_viz.figures.metrics import METRICS, ROLE_LABELS
from gaprune_viz.figures.sweep_words import collapse_sentence
from gaprune_viz.sweep import LEVELS, collapses


class View(Spec):
    """What a page looks at; kept in the session, never a tensor.

    Attributes:
        analysis: id of the analysis, never a path (`app.access`); `demo` is the bundled one.
        selected: name of the selected matrix; empty for the first.
        metric: what colours the atlas.
        scale: how numbers become its colours.
        grouping: its rows: roles, or the two blocks of a layer.
    """

    analysis: str = DEMO
    selected: str = ""
    metric: str = "pruned_fraction"
    scale: str = "auto"
    grouping: str = "role"


POINTS = 3_000


@dataclass(frozen=True)
class Live:
    """An analysis under some settings."""

    analysis: Analysis
    preview: Preview
    table: pd.DataFrame

    @cached_property
    def overlaps(self) -> Overlaps:
        """The mask against every criterion's."""
        return self.analysis.live.overlaps(self.preview.settings)

    @property
    def label(self) -> str:
        """Short name of the score: `DAI` or the criterion's label."""
        name = self.preview.settings.score.criterion
        return "DAI" if name == "dai" else criterion(name).label


def live(view: View, settings: Settings) -> Live:
    """Score the sketch of the analysis that a page looks at."""
    analysis = STORE.analysis(view.analysis)
    preview = STORE.preview(analysis, settings)
    table = analysis.summary.assign(
        pruned_fraction=preview.pruned_fraction, score_mean=preview.score_mean, threshold=preview.thresholds
    )
    return Live(analysis, preview, table)


def selected_name(view: View, analysis: Analysis) -> str:
    """The selected matrix; the first one where the selection does not belong to this analysis."""
    names = analysis.statistics.names
    return view.selected if view.selected in names else names[0]


def headline_html(now: Live) -> str:
    """The row of figures, the plain sentence and what decides."""
    preview, sizes = now.preview, now.analysis.live.sizes
    zeros = float((preview.pruned_fraction * sizes).sum())
    whole = now.analysis.statistics.document["model"]["parameters"]
    exact = STORE.known_masks(now.analysis, preview.settings)
    note = "preview from the sketch"
    if exact is not None:
        by_matrix = np.array([1 - float(exact.masks[m.name].float().mean()) for m in now.analysis.live.matrices])
        off = float(np.abs(by_matrix - preview.pruned_fraction).max())
        note = f"exact mask: {percent(sparsity_of(exact.masks))}; preview off by {100 * off:.2f} points at most"
    conflict = percent(preview.disagreement)
    rank = preview.rank_correlation
    cards = [
        panels.Card("Sparsity of the scope", percent(zeros / sizes.sum()), note),
        panels.Card("Zeros", count(zeros), f"{percent(zeros / whole)} of the whole model"),
        panels.Card(
            "Same as magnitude", percent(preview.overlap_with_magnitude), "of the pruned weights would go either way"
        ),
        panels.Card("Spearman with |θ|", number(rank), "rank correlation; 1 is the same order"),
        panels.Card("Gradients in conflict", conflict, "of the weights: domain and general pull apart"),
        panels.Card("Fisher scale κ", number(preview.kappa), _starved_note(now)),
    ]
    return (
        panels.sentence_card(preview.sentence)
        + settings_line(preview.settings)
        + collapse_html(now)
        + panels.stat_cards(cards)
    )


def collapse_html(now: Live) -> str:
    """Where retrieval collapses, as far as sweeps of these settings have measured it; a mark on the slider too."""
    found = collapses(now.analysis.folder, now.preview.settings)
    first = now.analysis.statistics.document["data"]["domain"]["name"]
    found.sort(key=lambda curve: curve.task != first)
    text = " ".join(collapse_sentence(curve.task, len(curve.points), curve.below) for curve in found)
    edge = found[0].below[max(LEVELS)] if found else None
    mark = "" if edge is None else f"<style>#gv-sparsity{{--gv-break:{edge:.4f};--gv-break-on:1}}</style>"
    return f'{mark}<p class="gv-settings-line"><b>Measured in sweeps.</b> {escape(text)}</p>' if found else ""


def reasons_html(now: Live) -> str:
    """What decides, and how much the mask shares with those of the other criteria."""
    preview = now.preview
    labels = {name: c.label for name, c in criteria().items()}
    others = {k: v for k, v in now.overlaps.overlap.items() if k != preview.settings.score.criterion}
    return (
        '<div class="gv-two">' + panels.term_bar(preview.term_shares) + panels.overlap_bars(others, labels) + "</div>"
    )


def overlap_table(now: Live) -> pd.DataFrame:
    """The mask against every criterion's at the same settings."""
    found, known = now.overlaps, criteria()
    names = sorted(found.overlap, key=lambda name: -found.overlap[name])
    return pd.DataFrame(
        {
            "Criterion": [known[name].label for name in names],
            "Overlap": [round(found.overlap[name], 5) for name in names],
            "Jaccard index": [round(found.jaccard[name], 5) for name in names],
        }
    )


def _starved_note(now: Live) -> str:
    starved = now.preview.starved
    if not starved:
        return "no matrix is starved (over 95 % pruned)"
    rows = now.table.set_index("name").loc[list(starved)]
    first = rows.iloc[0].to_dict()
    where = f"layer {first['layer']} {ROLE_LABELS[first['role']]}"
    return f"starved (over 95 % pruned): {where}" + (f" and {len(starved) - 1} more" if len(starved) > 1 else "")


def atlas_html(now: Live, view: View) -> str:
    """The clickable heatmap."""
    return atlas.heatmap_html(
        now.table,
        view.metric if view.metric in METRICS else "pruned_fraction",
        selected=selected_name(view, now.analysis),
        scale=view.scale if view.scale in atlas.SCALES else "auto",
        grouping=view.grouping if view.grouping in atlas.GROUPINGS else "role",
        score_label=now.label,
    )


def detail_html(now: Live, view: View) -> str:
    """Numbers of the selected matrix."""
    name = selected_name(view, now.analysis)
    row = now.table.set_index("name").loc[name].to_dict()
    cards = [
        panels.Card("Pruned", percent(row["pruned_fraction"]), f"of {count(row['size'])} weights"),
        panels.Card(f"Mean {now.label}", number(row["score_mean"]), f"threshold {number(row['threshold'])}"),
        panels.Card("Fisher, domain", number(row["fisher_domain_mean"]), "mean squared gradient"),
        panels.Card("Fisher, general", number(row["fisher_general_mean"]), "mean squared gradient"),
        panels.Card("Alignment cosine", number(row["alignment_cosine"]), "domain and general mean gradients"),
        panels.Card("Sign agreement", percent(row["sign_agreement"]), "50 % is chance"),
    ]
    title = f"Layer {row['layer']}, {ROLE_LABELS[row['role']]}"
    shape = f"{row['rows']:,} × {row['columns']:,}"
    return panels.section_title(title, f"{name} · {shape}") + panels.stat_cards(cards)


def detail_figure(now: Live, view: View) -> go.Figure:
    """Distributions of the selected matrix."""
    name = selected_name(view, now.analysis)
    return distributions.matrix_detail(now.analysis.histograms, now.analysis.statistics.names.index(name), name)


def profile_figure(now: Live) -> go.Figure:
    """Pruned fraction per layer against uniform."""
    return distributions.layer_profile(now.table)


def distribution_figures(now: Live) -> list[go.Figure]:
    """Fisher (two sides), score and alignment: layer by value."""
    histograms, matrices = now.analysis.histograms, now.analysis.summary[["name", "layer"]]
    live_scope = now.analysis.live
    scores, alignments = live_scope.densities(now.preview.settings)
    return [
        distributions.fisher_density(histograms, matrices, "domain"),
        distributions.fisher_density(histograms, matrices, "general"),
        distributions.density_heatmap(
            scores.edges,
            scores.counts,
            list(live_scope.layers),
            title=f"{now.label} by layer",
            x_title=f"{now.label}: pruned on the left of the threshold",
            thresholds=_layer_thresholds(now),
        ),
        distributions.density_heatmap(
            alignments.edges,
            alignments.counts,
            list(live_scope.layers),
            title="Alignment s by layer",
            x_title="s: −1 conflict, +1 agreement",
            thresholds=None,
        ),
    ]


def scatter_figure(now: Live, view: View, only: str) -> go.Figure:
    """Sampled weights: Fisher part against magnitude part of DAI, kept and pruned; a click on one goes to it."""
    preview, live_scope = now.preview, now.analysis.live
    score = preview.settings.score
    points = live_scope.scatter(preview, POINTS, _matrix_index(now, view, only))
    matrices = live_scope.matrices
    at = [place_of(m.name, matrices) for m in matrices]
    rows = live_scope.row_of.tolist()
    links = [
        [f"at={at[m]}&w={flat // matrices[m].columns},{flat % matrices[m].columns}", scored, rows[m]]
        for m, flat, scored in zip(points.matrix.tolist(), points.flat.tolist(), points.score.tolist(), strict=True)
    ]
    exact_line = score.criterion == "dai" and not np.isnan(preview.thresholds).any()
    return distributions.scatter_terms(
        points.magnitude,
        points.fisher,
        points.pruned,
        threshold=float(preview.thresholds[0]) if exact_line and len(set(preview.thresholds)) == 1 else float("nan"),
        alpha=score.alpha if score.criterion == "dai" else 0.0,
        links=links,
    )


def kinds_figure_of(now: Live, view: View, only: str) -> go.Figure:
    """Fisher ratio against alignment."""
    kinds = kinds_of(now.analysis.live, now.preview, _matrix_index(now, view, only))
    where = "the whole scope" if only == "scope" else selected_name(view, now.analysis)
    return inside.kinds_figure(kinds.ratio_edges, kinds.alignment_edges, kinds.counts, kinds.pruned, where)


def kinds_html(now: Live, view: View, only: str) -> str:
    """The four kinds of weights, counted."""
    return inside.kinds_table_html(kinds_of(now.analysis.live, now.preview, _matrix_index(now, view, only)).quadrants)


def _matrix_index(now: Live, view: View, only: str) -> int | None:
    names = now.analysis.statistics.names
    return names.index(selected_name(view, now.analysis)) if only == "matrix" else None


def place_of(name: str, matrices: Sequence[MatrixInfo]) -> str:
    """A matrix as an address names it, `3-down`, or `3-down-2` for the third expert; empty where there is none."""
    for matrix in matrices:
        if matrix.name == name:
            same = [m.name for m in matrices if (m.layer, m.role) == (matrix.layer, matrix.role)]
            number = same.index(name)
            return f"{matrix.layer}-{matrix.role}{f'-{number}' if number else ''}"
    return ""


def _layer_thresholds(now: Live) -> list[float]:
    """One threshold per layer: common to its matrices, else their size-weighted mean."""
    table = now.table.assign(weighted=now.table["threshold"] * now.table["size"])
    grouped = table.groupby("layer")[["weighted", "size"]].sum(min_count=1)
    return [float(v) for v in (grouped["weighted"] / grouped["size"]).reindex(list(now.analysis.live.layers))]


def matrix_table(now: Live) -> pd.DataFrame:
    """The table beside the atlas."""
    return atlas.atlas_table(now.table, now.label)


def run_line(analysis: Analysis, name: str) -> str:
    """What one is looking at, in one line of HTML."""
    document = analysis.statistics.document
    spec = analysis.run.calibration
    data = document["data"]
    text = (
        f"{document['model']['label']} · {data['domain']['name']} against {data['general']['name']} · "
        f"scope {spec.scope.value} · {data['domain']['samples']} + {data['general']['samples']} samples · "
        f"{document['seconds']:.0f} s"
    )
    return panels.run_header(text, bundled=name == DEMO)
