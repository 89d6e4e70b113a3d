"""What a person takes along or comes back to: pictures, tables, the model, the list of runs; and what Learn teaches."""

from __future__ import annotations

import json
import re
import struct
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from gaprune_viz.analysis.making import analyze
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import CalibrationSpec, RunSpec, Sampling
from tests.browser.conftest import opened, quiet
from tests.browser.steps import CELLS, LONG, choose, open_tab, slider, wait_changed


def saved(page: Page, button: str, within: str = "body") -> tuple[str, Path]:
    """The name and the file that a button saves."""
    with page.expect_download(timeout=LONG) as held:
        page.locator(within).get_by_role("button", name=button, exact=True).first.click()
    return held.value.suggested_filename, Path(held.value.path())


def pick_run(page: Page, words: str) -> None:
    """Pick a run, and wait for its name and note, which may both be empty."""
    page.locator("#gv-run-pick input").click()
    page.get_by_role("option", name=re.compile(words)).first.click()
    quiet(page)


def test_a_chart_is_saved_as_a_sharp_picture_and_as_numbers(again: Page) -> None:
    page = again
    expect(page.locator("#gv-profile .gv-chart-bar")).to_be_visible()
    name, path = saved(page, "PNG", "#gv-profile")
    content = path.read_bytes()
    assert name.endswith(".png") and content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    box = page.locator("#gv-profile .main-svg").first.bounding_box()
    assert box is not None
    assert abs(width - 2 * box["width"]) <= 4 and abs(height - 2 * box["height"]) <= 4

    name, path = saved(page, "JSON", "#gv-profile")
    document = json.loads(path.read_text(encoding="utf-8"))
    assert name.endswith(".json") and len(document["rows"]) >= 6


@pytest.mark.leaves("export")
def test_the_model_leaves_with_its_card(small: Page) -> None:
    open_tab(small, "Export")
    small.locator("#gv-export").click()
    download = small.locator("#gv-download-model")
    expect(download).to_be_enabled(timeout=LONG)
    with small.expect_download(timeout=LONG) as held:
        download.click()
    with zipfile.ZipFile(held.value.path()) as archive:
        names = {Path(name).name for name in archive.namelist()}
        card = next(name for name in archive.namelist() if name.endswith("README.md") and name.count("/") <= 1)
        text = archive.read(card).decode()
    assert {"model.safetensors", "mask.safetensors", "gaprune.json", "modules.json"} <= names
    assert "50.0%" in text and "GAPrune" in text
    for button, kind in (("Table (.csv)", ".csv"), ("Settings (.json)", ".json")):
        name, path = saved(small, button, "#gv-tabs")
        assert name.endswith(kind) and path.stat().st_size > 200


@pytest.mark.leaves("runs")
def test_runs_are_named_opened_and_deleted(small: Page) -> None:
    page = small
    samples = CalibrationSpec(samples=6, sampling=Sampling.RANDOM, seed=11)
    folder = drain(analyze(RunSpec(calibration=samples)))
    open_tab(page, "Runs")
    table = page.locator("#gv-run-table")
    pick_run(page, " 6 samples")
    page.locator("#gv-run-name input, #gv-run-name textarea").first.fill("Six <b>only</b>")
    page.locator("#gv-run-note input, #gv-run-note textarea").first.fill("to throw away")
    page.locator("#gv-run-save").click()
    expect(table).to_contain_text("Six <b>only</b>")
    expect(table).to_contain_text("to throw away")
    page.locator("#gv-run-open").click()
    expect(page.locator("#gv-current")).to_contain_text("6 + 6 samples", timeout=LONG)

    # What is on screen is not deleted under it.
    open_tab(page, "Runs")
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("#gv-run-delete").click()
    expect(page.locator("#gv-run-said")).to_contain_text("Open another one first")
    assert folder.is_dir()
    pick_run(page, " 8 samples")
    page.locator("#gv-run-open").click()
    expect(page.locator("#gv-current")).to_contain_text("8 + 8 samples", timeout=LONG)
    open_tab(page, "Runs")
    pick_run(page, "Six")
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("#gv-run-delete").click()
    expect(page.locator("#gv-run-said")).to_contain_text("Deleted")
    expect(table).not_to_contain_text("to throw away")
    assert not folder.exists()


@pytest.mark.leaves("ranking")
@pytest.mark.needs("task")
def test_the_largest_change_and_the_topics_of_passages(tiny: Page) -> None:
    choose(tiny, "preset", "Balanced")
    expect(tiny.locator(".gv-settings-line")).to_contain_text("Balanced")
    slider(tiny, "sparsity").focus()
    for _ in range(20):
        tiny.keyboard.press("ArrowRight")
    expect(tiny.locator("#gv-headline")).to_contain_text("70.0 %")
    open_tab(tiny, "Retrieval")
    tiny.locator("#gv-surprise").click()
    ranking = tiny.locator("#gv-ranking")
    expect(ranking.locator("ol")).to_have_count(2, timeout=LONG)
    passages = ranking.locator("ol").first.locator("> li")
    expect(passages).to_have_count(10)
    expect(passages.filter(has=tiny.locator(".gv-chip"))).to_have_count(10)


@pytest.mark.leaves("tour")
def test_the_formula_follows_and_the_words_are_there(again: Page) -> None:
    page = again
    open_tab(page, "Learn")
    formula = page.locator("#gv-formula")
    expect(formula).to_contain_text("With numbers")
    read = lambda: formula.inner_text()  # noqa: E731
    before = read()
    slider(page, "sparsity").focus()
    page.keyboard.press("ArrowRight")
    before = wait_changed(page, read, before)
    open_tab(page, "Atlas")
    page.locator(CELLS).nth(9).click()
    open_tab(page, "Learn")
    expect(formula).to_contain_text("layer 3, Down")
    choose(page, "criterion", "Magnitude")
    expect(formula).to_contain_text("Now in use: Magnitude")
    expect(page.locator("#gv-glossary dt")).to_have_count(22)
    expect(page.locator("#gv-cite")).to_contain_text("2509.10844")
    expect(page.locator(".gv-prose.prose")).to_contain_text("Masks are not speed")
    page.locator("#gv-new-here button").click()
    expect(page.locator("#gv-tour-panel")).to_contain_text("1 of 10")


def test_an_address_of_a_stranger_is_never_markup(browser: Browser, address: str) -> None:
    bad = "%3Cimg%20src%3Dx%20onerror%3D%22window.gvHit%3D1%22%3E"
    parts = ("preset", "criterion", "at", "metric", "run", "task", "pick", "ask", "sparsity", "tab")
    for page in opened(browser, address, 1400, 950, "?" + "&".join(f"{part}={bad}" for part in parts)):
        open_tab(page, "Retrieval")
        quiet(page, rest=0.5)
        assert page.evaluate("window.gvHit") is None
        assert page.locator("img[src=x]").count() == 0
