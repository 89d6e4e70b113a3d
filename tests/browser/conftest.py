"""One server with the real page and the real default model, and Chromium to drive it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from weakref import WeakKeyDictionary

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from gaprune_viz.analysis.making import analyze
from gaprune_viz.app import launch
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import CalibrationSpec, ModelSpec, RunSpec, Sampling, Scope
from tests.servers import ELSEWHERE, LASTING

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
    LASTING.add(str(local))
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
        self.open = lambda query: Opened(browser, address, width, height, query)
        self.opened: Opened | None = None
        self.left: set[str] = set()

    def begin(self, query: str, leaves: set[str], needs: set[str], *, anew: bool) -> Page:
        """The page with an analysis, the paper's settings, the first matrix and the first tab.

        Args:
            query: of the analysis, such as `?run=demo`.
            leaves: what this test will leave behind that `BEGINNING` does not set back.
            needs: what beside it must be as on a new page; where another test has left any of both, it is opened anew.
            anew: open it anew in any case.
        """
        if anew or (leaves | needs) & self.left or self.open_list():
            self.leave()
        if self.opened is None:
            self.opened = self.open("" if query == DEMO else query)
            self.left = set()
        else:
            page = self.opened.page
            page.evaluate(BEGINNING, query.removeprefix("?"))
            page.wait_for_selector(f"html[data-gv-settled] {WHOLE}", timeout=60_000)
            quiet(page)
        self.left |= leaves
        return self.opened.page

    def open_list(self) -> bool:
        """Whether a test has left a list of choices open, which would lie over what the next one presses."""
        return self.opened is not None and self.opened.page.locator("[role=option]:visible").count() > 0

    def leave(self) -> None:
        """Close it."""
        if self.opened is not None:
            self.opened.close()
        self.opened = None


DEMO = "?run=demo"
MARKS = ("leaves", "needs")
BEGINNING = """(run) => {
  delete document.documentElement.dataset.gvSettled;
  document.activeElement.blur();
  scrollTo(0, 0);
  const sidebar = innerWidth < 768 && document.querySelector('.sidebar.open .toggle-button');
  if (sidebar) sidebar.click();
  gv.go(run + '&tab=atlas&metric=pruned_fraction&scale=auto&group=role&at=0-up', true);
}"""


def kept_open(tab: Tab) -> Iterator[Tab]:
    """A tab until other tests than those of the browser begin: the clocks of an idle page take some of a processor."""
    ELSEWHERE.append(tab.leave)
    yield tab
    ELSEWHERE.remove(tab.leave)
    tab.leave()


@pytest.fixture(scope="session")
def _desk(browser: Browser, address: str) -> Iterator[Tab]:
    yield from kept_open(Tab(browser, address, 1400, 950))


@pytest.fixture(scope="session")
def _hand(browser: Browser, address: str) -> Iterator[Tab]:
    yield from kept_open(Tab(browser, address, 390, 844))


def used(tab: Tab, request: pytest.FixtureRequest, query: str = DEMO) -> Iterator[Page]:
    """A shared tab for one test, as its marks say (`leaves`, `needs`, `anew`); errors in its console are the test's."""
    leaves, needs = ({part for mark in request.node.iter_markers(name) for part in mark.args} for name in MARKS)
    failed = request.session.testsfailed
    page = tab.begin(query, leaves, needs, anew=request.node.get_closest_marker("anew") is not None)
    yield page
    opened = tab.opened
    assert opened is not None
    if request.session.testsfailed > failed or opened.wrong:
        # Whatever state it is in, the next test begins in a new one.
        tab.leave()
    opened.check()


@pytest.fixture
def again(_desk: Tab, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page from its beginning in a tab that others used: loading it anew takes five times as long. A test that
    changes more than settings, selection, analysis and tab says so with the mark `leaves`."""
    yield from used(_desk, request)


@pytest.fixture
def phone_again(_hand: Tab, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The same on a narrow phone."""
    yield from used(_hand, request)


@pytest.fixture(scope="session")
def small_run() -> str:
    """The query of an analysis of eight samples a side: exact masks without the minutes of the bundled one's."""
    run = RunSpec(calibration=CalibrationSpec(samples=8, sampling=Sampling.RANDOM))
    folder = drain(analyze(run))
    return f"?run={folder.name.removeprefix('analysis-')}"


@pytest.fixture
def small(_desk: Tab, small_run: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page with that analysis, in the tab of `again`."""
    yield from used(_desk, request, small_run)


@pytest.fixture(scope="session")
def tiny_run(tiny_bert: Path) -> str:
    """The query of an analysis of the tiny model on the starter collections: encoding them takes no time."""
    run = RunSpec(
        model=ModelSpec(model=str(tiny_bert)),
        calibration=CalibrationSpec(samples=16, sampling=Sampling.RANDOM, scope=Scope.LINEAR),
    )
    return f"?run={drain(analyze(run)).name.removeprefix('analysis-')}"


@pytest.fixture
def tiny(_desk: Tab, tiny_run: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page with that analysis: for tests that ask whether things appear, and not what they are."""
    for page in used(_desk, request, tiny_run):
        expect(page.locator("#gv-current")).to_contain_text("16 + 16 samples", timeout=60_000)
        yield page


WHOLE = "#gv-atlas [role=gridcell]"


class Opened:
    """A page in a browser of its own that must log no error and ask nobody else.

    It is there when all that its address asked for is there, and the part `seen` is in sight.

    Args:
        before: a script to run before those of the page.
    """

    def __init__(
        self,
        browser: Browser,
        address: str,
        width: int,
        height: int,
        query: str = "",
        before: str = "",
        seen: str = WHOLE,
    ) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": height})
        self.page = page = self.context.new_page()
        if before:
            page.add_init_script(before)
        self.trouble: list[str] = []
        self.outside: list[str] = []
        page.on("console", lambda message: self.trouble.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("request", lambda request: self.outside.append(request.url) if _leaves(request.url, address) else None)
        _FLIGHTS[page] = Flights(page)
        try:
            page.goto(f"{address.rstrip('/')}/{query}")
            page.wait_for_selector(f"html[data-gv-settled] {seen}", timeout=60_000)
        except BaseException:
            self.context.close()
            raise

    @property
    def wrong(self) -> bool:
        return bool(self.trouble or self.outside)

    def check(self) -> None:
        assert self.trouble == []
        assert self.outside == []

    def close(self) -> None:
        self.context.close()


def opened(
    browser: Browser, address: str, width: int, height: int, query: str = "", before: str = "", seen: str = WHOLE
) -> Generator[Page, None, None]:
    """An `Opened` page for one test."""
    it = Opened(browser, address, width, height, query, before, seen)
    try:
        yield it.page
    finally:
        it.close()
    it.check()


class Flights:
    """What a page has asked for and has not been answered yet."""

    def __init__(self, page: Page) -> None:
        self.open: set[Request] = set()
        self.last = time.monotonic()
        page.on("request", self.began)
        page.on("requestfinished", self.ended)
        page.on("requestfailed", self.ended)

    def began(self, request: Request) -> None:
        # The heartbeat ends with the page.
        if "/heartbeat/" not in request.url:
            self.open.add(request)
            self.last = time.monotonic()

    def ended(self, request: Request) -> None:
        if request in self.open:
            self.open.discard(request)
            self.last = time.monotonic()

    def waits(self) -> bool:
        """Whether an answer is to come. A stream of answers may outlast the last of them."""
        if time.monotonic() - self.last < STREAM_SECONDS:
            return bool(self.open)
        return any("/queue/data" not in request.url for request in self.open)


# After so long without a question or the end of an answer, nothing more is to come on an open stream.
STREAM_SECONDS = 10
_FLIGHTS: WeakKeyDictionary[Page, Flights] = WeakKeyDictionary()


def quiet(page: Page, rest: float = 0.3, longest: float = 60) -> None:
    """Wait until the page has asked for nothing, and has had all its answers, for `rest` seconds."""
    flights, until = _FLIGHTS[page], time.monotonic() + longest
    flights.last = time.monotonic()
    while flights.waits() or time.monotonic() - flights.last < rest:
        assert time.monotonic() < until, [request.url for request in flights.open]
        page.wait_for_timeout(50)


def _leaves(url: str, address: str) -> bool:
    return not url.startswith((address.rstrip("/"), "data:", "blob:", "about:"))
