"""What the page promises beside tuning: words on hover, linked charts, queries, the selected matrix."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import quiet
from tests.browser.steps import CELLS, LONG, SECOND, open_tab

POINT = "#gv-scatter .scatterlayer .trace:nth-child(1) .point"


@pytest.mark.leaves("motion")
def test_hover_scale_and_linked_charts(again: Page) -> None:
    page = again
    page.locator(CELLS).nth(2).hover()
    tip = page.locator("#gv-atlas + .gv-tip, .gv-tip").first
    expect(tip).to_contain_text("% of the weights")
    expect(tip).to_contain_text("encoder.layer.2.intermediate.dense.weight")
    page.locator("#gv-scale").get_by_text("Rank", exact=True).click()
    expect(page.locator("#gv-atlas .gv-legend")).to_contain_text("rank within the role")

    open_tab(page, "Distributions")
    expect(page.locator(POINT).first).to_be_attached(timeout=60 * SECOND)
    linked = (
        "document.querySelector('#gv-score-density .js-plotly-plot').layout.shapes.filter(s => s.name === 'gv-linked')"
    )
    # A chart that is drawn anew lets its hover go.
    quiet(page)
    page.locator("#gv-scatter").scroll_into_view_if_needed()
    page.locator(POINT).nth(40).hover(force=True)
    page.wait_for_function(f"{linked}.length === 1")
    expect(page.locator("#gv-scatter .hoverlayer")).to_contain_text("(score)")
    page.mouse.move(2, 2)
    page.wait_for_function(f"{linked}.length === 0")

    # Who asks for less motion gets none.
    page.emulate_media(reduced_motion="reduce")
    cell = page.locator(CELLS).first
    assert float(cell.evaluate("c => getComputedStyle(c).transitionDuration").removesuffix("s")) < 0.001


@pytest.mark.leaves("ranking", "measures")
@pytest.mark.needs("task")
def test_from_a_bar_to_its_query_and_through_the_queries(tiny: Page) -> None:
    open_tab(tiny, "Retrieval")
    tiny.locator("#gv-measure").click()
    bars = tiny.locator("#gv-per-query-domain .barlayer .point")
    expect(bars.first).to_be_visible(timeout=LONG)
    words = tiny.evaluate("document.querySelector('#gv-per-query-domain .js-plotly-plot').data[0].customdata[0][0]")
    # Long queries are shortened in the middle of the words on hover.
    asked = re.split("…|<", words.removeprefix("<b>"))[0]
    bars.first.scroll_into_view_if_needed()
    bars.first.hover(force=True)
    expect(tiny.locator("#gv-per-query-domain .hoverlayer")).to_contain_text("click: compare this query")
    bars.first.click(force=True)
    title = tiny.locator("#gv-ranking .gv-asked")
    expect(title).to_contain_text(asked, timeout=LONG)
    before = title.inner_text()
    tiny.keyboard.press("]")
    expect(title).not_to_have_text(before, timeout=LONG)
    tiny.locator("#gv-query-back").click()
    expect(title).to_have_text(before, timeout=LONG)
    expect(tiny).to_have_url(re.compile("pick="))


@pytest.mark.leaves("inside")
def test_the_matrix_tab_follows_the_selection_and_the_sliders(small: Page) -> None:
    open_tab(small, "Matrix")
    small.locator("#gv-inside-look").click()
    where = small.locator(".gv-inside-where")
    expect(where).to_contain_text("Layer 0, Up", timeout=LONG)
    picture = small.locator(".gv-inside-frame")
    before = picture.get_attribute("data-values")
    small.locator("#gv-sparsity input[type=range]").focus()
    small.keyboard.press("ArrowRight")
    expect(picture).not_to_have_attribute("data-values", str(before), timeout=LONG)
    open_tab(small, "Atlas")
    small.locator(CELLS).nth(9).click()
    expect(small.locator("#gv-detail")).to_contain_text("Layer 3, Down")
    open_tab(small, "Matrix")
    expect(where).to_contain_text("Layer 3, Down", timeout=LONG)
    small.locator("#gv-inside-side").get_by_text("Columns", exact=True).click()
    expect(small.locator("#gv-units .gtitle")).to_contain_text("Input", timeout=LONG)
    for kind in ("csv", "json"):
        with small.expect_download() as held:
            small.locator(f"#gv-extremes-{kind}").click()
        assert held.value.suggested_filename == f"extreme-weights.{kind}"
