"""The Benchmark tab on the real page: scores appear, the retraining curve grows, and both can be stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import LONG

SECOND = 1_000


def open_benchmark(page: Page) -> None:
    page.get_by_role("tab", name="Benchmark", exact=True).click()
    expect(page.locator("#gv-bench-run")).to_be_visible()


def small_task(folder: Path) -> Path:
    """A BEIR folder of a few texts: a browser test asks whether things appear, not what they are."""
    (folder / "qrels").mkdir(parents=True)
    texts = ["salt dissolves in water", "two atoms share electrons", "a loan bears interest", "the river meets the sea"]
    rows = {
        "corpus": [{"_id": f"p{i}", "title": "", "text": text} for i, text in enumerate(texts)],
        "queries": [{"_id": f"q{i}", "text": f"what is meant by {text}"} for i, text in enumerate(texts)],
    }
    for name, found in rows.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    lines = ["query-id\tcorpus-id\tscore", *(f"q{i}\tp{i}\t1" for i in range(len(texts)))]
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.leaves("benchmark")
def test_a_benchmark_is_estimated_stopped_run_and_downloaded(small: Page, tmp_path: Path) -> None:
    page = small
    open_benchmark(page)
    expect(page.locator("#gv-bench-estimate")).to_contain_text("for 2 models that read", timeout=LONG)
    progress, table = page.locator("#gv-bench-progress"), page.locator("#gv-bench-table")
    page.locator("#gv-bench-starter").get_by_label("General knowledge").uncheck()
    page.locator("#gv-bench-run").click()
    expect(progress).to_contain_text("Encoding", timeout=LONG)
    page.locator("#gv-bench-stop").click()
    expect(progress).to_contain_text("Stopped", timeout=20 * SECOND)
    page.locator("#gv-bench-starter").get_by_label("Chemistry").uncheck()
    own = page.locator("#gv-bench-own").locator("input, textarea").first
    own.fill(str(small_task(tmp_path / "small")))
    own.press("Tab")
    page.locator("#gv-bench-run").click()
    expect(progress).to_contain_text("Done", timeout=LONG)
    for word in ("small", "nDCG@10", "Pruned − dense"):
        expect(table).to_contain_text(word)
    expect(page.locator("#gv-bench-figure .main-svg").first).to_be_visible()
    with page.expect_download() as download:
        page.locator("#gv-bench-csv").click()
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("task,kind,variant,metric,score")
    assert [line.split(",")[2] for line in lines[1:]] == ["dense", "pruned"]


@pytest.mark.leaves("task", "retraining")
def test_retraining_is_stopped_and_run_with_a_curve(tiny: Page, tmp_path: Path) -> None:
    page = tiny
    page.get_by_role("tab", name="Retrieval", exact=True).click()
    task = page.locator("#gv-task input")
    task.fill(str(small_task(tmp_path / "small")))
    task.press("Enter")
    open_benchmark(page)
    progress = page.locator("#gv-train-progress")
    # More than is done before the click, on any machine.
    page.locator("#gv-train-batch-size input").fill("16")
    page.locator("#gv-train-control").get_by_role("checkbox").uncheck()
    page.locator("#gv-train-steps input").fill("500")
    page.locator("#gv-train-run").click()
    expect(progress).to_contain_text("Retraining", timeout=LONG)
    expect(page.locator("#gv-train-loss .main-svg").first).to_be_visible(timeout=LONG)
    page.locator("#gv-train-stop").click()
    expect(progress).to_contain_text("Stopped", timeout=20 * SECOND)
    expect(page.locator("#gv-bench-retrained").get_by_role("checkbox")).to_be_disabled()
    page.locator("#gv-train-steps input").fill("1")
    page.locator("#gv-train-run").click()
    expect(progress).to_contain_text("Done", timeout=LONG)
    expect(page.locator("#gv-train-quality .main-svg").first).to_be_visible()
    expect(page.locator("#gv-train-table")).to_contain_text("Pruned, retrained")
    expect(page.locator("#gv-bench-retrained").get_by_role("checkbox")).to_be_checked()
