"""Take the pictures of docs/screens: `python tests/browser/screenshots.py docs/screens`."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gaprune_viz.app import launch
from tests.browser.conftest import FLAGS, NAMES

TABS = ("Atlas", "Distributions", "Retrieval", "Export", "Learn")
SIZES = {"": (1280, 860), "-phone": (390, 844)}


def main(folder: Path) -> None:
    """Every tab, light and dark, desktop and phone."""
    import shutil

    folder.mkdir(parents=True, exist_ok=True)
    _, address, _ = launch(port=0, prevent_thread_lock=True, quiet=True)
    path = next(p for p in map(shutil.which, NAMES) if p)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        for theme in ("light", "dark"):
            for size, (width, height) in SIZES.items():
                page = browser.new_page(viewport={"width": width, "height": height})
                page.goto(f"{address}?__theme={theme}")
                page.wait_for_selector("#gv-atlas [role=gridcell]")
                page.wait_for_timeout(2_500)
                for tab in TABS if not size else TABS[:1]:
                    page.get_by_role("tab", name=tab, exact=True).click()
                    if tab == "Retrieval":
                        page.locator("#gv-pick input").click()
                        page.get_by_role("option").nth(4).click()
                        page.locator("#gv-ranking ol").nth(1).wait_for(timeout=180_000)
                    page.wait_for_timeout(1_500)
                    page.evaluate("scrollTo(0, 0)")
                    page.wait_for_timeout(300)
                    page.screenshot(path=folder / f"{tab.lower()}-{theme}{size}.png", full_page=True)
                page.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
