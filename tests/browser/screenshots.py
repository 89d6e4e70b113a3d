"""Take the pictures of docs/screens: `python tests/browser/screenshots.py docs/screens [TAB ...]`.

One visit fills every tab as a person would, with what the page computes then and there; each tab is then taken in light
and dark at three widths. What was computed is kept in a workspace of its own, so that a second time is quick.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("GAPRUNE_VIZ_WORKSPACE", str(Path(tempfile.gettempdir()) / "gaprune-viz-screens"))

from gaprune_viz.analysis.catalogue import label_run
from gaprune_viz.analysis.making import analyze
from gaprune_viz.app import launch
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import CalibrationSpec, RunSpec, Scope
from gaprune_viz.data.triplets import load_triplets
from tests.browser.conftest import FLAGS, NAMES

SIZES = {390: 844, 1280: 860, 2560: 1_440}
# All 78 pictures together take less than 7.5 MB; the widest are kept at two thirds of their size.
QUALITY = 27
WIDEST = 1_707
FOOT = 54  # pixels below the page's last part
LONG = 900_000
# Settled: nothing is at work, every chart is drawn, and nothing has changed for a while.
SETTLED = """() => {
  const seen = (node) => node.offsetParent !== null;
  const busy = '.gv-progress, .wrap.generating, .wrap.pending, .progress-text, .eta-bar, .skeleton, .loading';
  if ([...document.querySelectorAll(busy)].some(seen)) return false;
  const now = [document.body.innerText.length, document.documentElement.scrollHeight,
    [...document.querySelectorAll('.js-plotly-plot')].filter(seen).map((p) => p.getBoundingClientRect().width +
      (p.querySelector('.main-svg') ? 'drawn' : '')).join()].join('|');
  const same = window.gvSeen === now;
  window.gvSeen = now;
  window.gvStill = same ? (window.gvStill || 0) + 1 : 0;
  return window.gvStill >= 4;
}"""


def main(folder: Path, wanted: list[str]) -> None:
    """Fill and take the tabs; all of them unless some are named."""
    folder.mkdir(parents=True, exist_ok=True)
    kept()
    _, address, _ = launch(port=0, prevent_thread_lock=True, quiet=True)
    path = next(p for p in map(shutil.which, NAMES) if p)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": SIZES[1280]}, reduced_motion="reduce")
        page.set_default_timeout(60_000)
        expect.set_options(timeout=LONG)
        page.goto(address)
        page.wait_for_selector("#gv-atlas [role=gridcell]")
        page.wait_for_timeout(1_000)
        for tab, fill in TABS.items():
            if wanted and tab not in wanted:
                continue
            print(tab, flush=True)
            open_tab(page, tab)
            fill(page)
            for width in SIZES:
                for theme in ("light", "dark"):
                    take(page, folder / f"{tab.lower()}-{theme}-{width}.webp", width, theme)
            page.set_viewport_size({"width": 1280, "height": SIZES[1280]})
        browser.close()


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()
    settle(page)


def settle(page: Page) -> None:
    page.evaluate("window.gvSeen = null")
    page.wait_for_function(SETTLED, polling=200, timeout=LONG)


def take(page: Page, path: Path, width: int, theme: str) -> None:
    """One picture of the whole page."""
    page.evaluate("(dark) => document.body.classList.toggle('dark', dark)", theme == "dark")
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    page.evaluate(
        """(narrow) => {
      const bar = document.querySelector('.sidebar');
      if (bar.classList.contains('open') === narrow) bar.querySelector('.toggle-button').click();
      document.activeElement.blur();
      scrollTo(0, 0);
    }""",
        width < 768,
    )
    page.mouse.move(2, 2)
    settle(page)
    # A window as high as the page: what sticks to the window's edges then stands where it belongs.
    for _ in range(2):
        page.set_viewport_size({"width": width, "height": SIZES[width]})
        settle(page)
        end = page.evaluate("document.querySelector('main').getBoundingClientRect().bottom + scrollY")
        page.set_viewport_size({"width": width, "height": max(round(end) + FOOT, SIZES[width])})
        settle(page)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    if width > WIDEST:
        picture = picture.resize((WIDEST, round(picture.height * WIDEST / width)), Image.Resampling.LANCZOS)
    picture.save(path, quality=QUALITY, method=6)


def choose(page: Page, name: str, label: str) -> None:
    page.locator(f"#gv-{name} input").click()
    page.get_by_role("option", name=label, exact=True).click()
    settle(page)


def nothing(page: Page) -> None:
    """The tab is full as it is opened."""


def matrix(page: Page) -> None:
    page.locator("#gv-inside-look").click()
    expect(page.locator(".gv-inside-frame")).to_be_visible()


def compare(page: Page) -> None:
    for label in ("Paper, 50 %", "Balanced", "Magnitude", "Optimal Brain Damage"):
        choose(page, "preset", label)
        page.locator("#gv-pin").click()
        settle(page)
    choose(page, "preset", "Balanced")


def retrieval(page: Page) -> None:
    page.locator("#gv-pick input").click()
    page.get_by_role("option").nth(4).click()
    expect(page.locator("#gv-ranking ol")).to_have_count(2)
    page.locator("#gv-measure").click()
    expect(page.locator("#gv-metrics .gv-measures")).to_have_count(2)
    expect(page.locator("#gv-map-general .main-svg").first).to_be_visible()


def sweep(page: Page) -> None:
    for label in ("Joint OBD", "Domain Fisher"):
        page.locator("#gv-sweep-rows").get_by_label(label, exact=True).check()
    page.locator("#gv-sweep-run").click()
    expect(page.locator("#gv-sweep-csv")).to_be_visible()
    settle(page)


def benchmark(page: Page) -> None:
    page.locator("#gv-bench-run").click()
    expect(page.locator("#gv-bench-progress")).to_contain_text("Done")
    page.locator("#gv-train-steps input").fill("20")
    page.locator("#gv-train-run").click()
    expect(page.locator("#gv-train-progress")).to_contain_text("Done")


def study(page: Page) -> None:
    page.locator("#gv-study-pick input").click()
    page.get_by_role("option").first.click()
    page.locator("#gv-study-next").click()
    expect(page.locator("#gv-study-text")).to_contain_text("without any training")


def domains(page: Page) -> None:
    page.locator("#gv-domains-scores [role=gridcell]").nth(1).click()
    expect(page.locator("#gv-domains-places [role=grid]")).to_be_visible()


def data(page: Page) -> None:
    """An upload: the bundled finance triplets as a CSV file of a person's own."""
    triplets = load_triplets("finance").triplets
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "my-triplets.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["query", "positive", "negative"])
            rows.writerows([t.query, t.positive, t.negatives[0]] for t in triplets)
        page.locator("#gv-upload-domain input[type=file]").set_input_files(path)
        expect(page.locator("#gv-report-domain")).to_contain_text("Triplets")


def kept() -> None:
    """Two more analyses beside the one of the bundled example, with names and notes."""
    for domain, scope, name, note in (
        ("finance", Scope.MLP, "Finance, first look", "Compare the layers with chemistry."),
        ("chemistry", Scope.LINEAR, "Attention too", "All linear weights."),
    ):
        run = RunSpec(calibration=CalibrationSpec(domain=domain, scope=scope, samples=64))
        label_run(drain(analyze(run)), name, note)


TABS: dict[str, Callable[[Page], None]] = {
    "Atlas": nothing,
    "Matrix": matrix,
    "Distributions": nothing,
    "Compare": compare,
    "Retrieval": retrieval,
    "Sweep": sweep,
    "Benchmark": benchmark,
    "Study": study,
    "Domains": domains,
    "Data": data,
    "Export": nothing,
    "Runs": nothing,
    "Learn": nothing,
}


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
