"""Colour, once: what each colour means, light and dark, and the scales that turn numbers into colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

# Meanings. Blue and orange are told apart by every kind of colour vision (after Okabe and Ito's palette); each has a
# contrast of nearly 4 or more on the light and on the dark ground of the page.
DENSE = "#687d95"
PRUNED = "#d55e00"
REFITTED = "#1a7dbd"
KEPT = "#1a7dbd"
REMOVED = "#d55e00"
DOMAIN = "#1a7dbd"
GENERAL = "#b07000"
THRESHOLD = "#d63369"
TERMS = {
    "fisher_domain": DOMAIN,
    "fisher_general": GENERAL,
    "magnitude": DENSE,
    "alignment": "#ab62a7",
    "source_mean": "#3f8f6b",
    "source_spread": "#ab62a7",
}
OTHER_TERM = "#3f8f6b"

# For exported pictures: text that passes AA on white. On the page the style sheet colours text, light or dark.
INK = "#6a7683"
UNKNOWN = "#9aa3ad"
"""What is no number."""
LINKED = "#e8a300"
"""The same weight in another chart."""
PAPER, PRINT_INK, PRINT_LINE = "#ffffff", "#333333", "#dddddd"
"""Pictures that are looked at outside of the page."""
PAGES = {"light": ("#1d2733", "#ffffff"), "dark": ("#e4e9ef", "#12181f")}
"""Pages that stand alone: ink and ground."""
HOVER_GROUND = "#16202b"
HOVER_INK = "#f2f5f8"
HALO = "rgba(255,255,255,0.75)"
GRID = "rgba(128,140,155,0.22)"
CLEAR = "rgba(0,0,0,0)"

# Perceptually even, dark to light; made for this project from equal steps in lightness.
SEQUENTIAL = ("#10244a", "#1d4177", "#1f6396", "#2586a3", "#3ea8a0", "#79c691", "#bfdf8b", "#f4f3a6")
DIVERGING = ("#8c3b00", "#c8691c", "#e8a76c", "#f3d9bf", "#f5f5f2", "#c3dcec", "#7db4d8", "#2f7fb8", "#0b4c80")
# Density fades into the ground of the page, so that one picture serves light and dark.
DENSITY = tuple(f"rgba(26,125,189,{alpha})" for alpha in (0, 0.14, 0.28, 0.42, 0.56, 0.7, 0.85, 1))
FRACTION = ("#eef3f7", "#cfe0ea", "#f4cfa8", "#ea9a5a", "#d55e00", "#8f2f00")


@dataclass(frozen=True)
class Scale:
    """Numbers to colours.

    Attributes:
        colors: stops at equal distances.
        low, high: the numbers at the ends; beyond them the end colours hold.
    """

    colors: Sequence[str]
    low: float
    high: float

    def at(self, value: float) -> str:
        """`#rrggbb` of a number; grey for what is not a number."""
        if value != value:
            return UNKNOWN
        span = self.high - self.low
        place = 0.5 if span <= 0 else min(1.0, max(0.0, (value - self.low) / span))
        position = place * (len(self.colors) - 1)
        index = min(int(position), len(self.colors) - 2)
        part = position - index
        a, b = _rgb(self.colors[index]), _rgb(self.colors[index + 1])
        return "#" + "".join(f"{round(x + (y - x) * part):02x}" for x, y in zip(a, b, strict=True))

    def ticks(self, count: int = 5) -> list[float]:
        """Numbers at equal distances, ends included."""
        return [self.low + (self.high - self.low) * i / (count - 1) for i in range(count)]


@lru_cache(maxsize=4_096)
def text_on(color: str) -> str:
    """Black or white, whichever has the greater WCAG contrast: at least 4.58, which only pure black gives."""
    return max(("#000000", "#ffffff"), key=lambda ink: contrast(ink, color))


def contrast(a: str, b: str) -> float:
    """WCAG 2 contrast ratio of two colours, 1 to 21."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(color: str) -> float:
    """WCAG 2 relative luminance of `#rrggbb`, 0 to 1."""
    parts = [c / 255 for c in _rgb(color)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def faded(color: str, alpha: float) -> str:
    """`#rrggbb` with an opacity."""
    return f"rgba({','.join(str(part) for part in _rgb(color))},{alpha:g})"


def plotly_scale(colors: Sequence[str]) -> list[list[float | str]]:
    """Stops as plotly wants them."""
    return [[i / (len(colors) - 1), color] for i, color in enumerate(colors)]


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
