"""Small HTML panels: figures in a row, the plain sentence, shares and overlaps as bars, empty and error states.

Every text is escaped here. Colour is never the only carrier: signs, words and patterns say the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.formatting import percent, share
from gaprune_viz.figures.kit.metrics import CRITERION_LABELS

TERM_LABELS = {
    "fisher_domain": "Domain Fisher",
    "fisher_general": "General Fisher",
    "fisher_joint": "Joint Fisher",
    "magnitude": "√|θ|",
    "alignment": "Alignment",
    "source_mean": "Mean sensitivity",
    "source_spread": "Spread over sources",
}
TONES = {"good": ("✓", "good"), "warn": ("!", "take care"), "bad": ("✕", "problem")}
# Below this share of the bar a segment is thinner than a pixel; the legend says so.
THIN = 0.002


@dataclass(frozen=True)
class Card:
    """One figure: what it is, its value, what to know about it, and how it is meant.

    Attributes:
        tone: `""`, `good`, `warn` or `bad`; drawn as a mark with a word for readers of the screen, not as colour alone.
    """

    label: str
    value: str
    note: str = ""
    tone: str = ""


def stat_cards(cards: Sequence[Card]) -> str:
    """Figures in a row that wraps."""
    return f'<dl class="gv-cards">{"".join(_card(card) for card in cards)}</dl>'


def sentence_card(text: str) -> str:
    """The one plain sentence."""
    return f'<p class="gv-sentence" role="status">{escape(text)}</p>'


def term_bar(shares: Mapping[str, float]) -> str:
    """What decides: each term's share of the variance of the score. The shares add up to 1.

    A negative share pulls against the others: its segment is hatched and stands left of zero, and the positive ones
    then reach beyond 100 %. All segments have one scale.
    """
    head = (
        '<h3>What decides</h3><p class="gv-sub">Share of each term in the variance of the score; '
        "together they make 100 %.</p>"
    )
    known = {name: value for name, value in shares.items() if math.isfinite(value)}
    reach = sum(abs(value) for value in known.values())
    if not reach:
        text = "Every weight has the same score: nothing decides."
        return f'<section class="gv-panel gv-terms">{head}<p class="gv-sub">{text}</p></section>'
    order = sorted(known, key=lambda name: -abs(known[name]))
    against = sum(-value for value in known.values() if value < 0)
    # Largest in the middle on the negative side, so that both sides grow away from zero.
    drawn = [name for name in reversed(order) if known[name] < 0] + [name for name in order if known[name] >= 0]
    bar = "".join(
        f'<span class="gv-seg{" gv-against" if known[name] < 0 else ""}" '
        f'style="width:{100 * abs(known[name]) / reach:.4f}%;background-color:{_color(name)}"></span>'
        for name in drawn
    )
    left = 100 * against / reach
    zero = f'<i class="gv-zero" style="left:{left:.3f}%"><b>0</b></i>' if left >= 100 * THIN else ""
    rows = "".join(_term_row(name, known[name], reach) for name in order)
    return (
        f'<section class="gv-panel gv-terms">{head}<div class="gv-stack{" gv-stack-zero" if zero else ""}" '
        f'aria-hidden="true">{bar}{zero}</div><ul class="gv-keys">{rows}</ul></section>'
    )


def overlap_bars(overlap: Mapping[str, float], labels: Mapping[str, str]) -> str:
    """Of the weights that would go: the share that each other criterion would prune as well, largest first."""
    known = {name: value for name, value in overlap.items() if math.isfinite(value)}
    rows = "".join(
        f"<li><span>{escape(labels.get(name, name))}</span>"
        f'<span class="gv-bar" aria-hidden="true"><i style="width:{100 * min(1.0, max(0.0, value)):.2f}%"></i></span>'
        f"<b>{escape(percent(value))}</b></li>"
        for name, value in sorted(known.items(), key=lambda item: (-item[1], item[0]))
    )
    body = f'<ul class="gv-bars">{rows}</ul>' if rows else '<p class="gv-sub">Nothing to compare with.</p>'
    return (
        '<section class="gv-panel gv-overlaps"><h3>Same weights as other criteria</h3>'
        '<p class="gv-sub">Of the pruned weights, the share that the other criterion would prune too.</p>'
        f"{body}</section>"
    )


def section_title(title: str, note: str = "") -> str:
    """A heading with a quiet second line."""
    quiet = f"<p>{escape(note)}</p>" if note else ""
    return f'<div class="gv-section"><h3>{escape(title)}</h3>{quiet}</div>'


def sentence_list(sentences: Sequence[str]) -> str:
    """Plain sentences one under the other; what stands between backticks is set as code."""
    rows = []
    for sentence in sentences:
        pieces = escape(sentence).split("`")
        rows.append("".join(f"<code>{piece}</code>" if i % 2 else piece for i, piece in enumerate(pieces)))
    return f'<ul class="gv-says">{"".join(f"<li>{row}</li>" for row in rows)}</ul>'


def empty_state(title: str, text: str) -> str:
    """What stands where nothing is yet, and what to do about it."""
    return f'<div class="gv-empty"><h3>{escape(title)}</h3><p>{escape(text)}</p></div>'


def error_card(message: str, hint: str = "") -> str:
    """What went wrong and what to do."""
    help_line = f"<p>{escape(hint)}</p>" if hint else ""
    return f'<div class="gv-error" role="alert"><b>{escape(message)}</b>{help_line}</div>'


def notice(text: str) -> str:
    """A quiet word."""
    return f'<p class="gv-notice" role="status">{escape(text)}</p>'


def run_header(text: str, *, bundled: bool) -> str:
    """Which analysis is on screen. Parts of the text are set apart by ` · `: the first is the model."""
    tag = "bundled example" if bundled else "your run"
    model, *rest = text.split(" · ")
    facts = "".join(f"<li>{escape(part)}</li>" for part in rest)
    return (
        f'<div class="gv-run"><p class="gv-run-top"><span class="gv-over">On screen</span>'
        f'<span class="gv-chip{"" if bundled else " gv-chip-own"}">{tag}</span></p>'
        f'<p class="gv-run-model">{escape(model)}</p>{f"<ul>{facts}</ul>" if facts else ""}</div>'
    )


def _card(card: Card) -> str:
    mark = ""
    if card.tone in TONES:
        sign, word = TONES[card.tone]
        mark = f'<span class="gv-mark" role="img" aria-label="{word}">{sign}</span>'
    note = f'<dd class="gv-card-note">{escape(card.note)}</dd>' if card.note else ""
    tone = f" gv-tone-{card.tone}" if mark else ""
    return (
        f'<div class="gv-card{tone}"><dt>{_unbroken(card.label)}</dt>'
        f'<dd class="gv-card-value">{escape(card.value)}{mark}</dd>{note}</div>'
    )


def _term_row(name: str, value: float, reach: float) -> str:
    notes = ["pulls against the others"] if value < 0 else []
    if value and abs(value) / reach < THIN:
        notes.append("too thin to see")
    extra = f"<em>{', '.join(notes)}</em>" if notes else ""
    swatch = f'<i class="{"gv-against" if value < 0 else ""}" style="background-color:{_color(name)}"></i>'
    return f"<li>{swatch}<span>{escape(term_label(name))}{extra}</span><b>{escape(share(value))}</b></li>"


def _unbroken(text: str) -> str:
    """Escaped text whose |θ| never breaks over two lines."""
    return escape(text).replace("|θ|", '<span class="gv-nowrap">|θ|</span>')


def term_label(name: str) -> str:
    """What a term is called; where a criterion is one term, the criterion."""
    return TERM_LABELS.get(name) or CRITERION_LABELS.get(name, name.replace("_", " "))


def _color(name: str) -> str:
    return scales.TERMS.get(name, scales.OTHER_TERM)
