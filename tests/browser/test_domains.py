"""A person opens the map of the domains, chooses a cell, and hands on exactly that view."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import open_tab

SLOW = 60_000


@pytest.mark.leaves("domains running")
def test_a_map_says_what_it_will_take_before_it_runs(again: Page) -> None:
    page = again
    open_tab(page, "Domains")
    page.get_by_role("button", name="Run a transfer map").click()
    page.locator("#gv-transfer-estimate").click()
    expect(page.locator("#gv-transfer-progress")).to_contain_text("147 cells, 6 analyses: about", timeout=SLOW)
    page.locator("#gv-transfer-name input, #gv-transfer-name textarea").first.fill("../x")
    page.locator("#gv-transfer-run").click()
    expect(page.locator("#gv-transfer-progress .gv-error")).to_contain_text("needs a name", timeout=SLOW)
    page.get_by_role("button", name="Run a transfer map").click()


@pytest.mark.leaves("domains")
def test_a_cell_of_the_map_shows_its_queries_and_stays_in_the_address(again: Page) -> None:
    page = again
    open_tab(page, "Domains")
    expect(page.locator("#gv-domains-says .gv-sentence")).to_contain_text("balanced", timeout=SLOW)
    expect(page.locator("#gv-domains-advantage .main-svg").first).to_be_visible(timeout=SLOW)
    page.locator('#gv-domains-scores [data-name="2-0"]').click()
    expect(page.locator("#gv-domains-detail")).to_contain_text("Calibrated on general, measured on chemistry")
    expect(page.locator('#gv-domains-overlap [data-name="2-0"]')).to_have_attribute("aria-selected", "true")
    expect(page.locator("#gv-domains-queries").get_by_text("On general").first).to_be_visible()
    page.locator("#gv-domains-sparsity").get_by_label("50 %").check()
    expect(page.locator("#gv-domains-detail")).to_contain_text("balanced at 50 %")
    page.wait_for_function("location.search.includes('domains=') && location.search.includes('2-0')")
    page.reload()
    expect(page.locator("#gv-domains-detail")).to_contain_text("balanced at 50 %", timeout=SLOW)
    expect(page.locator('#gv-domains-scores [data-name="2-0"]')).to_have_attribute("aria-selected", "true")
