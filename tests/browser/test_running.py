"""What a person has computed on the page: a run, a comparison, an explanation; a run stopped or refused; an upload."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import quiet
from tests.browser.steps import CELLS, SECOND, choose, open_tab, texts


@pytest.mark.leaves("samples", "scope", "ranking", "measures", "weight")
@pytest.mark.needs("model", "domain", "task")
def test_run_compare_and_explain(again: Page) -> None:
    """The whole way of a newcomer, on the default model."""
    page = again
    page.locator("#gv-scope label", has_text="attention").click()
    page.locator("#gv-samples input[type=number]").fill("16")
    page.locator("#gv-samples input[type=number]").press("Enter")
    page.locator("#gv-run").click()
    expect(page.locator("#gv-progress [role=progressbar]")).to_be_visible()
    expect(page.locator("#gv-current")).to_contain_text("your run", ignore_case=True, timeout=90 * SECOND)
    expect(page.locator("#gv-run")).to_be_enabled()
    assert len(texts(page)) == 24
    page.locator(CELLS).nth(7).click()
    expect(page.locator("#gv-detail")).to_contain_text("Layer 1, Key")

    open_tab(page, "Retrieval")
    page.locator("#gv-query textarea, #gv-query input").first.fill("which bond shares electrons between two atoms")
    page.locator("#gv-compare").click()
    lists = page.locator("#gv-ranking ol")
    expect(lists).to_have_count(2, timeout=120 * SECOND)
    assert [lists.nth(i).locator("> li").count() for i in (0, 1)] == [10, 10]

    page.locator("#gv-measure").click()
    expect(page.locator("#gv-metrics")).to_contain_text("nDCG@10", timeout=180 * SECOND)
    expect(page.locator("#gv-metrics")).to_contain_text("general")
    expect(page.locator("#gv-per-query-domain .main-svg").first).to_be_visible()

    open_tab(page, "Matrix")
    expect(page.locator("#gv-headline")).to_contain_text("exact mask")
    page.get_by_text("Why was this weight pruned?").click()
    card_of_weight = page.locator("#gv-weight-card")
    page.locator("#gv-explain").click()
    expect(card_of_weight).to_contain_text("key.weight[0,0]", timeout=60 * SECOND)
    expect(card_of_weight).to_contain_text("threshold of the whole scope")
    page.locator("#gv-weight-row input").fill("3")
    quiet(page)
    page.locator("#gv-weight-row input").press("Enter")
    expect(card_of_weight).to_contain_text("key.weight[3,0]", timeout=60 * SECOND)


@pytest.mark.leaves("samples")
@pytest.mark.needs("model", "domain")
def test_cancel_stops_soon_and_keeps_what_was_there(again: Page) -> None:
    page = again
    before, current = texts(page), page.locator("#gv-current .gv-run").inner_text()
    page.locator("#gv-samples input[type=number]").fill("512")
    page.locator("#gv-samples input[type=number]").press("Enter")
    page.locator("#gv-run").click()
    expect(page.locator("#gv-progress")).to_contain_text("Calibrating", timeout=60 * SECOND)
    page.locator("#gv-cancel").click()
    expect(page.locator("#gv-progress")).to_contain_text("Cancelled", timeout=10 * SECOND)
    assert texts(page) == before
    expect(page.locator("#gv-current .gv-run")).to_have_text(current, use_inner_text=True)
    expect(page.locator("#gv-run")).to_be_enabled()


@pytest.mark.leaves("model")
def test_an_unknown_model_is_one_clear_line(again: Page) -> None:
    page = again
    before = texts(page)
    page.locator("#gv-model textarea, #gv-model input").first.fill("./nowhere")
    page.locator("#gv-run").click()
    expect(page.locator("#gv-progress [role=alert]")).to_contain_text("There is no model folder", timeout=30 * SECOND)
    expect(page.locator("#gv-run")).to_be_enabled()
    assert texts(page) == before


@pytest.mark.leaves("data", "domain")
@pytest.mark.needs("model")
def test_an_upload_is_shown_and_used(again: Page, tmp_path: Path) -> None:
    page = again
    path = tmp_path / "own.csv"
    rows = "".join(f"what is metal {i},metal {i} conducts,metal {i} was sold\n" for i in range(6))
    path.write_text("question,answer,other\n" + rows)
    open_tab(page, "Data")
    page.locator("#gv-upload-domain input[type=file]").set_input_files(path)
    report = page.locator("#gv-report-domain")
    expect(report).to_contain_text(re.compile("Triplets|Pairs|cannot be used"), timeout=30 * SECOND)
    expect(page.locator("#gv-rows-domain")).to_contain_text("metal 3 conducts")
    for field, column in (("query", "question"), ("positive", "answer"), ("negative", "other")):
        if column not in page.locator(f"#gv-domain-{field}").inner_text() + (
            page.locator(f"#gv-domain-{field} input").first.input_value()
        ):
            choose(page, f"domain-{field}", column)
    expect(report).to_contain_text("of 6 rows", timeout=30 * SECOND)
    expect(report).to_contain_text("median")
    page.locator("#gv-use-domain").click()
    expect(report).to_contain_text("in the sidebar now")
    expect(page.locator("#gv-domain input")).to_have_value("own.csv")
