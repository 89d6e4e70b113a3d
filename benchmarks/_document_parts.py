"""Tables and numbers for the documents that benchmarks write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import floor, log10


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def percent(x: float) -> str:
    """A share in percent that never rounds to 0 or 100 falsely."""
    value = 100 * x
    if value in (0, 100):
        return f"{value:.0f} %"
    if 0 < value < 0.01:
        return f"{power(value)} %"
    if 99.9 < value < 100:
        digits = min(6, -floor(log10(100 - value)) + 1)
        shown = f"{floor(value * 10**digits) / 10**digits:.{digits}f}"
        return f"{shown.rstrip('0')} %"
    return f"{value:.1f} %" if abs(value) >= 1 else f"{value:.2f} %"


def signed_share(x: float) -> str:
    """A signed share: percent where it is visible, a power of ten where not."""
    return f"{100 * x:.1f} %" if abs(x) >= 0.001 else power(x)


def signed(x: float) -> str:
    """Three decimals, with a true minus sign."""
    return f"{'−' if x < 0 else ''}{abs(x):.3f}"


def power(x: float) -> str:
    """Two significant digits, times a power of ten where that is shorter."""
    if x == 0:
        return "0"
    exponent = floor(log10(abs(x)))
    mantissa = f"{abs(x) / 10**exponent:.1f}"
    if mantissa == "10.0":
        mantissa, exponent = "1.0", exponent + 1
    sign = "−" if x < 0 else ""
    if -3 <= exponent <= 2:
        return f"{sign}{abs(x):.{max(0, 1 - exponent)}f}"
    return f"{sign}{mantissa} × 10{str(exponent).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
