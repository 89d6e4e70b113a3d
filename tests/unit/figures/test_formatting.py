"""Numbers for people are short, and never rounded into a lie."""

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
FRACTIONS = st.floats(min_value=0, max_value=1, allow_nan=False)


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
def test_percent_at_its_ends(x: float, text: str) -> None:
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


@given(FRACTIONS)
def test_percent_is_0_or_100_only_where_that_is_true(x: float) -> None:
    text = formatting.percent(x)
    if 0 < x < 1 - formatting.EXACT:
        assert "100" not in text and not re.fullmatch(r"0(\.0+)? %", text)
    value = float(re.sub(r"[<>% ]", "", text)) / 100
    assert value == pytest.approx(x, abs=5.1e-4)


@given(FRACTIONS)
def test_share_never_rounds_to_all_or_nothing(x: float) -> None:
    # What is nearer to 1 than rounding errors reach counts as 1.
    if 0 < x < 1 - formatting.EXACT:
        assert not re.search(r"\b100(\.0+)? %", formatting.share(x)) and not formatting.share(x).startswith("0 ")


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.5, "50.0 %"),
        (0.99996, "> 99.99 %"),
        (0.9999, "99.99 %"),
        (1.0, "100 %"),
        (0.0, "0 %"),
        (-1e-7, "> −0.01 %"),
        (1.000001, "> 100 %"),
        (-1.00000001, "< −100 %"),
        (1.25, "125.0 %"),
        (math.nan, "-"),
        (math.inf, "-"),
    ],
)
def test_percent(x: float, text: str) -> None:
    assert formatting.percent(x) == text


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.99996, "99.996 %"),
        (1e-6, "0.0001 %"),
        (-1e-6, "−0.0001 %"),
        (1e-12, "1.0 × 10⁻¹⁰ %"),
        (0.9999999999, "> 99.999999 %"),
        (1.0000001, "100.00001 %"),
    ],
)
def test_share_has_the_digits_it_needs(x: float, text: str) -> None:
    assert formatting.share(x) == text


@given(st.floats(min_value=1, max_value=9.9e14))
def test_count_has_three_figures_and_the_right_size(n: float) -> None:
    text = formatting.count(n)
    if n < 10_000:
        assert text == f"{round(n):,}"
        return
    mantissa, unit = text.split()
    assert 1 <= float(mantissa) < 1_000 and len(mantissa.replace(".", "")) == 3
    assert float(mantissa) * {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[unit] == pytest.approx(n, rel=5.1e-3)


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_number_reads_back(x: float) -> None:
    text = formatting.number(x).replace(",", "")
    powers = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
    value = float(text.replace(" × 10", "e").translate(powers))
    assert value == pytest.approx(x, rel=0.051)
    assert formatting.number(-x) == formatting.MINUS + formatting.number(x)


def test_signed_and_p_values() -> None:
    assert [formatting.signed(v) for v in (0.0362, -0.012, 0.0, -0.0001, math.nan)] == [
        "+0.036",
        "−0.012",
        "0.000",
        "0.000",
        "-",
    ]
    assert [formatting.p_value(v) for v in (0.0, 0.00099, 0.001, 1.0)] == ["< 0.001", "< 0.001", "0.001", "1.000"]


def test_long_names_keep_both_ends() -> None:
    name = "model.layers.31.mlp." + "x" * 60 + ".gate_proj.weight"
    short = formatting.shortened(name, 44)
    assert len(short) == 44 and short.startswith("model.layers.31") and short.endswith("proj.weight")
