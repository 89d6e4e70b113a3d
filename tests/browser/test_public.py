"""The public page in a browser: what it needs of the server is open, though the rest is closed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from gaprune_viz.app import launch
from gaprune_viz.config import ServeSpec
from tests.browser.conftest import opened


@pytest.fixture(scope="module")
def public_address(tiny_bert: Path) -> Iterator[str]:
    serve = ServeSpec(public=True, models=("default", str(tiny_bert)))
    app, local, _ = launch(port=0, serve=serve, prevent_thread_lock=True, quiet=True)
    yield str(local)
    app.state_holder.session_data.clear()


@pytest.fixture
def page(browser: Browser, public_address: str) -> Iterator[Page]:
    yield from opened(browser, public_address, 1400, 950)


def test_all_that_a_visitor_does_passes_the_gate(page: Page, tmp_path: Path) -> None:
    refused: list[str] = []
    page.on("response", lambda r: refused.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    slider = page.locator("#gv-sparsity input[type=number]")
    slider.fill("0.7")
    slider.press("Enter")
    expect(page.locator("#gv-headline")).to_contain_text("70")
    page.get_by_role("tab", name="Export").click()
    # The files come with the commands.
    expect(page.locator("#gv-shell")).to_contain_text("--sparsity 0.7")
    with page.expect_download() as settings:
        page.locator("#gv-download-settings").click()
    assert settings.value.suggested_filename == "settings.json"
    page.get_by_role("tab", name="Data").click()
    (tmp_path / "own.csv").write_text("query,positive,negative\n" + "why,because,not\nwho,me,you\n")
    page.locator("#gv-upload-domain input[type=file]").set_input_files(tmp_path / "own.csv")
    expect(page.locator("#gv-report-domain")).to_contain_text("Triplets")
    page.reload()
    page.wait_for_selector("html[data-gv-settled]")
    assert refused == []
