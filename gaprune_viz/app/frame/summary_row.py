"""The row of figures that follows every move: sentence, settings, what sweeps have measured, cards."""

from __future__ import annotations

from html import escape

import numpy as np

from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.structures import cut_document
from gaprune_viz.app.session.view import Live, mask_words, matrix_label
from gaprune_viz.app.tuning.controls import settings_line
from gaprune_viz.calibration.description import NO_LABELS
from gaprune_viz.experiments.sweep import LEVELS, collapses
from gaprune_viz.figures.experiments.sweep_words import collapse_sentence
from gaprune_viz.figures.kit import panels
from gaprune_viz.figures.kit.formatting import count, number, percent
from gaprune_viz.figures.weights.structures import cut_cards
from gaprune_viz.masking.sentences import waking_sentence


def headline_html(now: Live) -> str:
    """The row of figures, the plain sentence and what decides."""
    if now.cut is not None:
        return _cut_html(now)
    preview, sizes = now.preview, now.analysis.live.sizes
    zeros = float((preview.pruned_fraction * sizes).sum())
    whole = now.analysis.statistics.document["model"]["parameters"]
    exact = STORE.counted(now.analysis, preview.settings)
    note = "preview from the sketch"
    if exact is not None:
        by_matrix = np.array([exact.pruned_fraction[m.name] for m in now.analysis.live.matrices])
        off = float(np.abs(by_matrix - preview.pruned_fraction).max())
        made = f"{percent(exact.sparsity)}; preview off by {100 * off:.2f} points at most"
        note = f"{mask_words(now.analysis)}: {made}"
    woken = now.losses.woken if now.losses else 0
    conflict = panels.Card(
        "Gradients in conflict", percent(preview.disagreement), "of the weights: domain and general pull apart"
    )
    if not now.analysis.live.aligned:
        conflict = panels.Card("Gradients in conflict", "off", NO_LABELS)
    rank = preview.rank_correlation
    cards = [
        panels.Card("Sparsity of the scope", percent(zeros / sizes.sum()), note),
        panels.Card("Zeros", count(zeros), f"{percent(zeros / whole)} of the whole model"),
        panels.Card(
            "Same as magnitude", percent(preview.overlap_with_magnitude), "of the pruned weights would go either way"
        ),
        panels.Card("Spearman with |θ|", number(rank), "rank correlation; 1 is the same order"),
        conflict,
        panels.Card("Fisher scale κ", number(preview.kappa), _starved_note(now)),
    ]
    return (
        panels.sentence_card(preview.sentence)
        + settings_line(preview.settings)
        + (panels.notice(waking_sentence(woken)) if woken else "")
        + collapse_html(now)
        + panels.stat_cards(cards)
    )


def _cut_html(now: Live) -> str:
    """The same where whole structures go: what is left, and how fast that is."""
    known = STORE.counted(now.analysis, now.preview.settings) is not None
    return (
        panels.sentence_card(now.preview.sentence)
        + settings_line(now.preview.settings)
        + panels.stat_cards(cut_cards(cut_document(now), known=known))
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


def _starved_note(now: Live) -> str:
    """Matrices that are all but gone, and rows, which only an exact mask can count."""
    starved = now.preview.starved
    text = "no matrix is starved (over 95 % pruned)"
    if starved:
        where = matrix_label(now.table.set_index("name").loc[list(starved)].iloc[0].to_dict())
        text = f"starved (over 95 % pruned): {where}" + (f" and {len(starved) - 1} more" if len(starved) > 1 else "")
    if now.losses is None:
        return text
    rows = sum(now.losses.rows.values())
    whole = sum(matrix.rows for matrix in now.analysis.statistics.matrices)
    return f"{text}; {'no row' if not rows else f'{rows:,} of {whole:,} rows'}"
