"""Colours that can be read on a light and on a dark page, and the style sheet that has them."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from gaprune_viz.app.widgets import style
from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.metrics import METRICS, scale_of
from gaprune_viz.storage.paths import assets

SHEET = style.style_sheet()
MARKS = {
    name: getattr(scales, name)
    for name in ("DENSE", "PRUNED", "KEPT", "REMOVED", "DOMAIN", "GENERAL", "THRESHOLD", "OTHER_TERM")
} | scales.TERMS


# Colours


@pytest.mark.parametrize("colors", [scales.SEQUENTIAL, scales.DIVERGING, scales.FRACTION])
def test_text_on_every_colour_of_a_scale_passes_aa(colors: tuple[str, ...]) -> None:
    scale = scales.Scale(colors, 0.0, 1.0)
    for value in np.linspace(0, 1, 501):
        color = scale.at(float(value))
        assert scales.contrast(color, scales.text_on(color)) >= 4.5
    assert scales.contrast(scale.at(math.nan), scales.text_on(scale.at(math.nan))) >= 4.5


def test_scales_hold_their_ends() -> None:
    scale = scales.Scale(scales.SEQUENTIAL, -1.0, 3.0)
    assert (scale.at(-9), scale.at(9)) == (scales.SEQUENTIAL[0], scales.SEQUENTIAL[-1])
    assert scale.at(-1) == scales.SEQUENTIAL[0] and scale.ticks(3) == [-1.0, 1.0, 3.0]


def test_sequential_scale_is_even_in_lightness() -> None:
    scale = scales.Scale(scales.SEQUENTIAL, 0.0, 1.0)
    light = [scales.luminance(scale.at(v)) ** (1 / 3) for v in np.linspace(0, 1, 40)]
    steps = np.diff(light)
    assert (steps > 0).all() and steps.max() < 4 * steps.mean()


@pytest.mark.parametrize("key", [key for key, metric in METRICS.items() if metric.kind == "diverging"])
def test_diverging_legends_are_symmetric(key: str) -> None:
    scale, _ = scale_of(METRICS[key], [-0.1, 0.4, math.nan])
    assert (scale.low, scale.high) == (-0.4, 0.4)
    assert scale_of(METRICS[key], [])[0].low == -scale_of(METRICS[key], [])[0].high


def token(name: str, dark: bool) -> str:
    """A colour of the style sheet."""
    block = re.search(r"\n\.dark \{(.*?)\n\}", SHEET, re.S) if dark else re.search(r"\n:root \{(.*?)\n\}", SHEET, re.S)
    assert block is not None
    found = re.search(rf"--gv-{name}: (#[0-9a-f]{{6}});", block.group(1))
    assert found is not None, name
    return found.group(1)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_of_the_page_passes_aa(dark: bool) -> None:
    for ground in ("page", "surface", "sunken"):
        for ink in ("ink", "ink-2", "ink-3", "accent"):
            assert scales.contrast(token(ink, dark), token(ground, dark)) >= 4.5, (ink, ground)
    for tone in ("good", "bad", "error"):
        assert scales.contrast(token(tone, dark), token(f"{tone}-soft", dark)) >= 4.5, tone
        assert scales.contrast(token(tone, dark), token("surface", dark)) >= 4.5, tone
    assert scales.contrast(token("on-accent", dark), token("accent", dark)) >= 4.5
    assert scales.contrast(token("ink", dark), token("accent-soft", dark)) >= 4.5
    assert scales.contrast(token("line-strong", dark), token("surface", dark)) >= 3


@pytest.mark.parametrize("name", MARKS)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_marks_can_be_told_from_both_grounds(name: str, dark: bool) -> None:
    assert scales.contrast(MARKS[name], token("surface", dark)) >= 3.8


def test_text_of_exported_pictures_passes_aa_on_white() -> None:
    assert scales.contrast(scales.INK, "#ffffff") >= 4.5
    assert scales.contrast(scales.HOVER_INK, scales.HOVER_GROUND) >= 4.5


# The style sheet


def test_every_sheet_has_its_place_in_the_cascade() -> None:
    assert sorted(style.SHEETS) == sorted(file.stem for file in (assets() / "css").glob("*.css"))


def test_the_style_sheet_needs_no_network() -> None:
    assert not re.search(r"url\(|@import|@font-face|https?:", SHEET)


def test_the_style_sheet_is_balanced_and_uses_known_variables() -> None:
    bare = re.sub(r"/\*.*?\*/", "", SHEET, flags=re.S)
    assert bare.count("{") == bare.count("}")
    defined = set(re.findall(r"(--gv-[a-z0-9-]+)\s*:", bare))
    inline = {"--gv-n", "--gv-side"}
    used = set(re.findall(r"var\((--gv-[a-z0-9-]+)\)", bare))
    assert used <= defined | inline
    for name, color in style.COLORS.items():
        assert f"--gv-c-{name}:{color};" in style.variables()


def test_reduced_motion_is_respected() -> None:
    assert "prefers-reduced-motion: reduce" in SHEET and ":focus-visible" in SHEET


def test_head_is_one_style_element() -> None:
    head = style.head()
    assert head.startswith("<style>") and head.endswith("</style>") and head.count("<") == 2 + SHEET.count("<")


def test_colours_are_written_down_in_one_place() -> None:
    package = assets().parent / "gaprune_viz"
    files = [*package.rglob("*.py"), *(assets() / "js").rglob("*.js")]
    found = {
        f"{file.name}: {color}"
        for file in files
        if file.name != "scales.py"
        for color in re.findall(r"""['"\s:](#[0-9a-fA-F]{6}|#[0-9a-fA-F]{3})(?=['";\s])""", file.read_text("utf-8"))
    }
    assert not found
    used = set(re.findall(r"gv\.color\('([a-z-]+)'\)", "".join(file.read_text("utf-8") for file in files)))
    assert used and used <= set(style.COLORS)
