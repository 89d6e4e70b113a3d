"""The formula with the numbers of one weight in it, as Markdown with LaTeX."""

from __future__ import annotations

import math

from gaprune_viz.figures.kit.formatting import number
from gaprune_viz.figures.kit.panels import term_label


def latex_number(x: float) -> str:
    """Three figures, or two with a power of ten, for LaTeX.

    >>> latex_number(0.0871), latex_number(6.1e-05), latex_number(-0.5)
    ('0.0871', '6.1\\\\cdot10^{-5}', '(-0.500)')
    """
    if not math.isfinite(x):
        return r"\text{none}"
    if x == 0:
        return "0"
    size = abs(x)
    if 1e-3 <= size < 1e5:
        text = number(size).replace(",", "")
    else:
        mantissa, exponent = f"{size:.1e}".split("e")
        text = rf"{mantissa}\cdot10^{{{int(exponent)}}}"
    return f"(-{text})" if x < 0 else text


def dai_numbers(
    *, theta: float, domain: float, general: float, s: float, kappa: float, power: float, alpha: float, beta: float,
    gamma: float, score: float,
) -> str:  # fmt: skip
    """DAI of one weight, every symbol with its number below it."""

    def named(value: float, symbol: str) -> str:
        return rf"\underbrace{{{latex_number(value)}}}_{{{symbol}}}"

    raised = "" if power == 1 else f"^{{{power:g}}}"
    size, root = named(theta, r"|\theta|"), latex_number(theta)
    scale, weight, share, factor = (
        named(value, symbol)
        for value, symbol in ((kappa, r"\kappa"), (beta, r"\beta"), (gamma, r"\gamma"), (alpha, r"\alpha"))
    )
    mine, theirs = (rf"{{{named(value, symbol)}}}{raised}" for value, symbol in ((domain, "F_d"), (general, "F_g")))
    fisher = rf"{mine}-{weight}\cdot {theirs}"
    terms = rf"{scale}\,\big({fisher}\big)\cdot {size}+{share}\sqrt{{{root}}}"
    return rf"\Big({terms}\Big)\big(1+{factor}\cdot {named(s, 's')}\big)={latex_number(score)}"


def verdict(score: float, threshold: float, *, pruned: bool) -> str:
    """What becomes of the weight, in a sentence."""
    fate = "pruned" if pruned else "kept"
    if not math.isfinite(threshold):
        return f"Its score is {number(score)}; there is no common threshold here, and it is **{fate}**."
    relation = "at or below" if score <= threshold else "above"
    return f"Its score {number(score)} is {relation} the threshold {number(threshold)}: the weight is **{fate}**."


def terms_list(terms: dict[str, float]) -> str:
    """The terms of a score, in one line."""
    return ", ".join(f"{term_label(name)} {number(value)}" for name, value in terms.items())
