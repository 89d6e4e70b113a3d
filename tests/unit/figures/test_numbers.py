"""Numbers as text: any number, rounded to what is still true."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.figures.kit import formatting

FRACTIONS = st.floats(min_value=0, max_value=1, allow_nan=False)


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
