"""One server with the real page and the real default model, and Chromium to drive it."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from gaprune_viz.analysis.making import analyze
from gaprune_viz.app import launch
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import CalibrationSpec, RunSpec

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


class Tab:
    """A tab of a browser that tests use one after the other, each from the page's beginning."""

    def __init__(self, browser: Browser, address: str, width: int, height: int) -> None:
        self.open = lambda: opened(browser, address, width, height)
        self.life: Generator[Page, None, None] | None = None
        self.page: Page | None = None

    def begin(self) -> Page:
        """The page with the paper's settings, the first matrix and the first tab."""
        if self.page is None:
            self.life = self.open()
            self.page = next(self.life)
        else:
            self.page.evaluate(BEGINNING)
            self.page.wait_for_selector(f"html[data-gv-settled] {WHOLE}", timeout=60_000)
        return self.page

    def leave(self) -> None:
        """Close it, whatever its console says."""
        if self.life is not None:
            self.life.close()
        self.life, self.page = None, None

    def end(self) -> None:
        """Close it; an error in its console is raised now."""
        if self.life is not None:
            life, self.life, self.page = self.life, None, None
            assert next(life, None) is None


BEGINNING = """() => {
  delete document.documentElement.dataset.gvSettled;
  document.activeElement.blur();
  scrollTo(0, 0);
  const sidebar = innerWidth < 768 && document.querySelector('.sidebar.open .toggle-button');
  if (sidebar) sidebar.click();
  gv.go('tab=atlas&metric=pruned_fraction&scale=auto&group=role&at=0-up', true);
}"""


@pytest.fixture(scope="session")
def _desk(browser: Browser, address: str) -> Iterator[Tab]:
    tab = Tab(browser, address, 1400, 950)
    yield tab
    tab.end()


@pytest.fixture(scope="session")
def _hand(browser: Browser, address: str) -> Iterator[Tab]:
    tab = Tab(browser, address, 390, 844)
    yield tab
    tab.end()


def _used(tab: Tab, request: pytest.FixtureRequest) -> Iterator[Page]:
    failed = request.session.testsfailed
    yield tab.begin()
    if request.session.testsfailed > failed:
        # Whatever state it is in, the next test begins in a new one.
        tab.leave()


@pytest.fixture
def again(_desk: Tab, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page from its beginning in a tab that others used: for tests that leave settings, selection and tab alone
    or change nothing else. Loading the page anew takes five times as long."""
    yield from _used(_desk, request)


@pytest.fixture
def phone_again(_hand: Tab, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The same on a narrow phone."""
    yield from _used(_hand, request)


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


WHOLE = "#gv-atlas [role=gridcell]"


def opened(
    browser: Browser, address: str, width: int, height: int, query: str = "", before: str = "", seen: str = WHOLE
) -> Generator[Page, None, None]:
    """A page in a browser of its own that must log no error and ask nobody else; a script may run `before` it.

    It is given when all that its address asked for is there, and the part `seen` is in sight.
    """
    context = browser.new_context(viewport={"width": width, "height": height})
    tab = context.new_page()
    if before:
        tab.add_init_script(before)
    trouble: list[str] = []
    outside: list[str] = []
    tab.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: trouble.append(str(error)))
    tab.on("request", lambda request: outside.append(request.url) if _leaves(request.url, address) else None)
    try:
        tab.goto(f"{address.rstrip('/')}/{query}")
        tab.wait_for_selector(f"html[data-gv-settled] {seen}", timeout=60_000)
        yield tab
    finally:
        context.close()
    assert trouble == []
    assert outside == []


def _leaves(url: str, address: str) -> bool:
    return not url.startswith((address.rstrip("/"), "data:", "blob:", "about:"))
