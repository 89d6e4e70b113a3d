"""What can be seen and tuned beyond a slider: groupings, kinds of weights, differences, presets, pins, a still page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from gaprune_viz.config.presets import PRESETS
from tests.browser.conftest import opened, quiet
from tests.browser.steps import LONG, SECOND, card, choose, open_tab, slider, wait_changed
from tests.browser.test_experiments import sweep_magnitude

# Chromium's own count of moves that nobody asked for, from the first paint on.
SHIFTS = """
window.gvShifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    const parts = entry.sources.map((s) => (s.node && (s.node.id || s.node.className || s.node.nodeName)) || '');
    if (!entry.hadRecentInput) window.gvShifts.push([entry.value, parts.join(', ')]);
  }
}).observe({ type: 'layout-shift', buffered: true });
"""
# https://web.dev/articles/cls calls up to 0.1 good.
GOOD = 0.1


def rows_of(page: Page) -> list[str]:
    return page.locator("#gv-atlas [role=rowheader]").all_inner_texts()


def test_rows_are_roles_or_blocks(again: Page) -> None:
    page = again
    before = rows_of(page)
    assert before == ["Up", "Down"]
    page.locator("#gv-grouping").get_by_text("Blocks", exact=True).click()
    expect(page.locator("#gv-atlas [role=gridcell][data-name]")).to_have_count(6)
    assert rows_of(page) != before
    page.locator("#gv-grouping").get_by_text("Roles", exact=True).click()
    expect(page.locator("#gv-atlas [role=gridcell][data-name]")).to_have_count(12)


def test_the_four_kinds_follow_the_selection_and_the_sliders(again: Page) -> None:
    page = again
    open_tab(page, "Distributions")
    table = page.locator("#gv-kinds-table")
    expect(table.locator("tbody tr")).to_have_count(4)
    expect(page.locator("#gv-kinds-figure .main-svg").first).to_be_visible(timeout=LONG)
    read = lambda: table.inner_text()  # noqa: E731
    before = read()
    slider(page, "sparsity").focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    before = wait_changed(page, read, before)
    page.locator("#gv-only").get_by_text("The selected matrix").click()
    wait_changed(page, read, before)


@pytest.mark.leaves("compare")
def test_the_difference_between_two_settings(again: Page) -> None:
    page = again
    choose(page, "preset", "Balanced")
    expect(page.locator("#gv-beta input[type=number]")).to_have_value("0.3")
    open_tab(page, "Compare")
    difference = page.locator("#gv-difference")
    expect(difference).to_contain_text("minus")
    cells = difference.locator("[role=gridcell], td").all_inner_texts()
    assert any(re.match(r"[+−-]", text.strip()) for text in cells), cells
    choose(page, "one", "The settings now")
    wait_changed(page, lambda: difference.locator("[role=gridcell], td").all_inner_texts(), cells)


@pytest.mark.leaves("compare")
def test_presets_are_one_sentence_each_and_four_pins_stand_side_by_side(again: Page) -> None:
    page = again
    line = page.locator(".gv-settings-line")
    for preset in PRESETS.values():
        choose(page, "preset", preset.label)
        expect(line).to_contain_text(preset.label)
        expect(line).to_contain_text(preset.sentence)
    assert [preset.label for preset in PRESETS.values()] == [
        *("Paper, 50 %", "Paper, 30 %", "Balanced", "Robust", "Magnitude", "Optimal Brain Damage", "2:4 pattern")
    ]
    expect(page.locator("#gv-headline")).to_contain_text("50.0 %")

    for label in ("Paper, 50 %", "Balanced", "Magnitude", "Optimal Brain Damage"):
        choose(page, "preset", label)
        expect(page.locator("#gv-preset input")).to_have_value(label)
        expect(line).to_contain_text(label)
        page.locator("#gv-pin").click()
    open_tab(page, "Compare")
    board = page.locator("#gv-board")
    for name, label in zip("ABCD", ("Paper, 50 %", "Balanced", "Magnitude", "Optimal Brain Damage"), strict=True):
        expect(board).to_contain_text(name)
        expect(board).to_contain_text(label)
    expect(board.locator(".gv-board thead th")).to_have_count(5)
    # A fifth is refused in a sentence, and nothing is lost by it.
    choose(page, "preset", "Paper, 30 %")
    expect(line).to_contain_text("Paper, 30 %")
    page.locator("#gv-pin").click()
    expect(page.locator("body")).to_contain_text("4 settings are pinned already")
    page.locator("#gv-board [data-drop]").first.click()
    expect(board.locator(".gv-board thead th")).to_have_count(4)


@pytest.mark.leaves("sweep")
def test_a_sweep_marks_where_retrieval_collapses(small: Page) -> None:
    choose(small, "preset", "Magnitude")
    expect(small.locator(".gv-settings-line")).to_contain_text("Magnitude")
    sweep_magnitude(small, "0.3, 0.9")
    expect(small.locator("#gv-sweep-map-domain [role=gridcell]")).to_have_count(2, timeout=LONG)
    slider(small, "sparsity").focus()
    small.keyboard.press("ArrowRight")
    read = "getComputedStyle(document.querySelector('#gv-sparsity')).getPropertyValue('--gv-break%s')"
    small.wait_for_function(f"{read % '-on'}.trim() === '1'")
    assert 0.3 < float(small.evaluate(read % "")) <= 0.9
    expect(small.locator("#gv-headline")).to_contain_text("Measured in sweeps.")


def test_the_first_paint_stays_where_it_is(browser: Browser, address: str) -> None:
    for page in opened(browser, address, 1400, 950, before=SHIFTS):
        page.wait_for_timeout(2 * SECOND)
        shifts = page.evaluate("window.gvShifts")
        assert sum(value for value, _ in shifts) <= GOOD, shifts


@pytest.mark.parametrize("tab", ["Atlas", "Distributions", "Export"])
def test_a_move_of_a_slider_moves_nothing_else(again: Page, tab: str) -> None:
    page = again
    open_tab(page, tab)
    quiet(page)
    parts = (".gv-tuning", "#gv-tabs", "#gv-headline")
    places = lambda: [page.locator(part).first.bounding_box() for part in parts]  # noqa: E731
    slider(page, "sparsity").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#gv-headline")).to_contain_text("51.0 %")
    quiet(page)
    before = places()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(120)
    expect(page.locator("#gv-headline")).to_contain_text("57.0 %")
    assert card(page, "Sparsity of the scope") == "57.0 %"
    assert places() == before
