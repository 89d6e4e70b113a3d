"""Play: the sparsity walks by itself, all follows, and a hand, a key or a slow server is stronger."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from gaprune_viz.config.autoplay import PlaySpec
from tests.browser.conftest import opened, quiet
from tests.browser.steps import CELLS, LONG, SECOND, open_tab, slider

QUERY = "chemistry-corrosion-protection-3-q1"
SAID = "#gv-said"
# The rests are short; and at every step, the sparsity and which settings the ranking on screen was made under.
QUICK = "window.gvPlay.rest_seconds = window.gvPlay.calm_rest_seconds = 0.3;"
WATCH = """() => {
  window.gvLog = [];
  const value = () => document.querySelector('#gv-sparsity input[type=range]').value;
  document.addEventListener('input', (event) => {
    if (event.isTrusted) return;
    const ranking = document.querySelector('#gv-ranking');
    const made = ranking && ranking.querySelector('[data-made-for]');
    window.gvLog.push([Number(value()), made && made.dataset.madeFor]);
  });
}"""


def state(page: Page) -> str:
    return page.locator(".gv-play").get_attribute("data-state") or ""


def value(page: Page) -> float:
    return float(slider(page, "sparsity").input_value())


@pytest.mark.leaves("ranking", "task")
@pytest.mark.anew
def test_it_walks_with_the_ranking_and_stops_for_a_hand(tiny: Page) -> None:
    page = tiny
    open_tab(page, "Retrieval")
    page.evaluate(f"{QUICK} window.gvPlay.step = 0.05;")
    page.evaluate(WATCH)
    cells = page.locator(CELLS).all_inner_texts()
    button = page.locator("#gv-play")
    button.focus()
    page.keyboard.press("Space")
    # The first query is compared first, and then the walk begins at the beginning.
    expect(page.locator("#gv-ranking .gv-lists")).to_be_visible(timeout=LONG)
    page.wait_for_function("window.gvLog.length >= 4", timeout=LONG)
    expect(page).to_have_url(re.compile("play=sparsity"))
    # At every step, the ranking on screen was that of the step before.
    log = page.evaluate("window.gvLog")
    assert [step[0] for step in log[:4]] == [0.0, 0.05, 0.1, 0.15]
    for earlier, (_, made) in itertools.pairwise(log):
        assert made == f"sparsity={earlier[0]:g}" or (earlier[0] == 0 and made == "sparsity=0.0"), (earlier, made)
    page.keyboard.press("Space")
    assert state(page) == "paused"
    quiet(page)
    held = value(page)
    page.wait_for_timeout(900)
    assert value(page) == held and held > 0.1
    expect(page.locator("#gv-ranking")).not_to_have_class(re.compile("gv-stale"))
    page.keyboard.press("Space")
    page.wait_for_function(f"Number(document.querySelector('#gv-sparsity input[type=range]').value) > {held}")
    page.keyboard.press("Escape")
    assert state(page) == "idle"
    expect(page.locator(SAID)).to_contain_text("Stopped at")
    expect(page).not_to_have_url(re.compile("play="))
    quiet(page)
    # The atlas followed too; the whole walk is one step back.
    assert page.locator(CELLS).all_inner_texts() != cells
    page.locator("#gv-undo").click()
    expect(page.locator("#gv-sparsity input[type=number]")).to_have_value("0.5")
    quiet(page)
    button.click()
    page.wait_for_function("document.querySelector('.gv-play').dataset.state === 'playing'")
    page.wait_for_function("Number(document.querySelector('#gv-sparsity input[type=range]').value) < 0.4", timeout=LONG)
    slider(page, "sparsity").focus()
    page.keyboard.press("End")
    assert state(page) == "idle"
    quiet(page)
    assert value(page) == 0.95
    expect(page.locator("#gv-ranking [data-made-for]")).to_have_attribute("data-made-for", "sparsity=0.95")


@pytest.mark.leaves("ranking", "task", "tour")
def test_the_tour_leads_to_a_ranking_and_to_play(tiny: Page) -> None:
    page = tiny
    page.locator("#gv-tour").click()
    panel = page.locator("#gv-tour-panel")
    for _ in range(6):
        panel.locator(".gv-tool-main").click()
    expect(panel).to_contain_text("7 of 10")
    expect(page.locator("#gv-ranking .gv-asked")).to_contain_text("kitchen cutlery", timeout=LONG)
    quiet(page)
    expect(page.locator("#gv-ranking")).not_to_have_class(re.compile("gv-stale"))
    panel.locator(".gv-tool-main").click()
    expect(page.locator("#gv-play.gv-pointed")).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)


@pytest.fixture
def linked(browser: Browser, address: str, tiny_run: str) -> Iterator[Page]:
    query = f"{tiny_run}&tab=retrieval&task=chemistry&pick={QUERY}&play=sparsity"
    short = (
        "Object.defineProperty(window, 'gvPlay', {get() { return this.plan; }, "
        "set(plan) { this.plan = Object.assign(plan, {step: 0.3, rest_seconds: 0.2}); }});"
    )
    yield from opened(browser, address, 1400, 950, query, before=short, seen="#gv-compare")


def test_a_link_plays_to_its_end(linked: Page) -> None:
    page = linked
    assert page.evaluate("document.activeElement.id") == "gv-play"
    expect(page.locator(SAID)).to_contain_text("Played.", timeout=LONG)
    assert (value(page), state(page)) == (0.0, "idle")
    expect(page.locator("#gv-ranking .gv-asked")).to_contain_text("kitchen cutlery")
    # Nothing is pruned at the end: what the last ranking shows has not moved.
    expect(page.locator("#gv-ranking .gv-move[data-to=same]")).to_have_count(20)


def test_a_link_waits_where_less_motion_is_asked_for(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, reduced_motion="reduce")
    page = context.new_page()
    try:
        page.goto(f"{address.rstrip('/')}/?play=sparsity")
        page.wait_for_selector("html[data-gv-settled]", timeout=LONG)
        expect(page.locator(SAID)).to_contain_text("Press Space to begin")
        assert page.evaluate("document.activeElement.id") == "gv-play"
        expect(page.locator("#gv-play")).to_be_in_viewport()
        page.wait_for_timeout(1_500)
        assert (value(page), state(page)) == (0.5, "idle")
        page.keyboard.press("Space")
        page.wait_for_function("Number(document.querySelector('#gv-sparsity input[type=range]').value) < 0.1")
        page.keyboard.press("Escape")
    finally:
        context.close()


def test_a_server_that_does_not_answer_is_asked_once(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1400, "height": 950})
    page = context.new_page()
    try:
        page.goto(address)
        page.wait_for_selector("html[data-gv-settled]", timeout=LONG)
        page.evaluate(f"{QUICK} window.gvPlay.longest_seconds = 2;")
        page.evaluate(WATCH)
        asked: list[str] = []
        page.route("**/queue/join*", lambda route: asked.append(route.request.url))
        page.locator("#gv-play").click()
        expect(page.locator(SAID)).to_contain_text("the server has not answered", timeout=10 * SECOND)
        assert (len(page.evaluate("window.gvLog")), len(asked), state(page)) == (1, 1, "idle")
    finally:
        context.close()


def test_the_walk_stays_within_the_slider() -> None:
    from gaprune_viz.config import MaskSpec
    from gaprune_viz.config.fields import field_info

    spec, bounds = PlaySpec(), field_info(MaskSpec, "sparsity")
    assert bounds["minimum"] <= spec.lowest < spec.highest <= bounds["maximum"]
    assert (spec.highest - spec.lowest) / spec.step == pytest.approx(round((spec.highest - spec.lowest) / spec.step))
