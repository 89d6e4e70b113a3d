"""The lesson on masks that wake neurons, on an analysis of eight samples a side, all of it computed then and there."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import LONG, open_tab

STORY = "#gv-lesson-story"


def cells(page: Page, line: int) -> list[str]:
    """What a line of the lesson's table says."""
    return page.locator(f"{STORY} tbody tr").nth(line).locator("td").all_inner_texts()


@pytest.mark.anew
@pytest.mark.leaves("learn")
def test_neurons_wake_and_are_cut_whole_and_the_bar_goes_back(small: Page) -> None:
    open_tab(small, "Learn")
    alone, whole, back = (small.locator(f"#gv-lesson-{name}") for name in ("alone", "whole", "back"))
    expect(whole).to_be_disabled()
    expect(back).to_be_disabled()
    alone.click()
    expect(small.locator("#gv-criterion input")).to_have_value("Joint OBD")
    expect(small.locator(f"{STORY} .gv-sentence")).to_contain_text("The mask wakes", timeout=LONG)
    said = small.locator(f"{STORY} .gv-sentence").inner_text()
    found = re.search(r"wakes ([\d,]+) neuron", said)
    assert found
    assert cells(small, 3) == ["0", found[1]]
    dense, awake = (float(text) for text in cells(small, 0))
    assert dense > awake
    assert f"{dense:.2f} dense, {awake:.2f} with {found[1]} neuron" in said
    # The exact mask is known by now, and the row of figures above says the same.
    expect(small.locator("#gv-headline .gv-notice")).to_contain_text(f"The mask wakes {found[1]} neuron")
    expect(small.locator(f"{STORY} ol")).to_have_count(2)
    query = small.locator(f"{STORY} .gv-asked").inner_text()

    whole.click()
    expect(small.locator(f"{STORY} .gv-sentence")).to_contain_text("cut whole", timeout=LONG)
    expect(small.locator("#gv-headline .gv-notice")).to_have_count(0)
    assert cells(small, 3) == ["0", found[1], "0"]
    numbers = [float(text) for text in cells(small, 0)]
    assert numbers[:2] == [dense, awake]
    assert small.locator(f"{STORY} .gv-asked").inner_text() == query

    back.click()
    expect(small.locator("#gv-criterion input")).to_have_value("DAI")
    expect(small.locator("#gv-preset input")).to_have_value("Paper, 50 %")
    expect(back).to_be_disabled()
