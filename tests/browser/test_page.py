"""What a person does on the page with an analysis at hand: tune, select, share, undo; at a desk and on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import opened, quiet
from tests.browser.steps import CELLS, SECOND, card, choose, open_tab, slider, texts, wait_changed


def drag(page: Page, name: str, fraction: float) -> None:
    """Move a slider with the mouse."""
    box = slider(page, name).bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.4, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * fraction, y, steps=6)
    page.mouse.up()


@pytest.mark.anew
def test_first_paint_is_a_finished_analysis(again: Page) -> None:
    page = again
    assert "bundled example" in page.locator("#gv-current").inner_text().lower()
    assert len(texts(page)) == 12
    assert card(page, "Sparsity of the scope") == "50.0 %"
    expect(page.locator(".gv-sentence").first).to_contain_text("√|θ|")
    expect(page.locator("#gv-histogram .main-svg").first).to_be_visible()


@pytest.mark.parametrize("name", ["sparsity", "alpha"])
def test_a_slider_answers_the_mouse(again: Page, name: str) -> None:
    page = again
    cells = texts(page)
    sentence = page.locator(".gv-sentence").first.inner_text()
    drag(page, name, 0.85)
    wait_changed(page, lambda: texts(page), cells)
    wait_changed(page, lambda: page.locator(".gv-sentence").first.inner_text(), sentence)


@pytest.mark.parametrize("name", ["sparsity", "alpha"])
def test_a_slider_answers_the_arrow_keys(again: Page, name: str) -> None:
    page = again
    read = lambda: page.locator("#gv-detail").inner_text()  # noqa: E731
    before = read()
    slider(page, name).focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    after = wait_changed(page, read, before)
    assert re.search(r"threshold ", str(after))


def test_the_last_key_press_is_never_lost(again: Page) -> None:
    page = again
    slider(page, "sparsity").focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    wanted = f"{float(slider(page, 'sparsity').input_value()) * 100:.1f} %"
    for _ in range(200):
        if card(page, "Sparsity of the scope") == wanted:
            break
        page.wait_for_timeout(100)
    assert float(card(page, "Sparsity of the scope").removesuffix(" %")) == pytest.approx(
        float(wanted.removesuffix(" %")), abs=0.15
    )


def test_a_page_that_nobody_touches_asks_for_nothing(again: Page) -> None:
    """Quick presses once made the page hear its own answer as a change, without end."""
    sent: list[str] = []
    slider(again, "sparsity").focus()
    for _ in range(20):
        again.keyboard.press("ArrowRight")
    expect(again.locator("#gv-headline")).to_contain_text("70.0 %")
    again.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    for _ in range(15):
        sent.clear()
        again.wait_for_timeout(SECOND)
        if not sent:
            return
    raise AssertionError(f"{len(sent)} requests within the last second")


def test_a_page_that_nobody_touches_draws_nothing(browser: Browser, address: str) -> None:
    """Frames are asked for where something moves."""
    count = "const ask = requestAnimationFrame; window.gvFrames = 0; "
    count += "window.requestAnimationFrame = (draw) => { window.gvFrames += 1; return ask(draw); };"
    for page in opened(browser, address, 1400, 950, before=count):
        for _ in range(30):
            page.evaluate("window.gvFrames = 0")
            page.wait_for_timeout(SECOND)
            if page.evaluate("window.gvFrames") <= 3:
                break
        else:
            raise AssertionError(f"{page.evaluate('window.gvFrames')} frames within the last second")


def test_the_threshold_in_the_distributions_follows(again: Page) -> None:
    page = again
    open_tab(page, "Distributions")
    plot = page.locator("#gv-score-density .js-plotly-plot")
    expect(plot).to_be_visible()
    read = lambda: plot.evaluate("p => JSON.stringify([p.layout.shapes, p.data.map(d => Array.from(d.x || []))])")  # noqa: E731
    before = read()
    slider(page, "sparsity").focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    wait_changed(page, read, before)


def test_a_click_and_the_arrow_keys_select_a_matrix(again: Page) -> None:
    page = again
    expect(page.locator("#gv-detail")).to_contain_text("Layer 0, Up")
    page.locator(CELLS).nth(3).click()
    expect(page.locator("#gv-detail")).to_contain_text("Layer 3, Up")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#gv-detail")).to_contain_text("Layer 4, Down")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.locator("#gv-detail")).to_contain_text("Layer 0, Down")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#gv-detail")).to_contain_text("Layer 4, Down")
    expect(page.locator("#gv-histogram")).to_contain_text("encoder.layer.4.output")
    quiet(page)
    assert page.evaluate("document.activeElement.dataset.name") == "encoder.layer.4.output.dense.weight"


def test_the_metric_picker_recolours(again: Page) -> None:
    page = again
    before = texts(page)
    choose(page, "metric", "Fisher, domain")
    wait_changed(page, lambda: texts(page), before)
    expect(page.locator("#gv-atlas")).to_contain_text("squared gradient")


def test_from_the_paper_to_kappa_auto_the_domain_begins_to_count(again: Page) -> None:
    page = again
    before = page.locator("#gv-reasons .gv-two").inner_text()
    overlap = card(page, "Same as magnitude")
    assert "domain Fisher" not in page.locator(".gv-sentence").first.inner_text()
    choose(page, "fisher-scale", "auto")
    after = str(wait_changed(page, lambda: page.locator("#gv-reasons .gv-two").inner_text(), before))
    assert after.index("Domain Fisher") < after.index("√|θ|")
    assert card(page, "Same as magnitude") != overlap
    expect(page.locator(".gv-sentence").first).to_contain_text("Fisher")
    assert card(page, "Fisher scale") != "1.00"


def test_a_preset_and_reset_set_every_control(again: Page) -> None:
    page = again
    choose(page, "preset", "Balanced")
    expect(page.locator("#gv-beta input[type=number]")).to_have_value("0.3")
    expect(page.locator(".gv-sentence").first).to_contain_text("Fisher")
    choose(page, "preset", "Magnitude")
    expect(page.locator(".gv-sentence").first).to_contain_text("magnitude alone decides")
    expect(slider(page, "alpha")).to_be_disabled()
    page.locator("#gv-reset").click()
    expect(page.locator("#gv-beta input[type=number]")).to_have_value("1")
    expect(slider(page, "alpha")).to_be_enabled()
    expect(page.locator(".gv-sentence").first).to_contain_text("√|θ|")


@pytest.mark.needs("task", "ranking")
def test_the_address_holds_the_settings_and_restores_them(again: Page) -> None:
    page = again
    choose(page, "preset", "Balanced")
    expect(page).to_have_url(re.compile("preset=balanced"))
    slider(page, "sparsity").focus()
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    choose(page, "metric", "Fisher ratio")
    expect(page.locator("#gv-atlas")).to_contain_text("Fisher ratio")
    page.locator(CELLS).nth(10).click()
    expect(page.locator("#gv-detail")).to_contain_text("Layer 4, Down")
    seen = card(page, "Same as magnitude"), texts(page)
    open_tab(page, "Export")
    for part in ("preset=balanced", "sparsity=0.57", "metric=", "at=4-down", "tab=export"):
        page.wait_for_function(f"location.search.includes('{part}')")
    other = page.context.browser.new_context().new_page()  # type: ignore[union-attr]
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#gv-share").click()
    expect(page.locator("#gv-said")).to_contain_text("clipboard")
    link = page.evaluate("navigator.clipboard.readText()")
    assert len(link) < 160
    other.goto(link)
    expect(other.get_by_role("tab", name="Export", exact=True)).to_have_attribute("aria-selected", "true")
    expect(other.locator("#gv-sparsity input[type=number]")).to_have_value("0.57")
    expect(other.locator("#gv-beta input[type=number]")).to_have_value("0.3")
    expect(other.locator("#gv-atlas")).to_contain_text("Fisher ratio")
    open_tab(other, "Atlas")
    wait_changed(other, lambda: (card(other, "Same as magnitude"), texts(other)) == seen, False)
    expect(other.locator("#gv-detail")).to_contain_text("Layer 4, Down")
    other.context.close()


@pytest.mark.anew
def test_steps_are_undone_and_redone(again: Page) -> None:
    page = again
    value = lambda name: page.locator(f"#gv-{name} input[type=number]")  # noqa: E731
    undo = page.locator("#gv-undo")
    expect(undo).to_have_attribute("aria-disabled", "true")
    value("sparsity").fill("0.58")
    value("sparsity").press("Enter")
    expect(page).to_have_url(re.compile("sparsity=0.58"))
    choose(page, "preset", "Balanced")
    expect(page).to_have_url(re.compile("preset=balanced"))
    undo.click()
    expect(value("sparsity")).to_have_value("0.58")
    expect(value("beta")).to_have_value("1")
    expect(page).to_have_url(re.compile("sparsity=0.58"))
    undo.focus()
    page.keyboard.press("Control+z")
    expect(value("sparsity")).to_have_value("0.5")
    expect(undo).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("Control+Shift+z")
    expect(value("sparsity")).to_have_value("0.58")
    page.locator("#gv-redo").click()
    expect(value("beta")).to_have_value("0.3")
    expect(page.locator(".gv-settings-line")).to_contain_text("two terms made equally large")


@pytest.mark.anew
def test_a_late_answer_is_no_step(again: Page) -> None:
    """On a busy machine a part of the page tells of a state when that was stepped over already."""
    page = again
    redo = page.locator("#gv-redo")
    late = "(query) => gv.write(query, 'settings')"
    choose(page, "preset", "Balanced")
    expect(page).to_have_url(re.compile("preset=balanced"))
    page.locator("#gv-undo").click()
    expect(page).not_to_have_url(re.compile("preset=balanced"))
    for query in ("preset=balanced", ""):
        page.evaluate(late, query)
        expect(redo).to_have_attribute("aria-disabled", "false")
    redo.click()
    expect(page.locator("#gv-preset input")).to_have_value("Balanced")
    expect(redo).to_have_attribute("aria-disabled", "true")
    # Whoever touches something begins a step of his own, with a state that was there before, too.
    slider(page, "sparsity").focus()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("sparsity=0.51"))
    page.locator("#gv-undo").click()
    expect(page.locator("#gv-sparsity input[type=number]")).to_have_value("0.5")
    expect(redo).to_have_attribute("aria-disabled", "false")
    slider(page, "sparsity").focus()
    page.keyboard.press("ArrowRight")
    expect(redo).to_have_attribute("aria-disabled", "true")


def test_a_wrong_value_is_explained_and_loses_nothing(again: Page) -> None:
    page = again
    before = texts(page)
    field = page.locator("#gv-fisher-scale input")
    field.fill("much")
    field.press("Enter")
    expect(page.locator("#gv-headline [role=alert]")).to_contain_text("not a number")
    assert texts(page) == before


@pytest.mark.parametrize("tab", ["Atlas", "Matrix", "Compare", "Retrieval", "Export", "Runs", "Learn"])
def test_nothing_sticks_out_on_a_phone(phone_again: Page, tab: str) -> None:
    phone = phone_again
    expect(phone.locator(".sidebar")).not_to_have_class(re.compile(r"\bopen\b"))
    button = phone.get_by_role("tab", name=tab, exact=True)
    if not button.is_visible():
        phone.locator(".overflow-menu button").first.click()
        phone.locator(".overflow-dropdown button", has_text=tab).click()
    else:
        button.click()
    quiet(phone)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    expect(phone.locator(".sidebar")).not_to_have_class(re.compile(r"\bopen\b"))
    phone.locator(".sidebar .toggle-button").click()
    expect(phone.locator("#gv-run")).to_be_in_viewport()
