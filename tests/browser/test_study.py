"""A person opens a study, walks through it, and loads the settings of a row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import card, open_tab

# The first paint of a figure may have to wait for plotly's own code.
SLOW = 60_000


@pytest.mark.leaves("study")
def test_the_bundled_study_is_walked_through_and_a_row_loads_its_settings(again: Page) -> None:
    page = again
    open_tab(page, "Study")
    page.locator("#gv-study-pick input").click()
    page.get_by_role("option").first.click()
    expect(page.locator("#gv-study-text .gv-card").first).to_be_visible(timeout=SLOW)
    expect(page.locator("#gv-study-back")).to_be_disabled()
    page.locator("#gv-study-next").click()
    expect(page.locator("#gv-study-text")).to_contain_text("without any training", timeout=SLOW)
    for side in ("left", "right"):
        expect(page.locator(f"#gv-study-{side} .main-svg").first).to_be_visible(timeout=SLOW)
    expect(page.locator("#gv-study-text .gv-says li").first).to_contain_text("keeps most")
    before = card(page, "Same as magnitude")
    page.locator("#gv-study-table .cell-wrap:visible", has_text=re.compile(r"^\s*random\s*$")).first.click()
    expect(page.locator("#gv-criterion input")).to_have_value("Random", timeout=SLOW)
    page.wait_for_function(
        "before => ![...document.querySelectorAll('#gv-headline .gv-card')].some(c => c.innerText.includes(before)"
        " && c.innerText.includes('magnitude'))",
        arg=before,
        timeout=SLOW,
    )


@pytest.mark.leaves("study file")
def test_a_file_that_is_no_study_says_so_in_its_place(again: Page, tmp_path: Path) -> None:
    page = again
    wrong = tmp_path / "study.json"
    wrong.write_text('{"format": 1, "rows": "<script>alert(1)</script>"}')
    open_tab(page, "Study")
    page.locator("#gv-study-upload input[type=file]").set_input_files(str(wrong))
    expect(page.locator("#gv-study-text .gv-error")).to_contain_text("damaged", timeout=SLOW)


@pytest.mark.leaves("study running")
def test_a_study_says_what_it_will_take_before_it_runs(again: Page) -> None:
    page = again
    open_tab(page, "Study")
    page.get_by_role("button", name="Run a study").click()
    page.locator("#gv-study-estimate").click()
    expect(page.locator("#gv-study-progress")).to_contain_text("9 cells, 1 analysis: about", timeout=SLOW)
    page.locator("#gv-study-name input, #gv-study-name textarea").first.fill("../x")
    page.locator("#gv-study-run").click()
    expect(page.locator("#gv-study-progress .gv-error")).to_contain_text("needs a name", timeout=SLOW)
    page.get_by_role("button", name="Run a study").click()
