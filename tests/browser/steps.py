"""What a person's hands and eyes do on the page, for all tests of the browser."""

from __future__ import annotations

from playwright.sync_api import Locator, Page

CELLS = "#gv-atlas [role=gridcell][data-name]"
SECOND = 1_000
LONG = 240 * SECOND
"""For what is computed on a machine that computes more."""


def texts(page: Page) -> list[str]:
    return page.locator(CELLS).all_inner_texts()


def card(page: Page, label: str, within: str = "#gv-headline") -> str:
    """The value of one figure."""
    return page.locator(f"{within} .gv-card", has_text=label).first.locator("dd").first.inner_text()


def slider(page: Page, name: str) -> Locator:
    return page.locator(f"#gv-{name} input[type=range]")


def wait_changed(page: Page, read, before: object) -> object:
    """Poll until a reading differs from an earlier one; its new value."""
    for _ in range(200):
        now = read()
        if now != before:
            return now
        page.wait_for_timeout(100)
    raise AssertionError(f"still {before!r}")


def choose(page: Page, name: str, label: str) -> None:
    """Pick an entry of a dropdown."""
    page.locator(f"#gv-{name} input").click()
    page.get_by_role("option", name=label, exact=True).click()


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()
