"""One server with the real page and the real default model, and Chromium to drive it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from gaprune_viz.app import launch
from gaprune_viz.config import CalibrationSpec, RunSpec
from gaprune_viz.pipeline import analyze, drain

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# A busy machine is slower, not wrong.
expect.set_options(timeout=20_000)
NAMES = ("chromium", "chromium-browser", "google-chrome")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.minilm)


@pytest.fixture(scope="session")
def address() -> str:
    """Where the page is served."""
    _, local, _ = launch(port=0, prevent_thread_lock=True, quiet=True)
    return str(local)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    assert found, "Chromium is not installed: `make test` installs it"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page as a newcomer sees it, in a desktop window; a test fails on any error in its console."""
    yield from opened(browser, address, 1400, 950)


@pytest.fixture(scope="session")
def small_run() -> str:
    """The query of an analysis of eight samples a side: exact masks without the minutes of the bundled one's."""
    run = RunSpec(calibration=CalibrationSpec(samples=8))
    folder = drain(analyze(run))
    return f"?run={folder.name.removeprefix('analysis-')}"


@pytest.fixture
def small(browser: Browser, address: str, small_run: str) -> Iterator[Page]:
    """The page with that analysis."""
    yield from opened(browser, address, 1400, 950, small_run)


@pytest.fixture
def phone(browser: Browser, address: str) -> Iterator[Page]:
    """The page on a narrow phone."""
    yield from opened(browser, address, 390, 844)


def opened(
    browser: Browser, address: str, width: int, height: int, query: str = "", before: str = ""
) -> Iterator[Page]:
    """A page in a browser of its own that must log no error and ask nobody else; a script may run `before` it."""
    context = browser.new_context(viewport={"width": width, "height": height})
    tab = context.new_page()
    if before:
        tab.add_init_script(before)
    trouble: list[str] = []
    outside: list[str] = []
    tab.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: trouble.append(str(error)))
    tab.on("request", lambda request: outside.append(request.url) if _leaves(request.url, address) else None)
    tab.goto(f"{address.rstrip('/')}/{query}")
    tab.wait_for_selector("html[data-gv-settled] #gv-atlas [role=gridcell]", timeout=60_000)
    yield tab
    context.close()
    assert trouble == []
    assert outside == []


def _leaves(url: str, address: str) -> bool:
    return not url.startswith((address.rstrip("/"), "data:", "blob:", "about:"))
