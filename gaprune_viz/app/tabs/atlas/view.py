"""What the atlas shows."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from gaprune_viz.app.session.view import Live, Shown
from gaprune_viz.calibration.description import NO_LABELS
from gaprune_viz.criteria.registry import criteria
from gaprune_viz.figures.kit import panels
from gaprune_viz.figures.kit.formatting import count, number, percent
from gaprune_viz.figures.kit.metrics import METRICS, ROLE_LABELS
from gaprune_viz.figures.weights import atlas, matrix, profiles
from gaprune_viz.figures.weights.structures import kept_html

ALIGNMENTS = ("alignment_cosine", "sign_agreement", "source_agreement")
"""Metrics that need gradients of both sides."""


def atlas_html(shown: Shown) -> str:
    """The clickable heatmap."""
    view, now = shown.view, shown.now
    off = view.metric in ALIGNMENTS and not now.analysis.live.aligned
    said = panels.notice(f"{METRICS[view.metric].label} is off: {NO_LABELS}.") if off else ""
    if view.metric == "source_agreement" and not off and now.table["source_agreement"].isna().all():
        said = panels.notice("The sketch of this analysis does not hold its sources: run it again to see them agree.")
    return (
        said
        + atlas.heatmap_html(
            now.table,
            view.metric if view.metric in METRICS else "pruned_fraction",
            selected=shown.selected,
            scale=view.scale if view.scale in atlas.SCALES else "auto",
            grouping=view.grouping if view.grouping in atlas.GROUPINGS else "role",
            score_label=now.label,
            gone=now.cut.gone if now.cut else (),
        )
        + (kept_html(now.cut.kept) if now.cut else "")
    )


def detail_html(shown: Shown) -> str:
    """Numbers of the selected matrix."""
    now, name = shown.now, shown.selected
    row = now.table.set_index("name").loc[name].to_dict()
    cards = [
        panels.Card("Pruned", percent(row["pruned_fraction"]), f"of {count(row['size'])} weights"),
        panels.Card(f"Mean {now.label}", number(row["score_mean"]), _threshold(now, row["threshold"])),
        panels.Card("Fisher, domain", number(row["fisher_domain_mean"]), "mean squared gradient"),
        panels.Card("Fisher, general", number(row["fisher_general_mean"]), "mean squared gradient"),
    ]
    if now.analysis.live.aligned:
        cards += [
            panels.Card("Alignment cosine", number(row["alignment_cosine"]), "domain and general mean gradients"),
            panels.Card("Sign agreement", percent(row["sign_agreement"]), "50 % is chance"),
        ]
    else:
        cards += [panels.Card(name, "off", NO_LABELS) for name in ("Alignment cosine", "Sign agreement")]
    title = f"Layer {row['layer']}, {ROLE_LABELS[row['role']]}"
    shape = f"{row['rows']:,} × {row['columns']:,}"
    return panels.section_title(title, f"{name} · {shape}") + panels.stat_cards(cards)


def _threshold(now: Live, threshold: float) -> str:
    if now.cut is not None:
        return f"no threshold: whole {now.cut.noun} go"
    return f"threshold {number(threshold)}"


def detail_figure(shown: Shown) -> go.Figure:
    """Distributions of the selected matrix."""
    analysis, name = shown.now.analysis, shown.selected
    return matrix.matrix_detail(analysis.histograms, analysis.statistics.names.index(name), name)


def profile_figure(now: Live) -> go.Figure:
    """Pruned fraction per layer against uniform."""
    return profiles.layer_profile(now.table)


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


def matrix_table(now: Live) -> pd.DataFrame:
    """The table beside the atlas."""
    return atlas.atlas_table(now.table, now.label)
