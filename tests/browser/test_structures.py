"""A structure on the page: chosen, followed, measured, undone; what cannot be is one line."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import CELLS, LONG, card, choose, slider, texts, wait_changed

CUT = "neurons of every layer are cut out"


@pytest.mark.anew
def test_a_structure_is_followed_measured_and_undone(tiny: Page) -> None:
    page = tiny
    before = texts(page)
    choose(page, "structure", "neurons")
    expect(page.locator("#gv-headline .gv-sentence")).to_contain_text(CUT, timeout=LONG)
    expect(page).to_have_url(re.compile("structure=neurons"))
    wait_changed(page, lambda: texts(page), before)
    assert card(page, "Neurons kept") == "32 / 48"
    assert card(page, "Expected time") == "not measured"
    parameters = card(page, "Parameters")
    # No width of 0 is left at the far end: one line, and the picture stays.
    slider(page, "sparsity").focus()
    page.keyboard.press("End")
    expect(page.locator("#gv-headline .gv-error")).to_contain_text("none would stay")
    assert page.locator(CELLS).count() == len(before)
    page.keyboard.press("Home")
    expect(page.locator("#gv-headline .gv-sentence")).to_contain_text("Nothing is cut")
    page.locator("#gv-undo").click()
    expect(page.locator("#gv-headline .gv-sentence")).to_contain_text(CUT)
    assert card(page, "Parameters") == parameters
    page.locator("#gv-timing-measure").click()
    expect(page.locator("#gv-timing-told")).to_contain_text("Between what was measured on this machine", timeout=LONG)
    assert "× as fast" in card(page, "Expected time")
    choose(page, "structure", "heads")
    expect(page.locator("#gv-headline .gv-error")).to_contain_text("no head size of its own")
    choose(page, "structure", "weights")
    expect(page.locator("#gv-timing")).to_be_hidden()
    assert card(page, "Zeros")
