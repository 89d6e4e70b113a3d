"""Chromium on the real page: from a key press to the repaint that shows its answer, and from opening to a chart."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
# A repaint is counted as done when the frame after the one that follows the change begins.
WATCH = """() => {
  const seen = window.seen = [];
  let pressed = 0;
  document.addEventListener('keydown', () => { pressed = performance.now(); }, true);
  new MutationObserver(() => {
    const from = pressed;
    if (!from) return;
    pressed = 0;
    requestAnimationFrame(() => requestAnimationFrame(() => seen.push(performance.now() - from)));
  }).observe(document.querySelector('#gv-headline'), { childList: true, subtree: true, characterData: true });
}"""
CHART = "#gv-atlas [role=gridcell]"
# In the page, from the start of navigation to the frame after the first chart is there.
FIRST_CHART = """() => new Promise((done) => {
  const look = () => document.querySelector('#gv-atlas [role=gridcell]')
    ? requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())))
    : requestAnimationFrame(look);
  look();
})"""


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser of the system."""
    from playwright.sync_api import sync_playwright

    found = next((path for path in map(shutil.which, NAMES) if path), None)
    if found is None:
        raise SystemExit("Chromium is not installed: `make test` installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


def key_to_repaint(browser: Any, address: str, presses: int) -> list[float]:
    """Milliseconds from each arrow key on the sparsity slider to the repaint of the headline."""
    page = browser.new_page(viewport={"width": 1400, "height": 950})
    page.goto(address)
    page.wait_for_selector(CHART)
    page.wait_for_timeout(2_000)
    page.focus("#gv-sparsity input[type=range]")
    page.evaluate(WATCH)
    for i in range(presses):
        page.keyboard.press("ArrowRight" if i % 8 < 4 else "ArrowLeft")
        page.wait_for_function("(n) => window.seen.length > n", arg=i, timeout=10_000)
        page.wait_for_timeout(300)
    found = page.evaluate("window.seen")
    page.close()
    return [float(v) for v in found]


def first_chart(browser: Any, address: str) -> float:
    """Seconds from opening the page, with nothing in the browser's cache, to its first chart."""
    context = browser.new_context(viewport={"width": 1400, "height": 950})
    page = context.new_page()
    page.goto(address, wait_until="commit")
    took = float(page.evaluate(FIRST_CHART)) / 1000
    context.close()
    return took
