"""A tab that somebody adds as docs/architecture.md says is there on a served page, follows, and is restored."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import opened
from tests.recipes import copy_of_the_package, environment, follow

SERVE = """
from gaprune_viz.app import launch
_, address, _ = launch(port=0, prevent_thread_lock=True, quiet=True)
print(address, flush=True)
input()
"""


@pytest.fixture(scope="module")
def toy_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own, of a package with one more folder and one more line."""
    place = copy_of_the_package(tmp_path_factory.mktemp("toy"))
    follow("A tab", place)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "cwd": place}
    with subprocess.Popen([sys.executable, "-c", SERVE], env=environment(place), text=True, **pipes) as server:
        assert server.stdout is not None
        yield next(found[0] for line in server.stdout if (found := re.match(r"http://\S+$", line)))
        server.kill()


@pytest.fixture
def toy(browser: Browser, toy_address: str) -> Iterator[Page]:
    yield from opened(browser, toy_address, 1400, 950)


@pytest.fixture
def linked(browser: Browser, toy_address: str) -> Iterator[Page]:
    yield from opened(browser, toy_address, 1400, 950, "?tab=toy&toy=hello+there&sparsity=0.7", seen="#gv-toy-note")


def test_it_appears_and_follows_a_slider(toy: Page) -> None:
    toy.get_by_role("tab", name="Toy", exact=True).click()
    expect(toy.locator("#gv-toy-echo")).to_contain_text("0.50")
    toy.locator("#gv-sparsity input[type=range]").focus()
    for _ in range(5):
        toy.keyboard.press("ArrowRight")
    expect(toy.locator("#gv-toy-echo")).to_contain_text("0.55")
    toy.locator("#gv-toy-note textarea").fill("mine")
    expect(toy).to_have_url(re.compile(r"tab=toy.*toy=mine|toy=mine.*tab=toy"))


def test_it_is_restored_from_an_address(linked: Page) -> None:
    expect(linked.locator("#gv-toy-echo")).to_contain_text("0.70")
    expect(linked.locator("#gv-toy-note textarea")).to_have_value("hello there")
    # What the tab keeps is no setting: undo does not step through it.
    expect(linked.locator("#gv-undo")).to_have_attribute("aria-disabled", "true")
