"""Quality against time, as a picture that stands beside a table: a small SVG of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

from gaprune_viz.figures.experiments.frontier_plot import quality_of, size_of
from gaprune_viz.figures.kit import scales

WIDTH, HEIGHT = 860, 460
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 40, 56
# Whose time is drawn: long texts, many at a time.
TIMED = "long-32"
TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def frontier_svg(document: Mapping[str, Any]) -> str:
    """A frontier: milliseconds a text on a logarithmic axis, the mean of both tasks' quality in percent of dense, the
    area of a mark the size of the weights.

    Args:
        document: as `run_frontier` gives it.
    """
    rows = document["rows"]
    times = [row["milliseconds"][TIMED] for row in rows]
    quality, sizes = [quality_of(row) for row in rows], [size_of(row) for row in rows]
    low, high = math.log10(min(times)) - 0.1, math.log10(max(times)) + 0.35
    floor, roof = min(quality) - 3, max(max(quality), 100) + 3

    def across(value: float) -> float:
        return LEFT + (math.log10(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def up(value: float) -> float:
        return HEIGHT - BOTTOM - (value - floor) / (roof - floor) * (HEIGHT - TOP - BOTTOM)

    parts = [_text(LEFT, 22, f"{document['model']}: quality against time", "start", 14, bold=True)]
    step = next(s for s in (1, 2, 5, 10, 20, 50) if (roof - floor) / s <= 10)
    for value in range(math.ceil(floor / step) * step, math.floor(roof) + 1, step):
        parts += [_line(LEFT, up(value), WIDTH - RIGHT, up(value)), _text(LEFT - 8, up(value) + 4, str(value), "end")]
    for value in (tick for tick in TICKS if low <= math.log10(tick) <= high):
        parts += [_line(across(value), TOP, across(value), HEIGHT - BOTTOM)]
        parts.append(_text(across(value), HEIGHT - BOTTOM + 18, f"{value:g}", "middle"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, "milliseconds a text (160 words, batch 32)", "middle"))
    parts.append(_text(14, TOP - 6, "nDCG@10, % of dense", "start"))
    for row, time, value, size in zip(rows, times, quality, sizes, strict=True):
        radius = 3 + 11 * math.sqrt(size / max(sizes))
        parts.append(
            f'<circle cx="{across(time):.1f}" cy="{up(value):.1f}" r="{radius:.1f}" fill="{scales.KEPT}" '
            f'fill-opacity="0.45" stroke="{scales.KEPT}"><title>{escape(row["label"])}</title></circle>'
        )
    for place, (row, time, value) in enumerate(zip(rows, times, quality, strict=True)):
        # Labels of neighbours would cover each other on one side.
        above = -1 if place % 2 else 1
        parts.append(_text(across(time) + 8, up(value) + above * 14 + 4, row["label"], "start"))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="sans-serif"><rect width="100%" height="100%" fill="{scales.PAPER}"/>\n{body}\n</svg>\n'
    )


def _text(x: float, y: float, text: str, anchor: str, size: int = 12, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{scales.PRINT_INK}"{weight}>'
        f"{escape(text)}</text>"
    )


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{scales.PRINT_LINE}"/>'
