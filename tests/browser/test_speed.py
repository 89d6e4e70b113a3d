"""What a run will take, and how fast and large the pruned model is, on the real page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import LONG


@pytest.mark.leaves("speed")
@pytest.mark.needs("samples", "model", "domain", "scope")
def test_a_run_is_estimated_and_the_pruned_model_measured(tiny: Page) -> None:
    tiny.locator("#gv-estimate").click()
    said = tiny.locator("#gv-progress")
    expect(said).to_contain_text("of memory at most", timeout=LONG)
    expect(said).to_contain_text("256 samples of both sides")

    tiny.get_by_role("tab", name="Export", exact=True).click()
    tiny.locator("#gv-measure-speed").click()
    table = tiny.locator("#gv-speed")
    expect(table).to_contain_text("makes a model neither smaller nor faster", timeout=LONG)
    rows = table.locator("tbody tr")
    expect(rows).to_have_count(2)
    assert [rows.nth(i).locator("th").inner_text() for i in (0, 1)] == ["Dense", "Pruned"]
    assert rows.nth(0).locator("td").nth(2).inner_text() == rows.nth(1).locator("td").nth(2).inner_text()
    assert all(float(rows.nth(i).locator("td").first.inner_text()) > 0 for i in (0, 1))
