"""Numbers for people are short and never rounded into a lie."""

from __future__ import annotations

import doctest
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.figures.kit import formatting
from gaprune_viz.figures.kit.formatting import MINUS, MISSING, count, number, percent, signed

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)


def test_examples_hold() -> None:
    result = doctest.testmod(formatting)
    assert result.attempted > 0 and result.failed == 0


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.5, "50.0 %"),
        (0.99999, "> 99.99 %"),
        (0.00001, "< 0.01 %"),
        (-0.25, "−25.0 %"),
        (1.25, "125.0 %"),
    ],
)
def test_percent(x: float, text: str) -> None:
    assert percent(x) == text


@given(st.floats(1e-11, 1 - 1e-11))
def test_percent_is_nothing_or_all_only_where_it_is(x: float) -> None:
    text = percent(x)
    assert text not in ("0 %", "100 %")
    shown = re.fullmatch(r"([<>] )?([\d.]+) %", text)
    assert shown
    bound = float(shown[2]) / 100
    if shown[1] == "< ":
        assert x < bound
    elif shown[1] == "> ":
        assert x > bound
    else:
        assert 0 < bound < 1
        assert abs(x - bound) <= 0.0005 + 1e-12


@given(FINITE)
def test_a_difference_has_its_sign_or_none(x: float) -> None:
    text = signed(x)
    if float(text.replace(MINUS, "-")) == 0:
        assert text == "0.000" and abs(x) <= 0.0005
    else:
        assert text[0] == ("+" if x > 0 else MINUS)


@given(FINITE)
def test_a_number_keeps_two_figures(x: float) -> None:
    text = number(x).replace(MINUS, "-").replace(",", "")
    plain = text.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")).replace(" × 10", "e")
    assert float(plain) == pytest.approx(x, rel=0.051)
    assert len(text) <= 12


@given(st.integers(0, 10**14))
def test_a_count_is_close_and_short(n: int) -> None:
    value, _, unit = count(n).replace(",", "").partition(" ")
    scale = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[unit]
    assert float(value) * scale == pytest.approx(n, rel=0.006)
    assert len(count(n)) <= 7


@pytest.mark.parametrize("write", [percent, count, number, signed])
@pytest.mark.parametrize("x", [math.nan, math.inf, -math.inf])
def test_what_is_missing_is_a_dash(write: object, x: float) -> None:
    assert callable(write) and write(x) == MISSING
