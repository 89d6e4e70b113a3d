"""Sweeps and live re-ranking, as a person uses them, on a tiny model."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import quiet
from tests.browser.steps import LONG, SECOND, open_tab, slider


def sweep_magnitude(page: Page, sparsities: str) -> Locator:
    """Start a sweep of magnitude alone; the field of its sparsities."""
    open_tab(page, "Sweep")
    for label in ("DAI", "Joint OBD", "Domain Fisher"):
        page.locator("#gv-sweep-rows").get_by_label(label, exact=True).uncheck()
    columns = page.locator("#gv-sweep-columns input").first
    columns.fill(sparsities)
    columns.press("Enter")
    page.locator("#gv-sweep-run").click()
    return columns


@pytest.mark.leaves("sweep")
def test_a_cell_of_the_map_and_a_point_of_the_curve_load_their_settings(tiny: Page) -> None:
    page = tiny
    columns = sweep_magnitude(page, "0.35, 0.8")
    cells = page.locator("#gv-sweep-map-general [role=gridcell]")
    expect(cells).to_have_count(2, timeout=LONG)
    expect(page.locator("#gv-sweep-words")).to_contain_text("of dense")
    sparsity = page.locator("#gv-sparsity input[type=number]")
    cells.nth(0).click()
    expect(sparsity).to_have_value("0.35")
    expect(page.locator(".gv-sentence").first).to_contain_text("magnitude alone decides")
    expect(page.locator("#gv-sweep-difference")).to_contain_text("Magnitude, 35 % less dense")

    # The keyboard walks without loading; Enter loads.
    page.keyboard.press("ArrowRight")
    quiet(page)
    expect(sparsity).to_have_value("0.35")
    page.keyboard.press("Enter")
    expect(sparsity).to_have_value("0.8")
    expect(cells.nth(1)).to_have_attribute("aria-selected", "true")

    point = page.locator("#gv-sweep-domain .scatterlayer .trace path.point").first
    point.scroll_into_view_if_needed()
    point.hover(force=True)
    point.click(force=True)
    expect(sparsity).to_have_value("0.35")

    page.locator("#gv-sweep-table .cell-wrap:visible", has_text=re.compile(r"^\s*80 %\s*$")).first.click()
    expect(sparsity).to_have_value("0.8")

    # Stop leaves what was there. Fifty cells are more than are done before the click, on any machine.
    columns.fill(", ".join(f"0.{i}" for i in range(10, 60)))
    columns.press("Enter")
    page.locator("#gv-sweep-run").click()
    expect(page.locator("#gv-sweep-progress")).to_contain_text("sparsity", timeout=LONG)
    page.locator("#gv-sweep-stop").click()
    expect(page.locator("#gv-sweep-progress")).to_contain_text("Stopped", timeout=60 * SECOND)
    expect(cells).to_have_count(2)


@pytest.mark.leaves("ranking", "live")
@pytest.mark.needs("task")
def test_a_query_on_screen_is_ranked_anew_when_a_slider_moves(tiny: Page) -> None:
    page = tiny
    open_tab(page, "Retrieval")
    page.locator("#gv-query textarea, #gv-query input").first.fill("which bond shares electrons between two atoms")
    page.locator("#gv-compare").click()
    ranking = page.locator("#gv-ranking")
    expect(ranking.locator("ol")).to_have_count(2, timeout=LONG)
    expect(ranking).not_to_contain_text("Live:")

    # Many moves in a row: the last one is what is shown.
    slider(page, "sparsity").focus()
    for _ in range(25):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(60)
    expect(ranking).to_contain_text("Live: the dense top 50 re-ranked under the exact mask at 75.0 %", timeout=LONG)
    expect(page.locator("#gv-headline")).to_contain_text("exact mask", timeout=LONG)

    # Switched off, a move changes nothing.
    page.get_by_label("Live: a slider").uncheck()
    slider(page, "sparsity").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#gv-headline")).to_contain_text("74.0 %")
    quiet(page, rest=1)
    expect(ranking).to_contain_text("75.0 %")


@pytest.mark.leaves("measures")
@pytest.mark.needs("task")
def test_both_sides_are_measured_beside_each_other_and_nothing_is_cut_off(tiny: Page) -> None:
    page = tiny
    open_tab(page, "Retrieval")
    page.locator("#gv-measure").click()
    panels = page.locator("#gv-metrics .gv-measures")
    expect(panels).to_have_count(2, timeout=LONG)
    left, right = (panels.nth(i).bounding_box() for i in (0, 1))
    assert left and right and left["y"] == right["y"] and left["x"] + left["width"] <= right["x"]
    for i in (0, 1):
        ends = panels.nth(i).evaluate("p => [p.querySelector('table'), p].map(e => e.getBoundingClientRect().right)")
        assert ends[0] <= ends[1]
    for side in ("domain", "general"):
        expect(page.locator(f"#gv-map-{side} .main-svg").first).to_be_visible()
