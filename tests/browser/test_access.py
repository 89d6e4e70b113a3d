"""The page for everybody: axe-core finds nothing serious, and a whole visit needs no mouse."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, TimeoutError, expect

from tests.browser.conftest import DEMO, Tab, quiet

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
SECOND = 1_000
TABS = (
    "Atlas",
    "Matrix",
    "Distributions",
    "Compare",
    "Retrieval",
    "Sweep",
    "Benchmark",
    "Study",
    "Domains",
    "Data",
    "Export",
    "Runs",
    "Learn",
)
# Gradio's own parts that the page cannot change are left out by name, each with its reason.
LEFT_OUT = [
    [".cm-editor"],  # CodeMirror's read-only editor: its scroller has no label of its own.
]
# Charts in sight whose bar has no button for their table.
BARE = """() => [...document.querySelectorAll('.js-plotly-plot')].filter((plot) => plot.offsetParent)
  .map((plot) => plot.closest('[id^="gv-"]'))
  .filter((block) => ![...block.querySelectorAll('.gv-chart-bar button')].some((b) => b.textContent === 'Table'))
  .map((block) => block.id)"""

# Every chart in sight has its lines.
DRAWN = """() => [...document.querySelectorAll('.js-plotly-plot')].filter((plot) => plot.offsetParent)
  .every((plot) => plot.querySelector('.main-svg'))"""
# No colour is on its way to another.
STILL = "() => document.getAnimations().every((one) => one.playState !== 'running' || !one.transitionProperty)"
THEMES = ("light", "dark")
COLORS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}


def findings(page: Page, *, colors_only: bool = False) -> list[str]:
    """Serious and critical findings of axe-core on what is open, as `rule: selector`."""
    options = {"resultTypes": ["violations"], "preload": False, **(COLORS if colors_only else {})}
    result = page.evaluate("([out, options]) => axe.run({exclude: out}, options)", [LEFT_OUT, options])
    return [
        f"{found['id']}: {node['target'][0]}"
        for found in result["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


@dataclass(frozen=True)
class Visit:
    """What axe-core found in each tab, by theme, and charts without a table of their numbers, by tab."""

    found: dict[str, dict[str, list[str]]]
    bare: dict[str, list[str]]


@pytest.fixture(scope="module")
def visit(_desk: Tab) -> Visit:
    """One walk through all tabs, each looked at in both themes."""
    page = _desk.begin(DEMO, set(), set(), anew=True)
    page.add_script_tag(path=AXE)
    expect(page.locator("#gv-profile .js-plotly-plot")).to_be_visible()
    seen = Visit({theme: {} for theme in THEMES}, {})
    # Benchmark measures how fast the model reads: whatever is opened meanwhile would wait for its answer, too.
    for tab in sorted(TABS, key=lambda tab: tab == "Benchmark"):
        page.get_by_role("tab", name=tab, exact=True).click()
        quiet(page)
        page.wait_for_function(DRAWN)
        # A chart's bar is put there a moment after the chart.
        with suppress(TimeoutError):
            page.wait_for_function(f"() => !({BARE})().length", timeout=5 * SECOND)
        seen.bare[tab] = page.evaluate(BARE)
        for theme in THEMES:
            page.evaluate("(dark) => document.body.classList.toggle('dark', dark)", theme == "dark")
            page.wait_for_function(STILL)
            # The rules that are not about colours see the same page again.
            seen.found[theme][tab] = findings(page, colors_only=theme != THEMES[0])
    page.evaluate("document.body.classList.remove('dark')")
    assert _desk.opened is not None
    _desk.opened.check()
    return seen


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious(visit: Visit, theme: str) -> None:
    assert set(visit.bare) == set(visit.found[theme]) == set(TABS)
    for tab, bare in visit.bare.items():
        assert not bare, f"{tab}: charts without a table of their numbers: {bare}"
    unmet = {tab: lines for tab, lines in visit.found[theme].items() if lines}
    assert not unmet, "\n".join(f"{tab}: {line}" for tab, lines in unmet.items() for line in lines)


def tab_to(page: Page, inside: str, most: int = 120) -> None:
    """Press Tab until the focus is inside a part."""
    for _ in range(most):
        if page.evaluate("(inside) => !!document.activeElement.closest(inside)", inside):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {inside}")


@pytest.mark.leaves("compare", "tour")
@pytest.mark.anew
def test_a_whole_visit_by_keyboard_alone(again: Page) -> None:
    """Tune, undo, select a matrix, pin, compare, take the tour, copy the link: no mouse."""
    page = again
    page.locator("body").focus()
    tab_to(page, "#gv-tour")
    page.keyboard.press("Enter")
    panel = page.locator("#gv-tour-panel")
    expect(panel).to_contain_text("1 of 10")
    for step in range(2, 11):
        tab_to(page, "#gv-tour-panel .gv-tool-main")
        page.keyboard.press("Enter")
        expect(panel).to_contain_text(f"{step} of 10")
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    assert page.evaluate("document.activeElement.id") == "gv-tour"
    # However quickly one went through the steps, the page ends at the last.
    expect(page).to_have_url(re.compile("preset=balanced&sparsity=0.7&.*tab=export"))
    expect(page.locator("#gv-sparsity input[type=number]")).to_have_value("0.7")

    tab_to(page, "#gv-sparsity input[type=range]")
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile("sparsity=0.67"))
    tab_to(page, "#gv-pin")
    page.keyboard.press("Enter")

    tab_to(page, "[role=tab]")
    for _ in range(12):
        if page.evaluate("document.activeElement.innerText").strip() == "Compare":
            break
        page.keyboard.press("ArrowRight")
        if page.evaluate("document.activeElement.innerText").strip() != "Compare":
            page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#gv-board")).to_contain_text("Balanced, Sparsity 0.67")
    expect(page.locator("#gv-difference")).to_contain_text("minus")


@pytest.mark.leaves("inside", "weight", "atlas table")
def test_pictures_tables_and_the_inside_of_a_matrix(small: Page) -> None:
    page = small
    bar = page.locator("#gv-profile .gv-chart-bar")
    expect(bar).to_be_visible()
    for name, ending in (("CSV", ".csv"), ("SVG", ".svg"), ("HTML", ".html")):
        with page.expect_download() as held:
            bar.get_by_role("button", name=name, exact=True).click()
        path = Path(held.value.path())
        assert held.value.suggested_filename.endswith(ending)
        assert path.stat().st_size > 200
        if name == "HTML":
            assert "https://" not in path.read_text(encoding="utf-8")[:2_000]
    bar.get_by_role("button", name="Table", exact=True).click()
    expect(page.locator("#gv-profile .gv-chart-table")).to_contain_text("uniform")

    page.get_by_role("tab", name="Matrix", exact=True).click()
    page.locator("#gv-inside-look").click()
    frame = page.locator(".gv-inside-frame")
    expect(frame).to_be_visible(timeout=240 * SECOND)
    for _ in range(4):
        if frame.get_attribute("data-exact") == "1":
            break
        before = frame.get_attribute("data-rows")
        frame.focus()
        page.keyboard.press("ArrowDown")
        expect(page.locator(".gv-inside-says")).to_contain_text("% of the weights")
        page.keyboard.press("Enter")
        expect(frame).not_to_have_attribute("data-rows", str(before), timeout=60 * SECOND)
    expect(frame).to_have_attribute("data-exact", "1")
    frame.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#gv-weight-card")).to_contain_text("threshold", timeout=60 * SECOND)
    expect(page.locator("#gv-extremes")).to_contain_text("least")
