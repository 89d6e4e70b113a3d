"""The small panels: escaped, honest, and readable without colour."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.figures.kit import panels, scales
from gaprune_viz.figures.kit.panels import Card

EVIL = '<script>alert(1)</script>" onload="x'


def widths(html: str) -> list[float]:
    return [float(width) for width in re.findall(r"width:([\d.]+)%", html)]


@pytest.mark.parametrize(
    "html",
    [
        panels.stat_cards([Card(EVIL, EVIL, EVIL, "warn"), Card(f"|θ| {EVIL}", "1", tone=EVIL)]),
        panels.sentence_card(EVIL),
        panels.term_bar({EVIL: 0.7, "magnitude": 0.3}),
        panels.overlap_bars({"a": 0.5, EVIL: 0.1}, {"a": EVIL}),
        panels.section_title(EVIL, EVIL),
        panels.empty_state(EVIL, EVIL),
        panels.error_card(EVIL, EVIL),
        panels.notice(EVIL),
        panels.run_header(EVIL, bundled=True),
    ],
)
def test_every_text_is_escaped(html: str) -> None:
    assert "<script" not in html and ' onload="x' not in html
    assert "&lt;script&gt;" in html


def test_a_card_is_a_term_with_its_value_and_note() -> None:
    html = panels.stat_cards([Card("Zeros", "3.54 M", "15.6 % of the whole model"), Card("Sparsity", "50.0 %")])
    assert html.startswith('<dl class="gv-cards">') and html.count("<dt>") == 2
    assert '<dd class="gv-card-value">3.54 M</dd><dd class="gv-card-note">15.6 % of the whole model</dd>' in html
    assert html.count("gv-card-note") == 1


@pytest.mark.parametrize("tone", panels.TONES)
def test_a_tone_has_a_mark_and_a_word(tone: str) -> None:
    html = panels.stat_cards([Card("a", "1", tone=tone)])
    sign, word = panels.TONES[tone]
    assert f'role="img" aria-label="{word}">{sign}</span>' in html
    assert "gv-mark" not in panels.stat_cards([Card("a", "1", tone="unheard of")])


def test_shares_are_drawn_to_one_scale_and_all_are_named() -> None:
    html = panels.term_bar({"magnitude": 0.75, "fisher_domain": 0.25})
    assert widths(html) == [75.0, 25.0]
    assert html.index("√|θ|") < html.index("Domain Fisher")
    assert "75.0 %" in html and "25.0 %" in html
    assert "gv-zero" not in html and "gv-against" not in html


def test_a_negative_share_stands_left_of_zero_and_says_so() -> None:
    html = panels.term_bar({"magnitude": 1.2, "fisher_general": -0.2, "fisher_domain": 0.0})
    assert re.findall(r'class="gv-seg( gv-against)?" style="width:([\d.]+)%', html) == [
        (" gv-against", "14.2857"),
        ("", "85.7143"),
        ("", "0.0000"),
    ]
    assert 'class="gv-zero" style="left:14.286%"' in html
    assert "−20.0 %" in html and "120.0 %" in html
    assert html.count("pulls against the others") == 1


def test_a_tiny_share_is_neither_hidden_nor_widened() -> None:
    html = panels.term_bar({"magnitude": 1 - 1e-6, "fisher_domain": 1e-6})
    assert "too thin to see" in html
    assert "0.0001 %" in html
    assert "100 %</b>" not in html
    assert widths(html)[1] == pytest.approx(1e-4, abs=1e-6)


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=5).filter(lambda xs: sum(map(abs, xs)) > 1e-6))
def test_the_bar_is_always_full(values: list[float]) -> None:
    html = panels.term_bar({f"term {i}": value for i, value in enumerate(values)})
    assert sum(widths(html)) == pytest.approx(100, abs=0.01)
    assert html.count("<li>") == len(values)


@pytest.mark.parametrize("shares", [{}, {"a": 0.0, "b": 0.0}, {"a": math.nan}])
def test_where_nothing_decides_it_says_so(shares: dict[str, float]) -> None:
    html = panels.term_bar(shares)
    assert "nothing decides" in html and "gv-stack" not in html


def test_overlaps_are_ordered_labelled_and_bounded() -> None:
    html = panels.overlap_bars({"a": 0.1, "b": 1.0, "c": math.nan, "d": 0.99999}, {"a": "Wanda", "b": "Magnitude"})
    assert re.findall(r"<li><span>(.*?)</span>", html) == ["Magnitude", "d", "Wanda"]
    assert re.findall(r"<b>(.*?)</b>", html) == ["100 %", "&gt; 99.99 %", "10.0 %"]
    assert widths(html) == [100.0, 100.0, 10.0]
    assert "Nothing to compare with" in panels.overlap_bars({}, {})


def test_errors_are_announced_with_their_hint() -> None:
    html = panels.error_card("It broke.", "Try again.")
    assert 'role="alert"' in html and "<p>Try again.</p>" in html
    assert "<p>" not in panels.error_card("It broke.")
    assert 'role="status"' in panels.notice("Done.") and 'role="status"' in panels.sentence_card("Now.")


def test_the_run_on_screen_is_named_and_told_from_the_example() -> None:
    mine = panels.run_header("MiniLM · chemistry against general · 25 s", bundled=False)
    assert '<p class="gv-run-model">MiniLM</p>' in mine and mine.count("<li>") == 2
    assert "your run" in mine and "bundled example" in panels.run_header("MiniLM", bundled=True)


def test_terms_stand_out_from_light_and_dark_ground() -> None:
    for color in (*scales.TERMS.values(), scales.OTHER_TERM):
        assert scales.contrast(color, "#ffffff") >= 3
        assert scales.contrast(color, "#11171e") >= 3


def test_figures_call_the_criteria_what_the_page_calls_them() -> None:
    from gaprune_viz.criteria.registry import criteria
    from gaprune_viz.figures.kit.metrics import CRITERION_LABELS

    known = criteria()
    assert {name: known[name].label for name in CRITERION_LABELS} == CRITERION_LABELS
