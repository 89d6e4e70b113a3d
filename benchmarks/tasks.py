"""The ten tasks of docs/tasks.md, tried on the page: seconds from the first hand on a control to what can be read.

A server of its own with an empty workspace; one visitor does them one after the other, each as the document says.
Choosing from a list counts as it comes: nobody reads or thinks here.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._chromium import CHART, chromium
from benchmarks.first_click import LISTS
from benchmarks.page_busy import SERVER
from tests.reliability.load import Served

PATIENCE = 120_000


def main() -> None:
    """Try them, and print one JSON object or a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--only", nargs="+", default=list(TASKS), choices=TASKS, metavar="TASK")
    options = parser.parse_args()
    found: dict[str, float] = {}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="gaprune-tasks-") as workspace, chromium() as browser:
        served = Served("", workspace, SERVER)
        try:
            served.wait_until_idle()
            for name in options.only:
                context = browser.new_context(viewport={"width": 1400, "height": 950}, accept_downloads=True)
                context.set_default_timeout(PATIENCE)
                page = context.new_page()
                page.goto(served.address)
                page.wait_for_selector(CHART)
                page.wait_for_timeout(2_000)
                began = time.monotonic()
                TASKS[name](page)
                found[name] = round(time.monotonic() - began, 1)
                print(f"{found[name]:6.1f} s  {name}", file=sys.stderr, flush=True)
                context.close()
        finally:
            served.close()
    print(json.dumps({"benchmark": "tasks", "load_average": load, "seconds": found}) if options.json else found)


def tab(page: Any, name: str) -> None:
    """Go to a tab."""
    page.get_by_role("tab", name=name, exact=True).click()


def choose(page: Any, place: str, label: str) -> None:
    """One of a list."""
    page.locator(f"{place} input").first.click()
    page.get_by_role("option", name=label, exact=True).click()


def text_of(page: Any, place: str, words: str) -> None:
    """Wait until some words are to be read."""
    page.wait_for_function(
        "([place, words]) => document.querySelector(place)?.innerText.includes(words)", arg=[place, words]
    )


def disagreeing_layer(page: Any) -> None:
    """The atlas of another domain, coloured by the cosine."""
    choose(page, "#gv-domain", "Finance")
    page.locator("#gv-run").click()
    page.get_by_text("finance against general").first.wait_for()
    choose(page, "#gv-metric", "Alignment cosine")
    page.wait_for_timeout(300)


def sparsity_of_a_loss(page: Any) -> None:
    """A sweep, and the sentence under its charts."""
    tab(page, "Sweep")
    page.locator("#gv-sweep-run").click()
    page.wait_for_function("() => (document.querySelector('#gv-sweep-words')?.innerText ?? '').includes('%')")


def exact_view(page: Any) -> None:
    """A link to what is on the page."""
    page.locator("#gv-sparsity input[type=range]").press("ArrowRight")
    page.wait_for_function("() => location.search.length > 1")
    page.locator("#gv-share").click()


def not_magnitude(page: Any) -> None:
    """A preset, and what it shares with magnitude."""
    before = page.locator("#gv-headline").inner_text()
    choose(page, "#gv-preset", "Balanced")
    page.wait_for_function(
        "(before) => (document.querySelector('#gv-headline')?.innerText ?? before) !== before", arg=before
    )
    text_of(page, "#gv-headline", "magnitude")


def changed_query(page: Any) -> None:
    """The query that changed most, and its ranks."""
    tab(page, "Retrieval")
    page.locator("#gv-surprise").click()
    page.wait_for_function(LISTS)


def pruned_model(page: Any) -> None:
    """A model to take home."""
    tab(page, "Export")
    page.locator("#gv-export").click()
    link = page.locator("#gv-download-model")
    page.wait_for_function("() => !document.querySelector('#gv-download-model').matches('[disabled], .disabled')")
    with page.expect_download() as download:
        link.click()
    download.value.path()


def from_a_shell(page: Any) -> None:
    """The command of this view, and the numbers that it has to give."""
    tab(page, "Export")
    text_of(page, "#gv-shell", "gaprune-viz")
    tab(page, "Retrieval")
    page.locator("#gv-measure").click()
    text_of(page, "#gv-metrics", "nDCG@10")


def four_settings(page: Any) -> None:
    """Four presets, pinned."""
    for label in ("Robust", "Balanced", "Paper, 50 %", "Magnitude"):
        choose(page, "#gv-preset", label)
        page.locator("#gv-pin").click()
    tab(page, "Compare")
    page.wait_for_function("() => document.querySelectorAll('#gv-board .gv-card, #gv-board tr').length >= 4")


def repaired(page: Any) -> None:
    """The study's page on retraining."""
    tab(page, "Study")
    choose(page, "#gv-study-pick", "ChEBI terms (bundled)")
    page.locator("#gv-study-step").get_by_label("3 Retrained").check()
    page.get_by_text("What do some steps of training repair?").wait_for()
    page.locator("#gv-study-left .main-svg").first.wait_for()


def removable(page: Any) -> None:
    """A layer looked into."""
    tab(page, "Matrix")
    page.locator("#gv-inside-look").click()
    page.get_by_text("MLP neurons that could be removed exactly").wait_for()


TASKS: dict[str, Callable[[Any], None]] = {
    "not magnitude": not_magnitude,
    "exact view": exact_view,
    "changed query": changed_query,
    "four settings": four_settings,
    "repaired": repaired,
    "removable": removable,
    "pruned model": pruned_model,
    "from a shell": from_a_shell,
    "disagreeing layer": disagreeing_layer,
    "sparsity of a loss": sparsity_of_a_loss,
}


if __name__ == "__main__":
    main()
