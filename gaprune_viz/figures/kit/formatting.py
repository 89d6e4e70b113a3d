"""Numbers as people read them: percentages that never round to nothing or to all, counts, scientific notation."""

from __future__ import annotations

import math

MINUS = "−"
MISSING = "-"
SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
COUNT_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
EXACT = 1e-12
SHARE_DECIMALS = 6


def percent(x: float, digits: int = 1) -> str:
    """A fraction as a percentage that is 0 % or 100 % only where that is exact.

    >>> percent(0.5), percent(0.9996), percent(0.999996), percent(1e-6), percent(1.0), percent(-0.25)
    ('50.0 %', '99.96 %', '> 99.99 %', '< 0.01 %', '100 %', '−25.0 %')
    """
    if not math.isfinite(x):
        return MISSING
    size, sign = abs(x), MINUS if x < 0 else ""
    if size == 0:
        return "0 %"
    # A mean of ones may come out a rounding error away from 1.
    if abs(size - 1) <= EXACT:
        return f"{sign}100 %"
    finest = max(2, digits)
    for decimals in (digits, finest):
        text = f"{100 * size:.{decimals}f}"
        if float(text) not in (0.0, 100.0):
            return f"{sign}{text} %"
    step = 10.0**-finest
    if size < 0.5:
        return f"{'> ' + MINUS if x < 0 else '< '}{step:.{finest}f} %"
    bound = f"{100 - step:.{finest}f}" if size < 1 else "100"
    return f"{'<' if x < 0 else '>'} {sign}{bound} %"


def share(x: float) -> str:
    """A fraction as a percentage with as many digits as tell it from nothing and from all.

    >>> share(0.42), share(0.99996), share(1e-6), share(-3e-12), share(1.0)
    ('42.0 %', '99.996 %', '0.0001 %', '−3.0 × 10⁻¹⁰ %', '100 %')
    """
    if not math.isfinite(x):
        return MISSING
    size, sign = abs(x), MINUS if x < 0 else ""
    if size == 0 or size == 1:
        return percent(x)
    gap = min(size, abs(1 - size))
    decimals = max(1, -math.floor(math.log10(gap)) - 2) if gap > 0 else 1
    if decimals > SHARE_DECIMALS:
        return f"{sign}{_scientific(100 * size)} %" if size < 0.5 else percent(x, SHARE_DECIMALS)
    return f"{sign}{100 * size:.{decimals}f} %"


def count(n: float) -> str:
    """How many, in three figures with a unit prefix above 9,999.

    >>> count(384), count(1536), count(98_304), count(7_077_888), count(999_999)
    ('384', '1,536', '98.3 k', '7.08 M', '1.00 M')
    """
    if not math.isfinite(n):
        return MISSING
    size, sign = abs(n), MINUS if n < 0 else ""
    if size < 10_000:
        return f"{sign}{round(size):,}"
    place = next(i for i, (unit, _) in enumerate(COUNT_UNITS) if size >= unit)
    text = _three_figures(size / COUNT_UNITS[place][0])
    if float(text) >= 1_000 and place > 0:
        place -= 1
        text = _three_figures(size / COUNT_UNITS[place][0])
    return f"{sign}{text} {COUNT_UNITS[place][1]}"


def number(x: float) -> str:
    """Three figures, or two in powers of ten where the number is very small or very large.

    >>> number(0.08634), number(12.4), number(8.31e-7), number(-0.5), number(0.0), number(float("nan"))
    ('0.0863', '12.4', '8.3 × 10⁻⁷', '−0.500', '0', '-')
    """
    if not math.isfinite(x):
        return MISSING
    size, sign = abs(x), MINUS if x < 0 else ""
    if size == 0:
        return "0"
    if not 1e-3 <= size < 99_950:
        return sign + _scientific(size)
    if size >= 99.95:
        return f"{sign}{size:,.0f}"
    decimals = 2 - math.floor(math.log10(size))
    return f"{sign}{size:.{decimals}f}"


def signed(x: float, digits: int = 3) -> str:
    """A difference with its sign; no sign where it rounds to nothing.

    >>> signed(0.0362), signed(-0.012), signed(0.0)
    ('+0.036', '−0.012', '0.000')
    """
    if not math.isfinite(x):
        return MISSING
    text = f"{abs(x):.{digits}f}"
    if float(text) == 0:
        return text
    return ("+" if x > 0 else MINUS) + text


def p_value(p: float) -> str:
    """A p value for a table: never 0.

    >>> p_value(0.0312), p_value(0.00002), p_value(float("nan"))
    ('0.031', '< 0.001', '-')
    """
    if not math.isfinite(p):
        return MISSING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def power_of_ten(exponent: float) -> str:
    """A tick of a log10 axis: `10⁻⁶`; between whole powers the number itself."""
    if float(exponent).is_integer():
        return "10" + str(int(exponent)).translate(SUPERSCRIPTS)
    return number(10.0**exponent)


def shortened(text: str, most: int = 46) -> str:
    """A long name with its middle left out."""
    if len(text) <= most:
        return text
    tail = most // 2
    return f"{text[: most - tail - 1]}…{text[-tail:]}"


def _scientific(size: float) -> str:
    mantissa, exponent = f"{size:.1e}".split("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(SUPERSCRIPTS)}"


def _three_figures(size: float) -> str:
    decimals = max(0, 2 - math.floor(math.log10(size)))
    text = f"{size:.{decimals}f}"
    # 99.96 becomes 100.0: one figure too many.
    return f"{size:.{max(0, decimals - 1)}f}" if len(text.replace(".", "")) > 3 and decimals else text
