"""Small HTML panels: figures in a row, the plain sentence, shares and overlaps as bars, empty and error states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from gaprune_viz.figures import scales
from gaprune_viz.figures.formatting import percent

TERM_LABELS = {
    "fisher_domain": "Domain Fisher",
    "fisher_general": "General Fisher",
    "magnitude": "√|θ|",
    "alignment": "Alignment",
}


@dataclass(frozen=True)
class Card:
    """One figure: what it is, its value, and what to know about it."""

    label: str
    value: str
    note: str = ""


def stat_cards(cards: Sequence[Card]) -> str:
    """Figures in a row that wraps."""
    items = "".join(
        f'<div class="gv-card"><dt>{escape(c.label)}</dt><dd>{escape(c.value)}</dd><p>{escape(c.note)}</p></div>'
        for c in cards
    )
    return f'<dl class="gv-cards">{items}</dl>'


def sentence_card(text: str) -> str:
    """The one plain sentence."""
    return f'<p class="gv-sentence" role="status">{escape(text)}</p>'


def term_bar(shares: Mapping[str, float]) -> str:
    """What decides: each term's share of the variance of the score, which add up to 1.

    A share can be negative, where a term pulls against the others; the bar then shows sizes, the labels the signs.
    """
    title = '<h3>What decides</h3><p class="gv-sub">share of each term in the variance of the score</p>'
    total = sum(abs(v) for v in shares.values())
    if not total:
        return f'<section class="gv-panel">{title}<p>Every weight has the same score: nothing decides.</p></section>'
    order = sorted(shares, key=lambda name: -abs(shares[name]))
    bar = "".join(
        f'<span style="flex-grow:{abs(shares[n]) / total:.6f};background:{_color(n)}"'
        f' class="{"gv-against" if shares[n] < 0 else ""}"></span>'
        for n in order
    )
    rows = "".join(
        f'<li><i style="background:{_color(n)}"></i><span>{escape(_label(n))}</span>'
        f"<b>{escape(percent(shares[n], 2))}</b>{'<em>pulls against</em>' if shares[n] < 0 else ''}</li>"
        for n in order
    )
    return (
        f'<section class="gv-panel gv-terms">{title}<div class="gv-stack" aria-hidden="true">{bar}</div>'
        f"<ul>{rows}</ul></section>"
    )


def overlap_bars(overlap: Mapping[str, float], labels: Mapping[str, str]) -> str:
    """Of the weights that would go: the share that each other criterion would remove as well."""
    rows = "".join(
        f'<li><span>{escape(labels.get(name, name))}</span><span class="gv-bar" aria-hidden="true">'
        f'<i style="width:{100 * value:.2f}%"></i></span><b>{escape(percent(value))}</b></li>'
        for name, value in sorted(overlap.items(), key=lambda item: -item[1])
    )
    return (
        '<section class="gv-panel gv-overlaps"><h3>Same weights as other criteria</h3>'
        '<p class="gv-sub">of the pruned weights, the share that the other criterion would prune too</p>'
        f"<ul>{rows}</ul></section>"
    )


def section_title(title: str, note: str = "") -> str:
    """A heading with a quiet second line."""
    return f'<div class="gv-section"><h3>{escape(title)}</h3><p>{escape(note)}</p></div>'


def empty_state(title: str, text: str) -> str:
    """What stands where nothing is yet, and what to do about it."""
    return f'<div class="gv-empty"><h3>{escape(title)}</h3><p>{escape(text)}</p></div>'


def error_card(message: str, hint: str = "") -> str:
    """What went wrong and what to do."""
    return f'<div class="gv-error" role="alert"><b>{escape(message)}</b> <span>{escape(hint)}</span></div>'


def notice(text: str) -> str:
    """A quiet word."""
    return f'<p class="gv-notice" role="status">{escape(text)}</p>'


def run_header(text: str, *, bundled: bool) -> str:
    """Which analysis is on screen."""
    tag = '<span class="gv-chip">bundled example</span>' if bundled else '<span class="gv-chip">your run</span>'
    return f'<div class="gv-run"><h3>On screen</h3>{tag}<p>{escape(text)}</p></div>'


def _label(name: str) -> str:
    return TERM_LABELS.get(name, name.replace("_", " "))


def _color(name: str) -> str:
    return scales.TERMS.get(name, scales.OTHER_TERM)
