"""The Sweep tab's handlers, called as gradio calls them."""

from __future__ import annotations

import csv
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from gaprune_viz.app.frame import long_work
from gaprune_viz.app.page import Page, compose, wire
from gaprune_viz.app.session.access import DEMO, visitor
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View
from gaprune_viz.app.tabs.sweep import events as sweep_events
from gaprune_viz.app.tabs.sweep.plan import plan_from
from gaprune_viz.app.tuning.controls import FIELDS
from gaprune_viz.config import SWEEP_KINDS, MaskSpec, ScoreSpec, Settings
from gaprune_viz.criteria.registry import settled
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.cells import SWEEP_CELLS
from gaprune_viz.experiments.sweep import SweepPlan
from tests.app.conftest import Held, merged
from tests.beir_folders import write_beir

REQUEST: Any = SimpleNamespace(session_hash="sweep")
SETTINGS = Settings(score=ScoreSpec(fisher_scale="auto"), mask=MaskSpec(sparsity=0.6))
# What a chosen cell may change beside the tuning bar: two maps, the cell, its difference, samples and seed.
SPARE = 6


@pytest.fixture(scope="module")
def place(tiny_analysis: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An own copy of the tiny analysis, and a small task."""
    folder = tmp_path_factory.mktemp("sweep")
    analysis = Path(shutil.copytree(tiny_analysis, folder / "analysis"))
    return analysis, str(write_beir(folder / "near", 0))


@pytest.fixture(scope="module")
def finished(page: Page, held: Held, place: tuple[Path, str]) -> dict[Any, Any]:
    """A finished sweep of kappa by beta: what it changed on the page."""
    return merged(run(page, held, place, "kappa", [], "1, auto", "0 1"))


@pytest.fixture(scope="module")
def written() -> list[Any]:
    """What a cell of a map may change, as the page is wired."""
    with gr.Blocks() as demo:
        page = compose()
        wire(page, demo)
    clicked = (page.tabs["sweep"].parts.maps["domain"]._id, "select")
    (found,) = (event.outputs for event in demo.fns.values() if clicked in event.targets)
    return found


def run(
    page: Page, held: Held, place: tuple[Path, str], kind: str, rows: list[str], values: str, columns: str
) -> Iterator[dict[Any, Any]]:
    """What a press of Run the sweep does."""
    tab, frame = page.tabs["sweep"].parts, page.frame
    lists = {tab.kind: kind, tab.rows: rows, tab.values: values, tab.columns: columns}
    view = View(analysis=visitor().admit(place[0]))
    pressed = held(view=view, settings=SETTINGS, others={frame.collection: place[1], **lists})
    return sweep_events.run_sweep(tab, frame)(pressed, REQUEST)


def cell(page: Page, swept: dict[str, Any], second: str, data: object) -> dict[Any, Any]:
    """What a click on a map changes."""
    event: Any = SimpleNamespace(_data=data)
    return load(page, swept, second, sweep_events.clicked_cell(swept, event))


def row(page: Page, swept: dict[str, Any], second: str, index: object) -> dict[Any, Any]:
    """What a click on the table changes."""
    event: Any = SimpleNamespace(index=index)
    return load(page, swept, second, sweep_events.clicked_row(swept, event))


def load(page: Page, swept: dict[str, Any], second: str, number: int | None) -> dict[Any, Any]:
    tab = page.tabs["sweep"].parts
    return sweep_events.load(tab, page.frame, {tab.swept: swept, tab.second: second}, number)


def test_a_sweep_fills_maps_curves_words_and_table(page: Page, finished: dict[Any, Any]) -> None:
    tab = page.tabs["sweep"].parts
    for side in ("domain", "general"):
        assert finished[tab.maps[side]].count('data-name="cell-') == 4
        assert finished[tab.curves[side]]["visible"] is True
    assert "cells fall below 95 % of dense" in finished[tab.words]
    assert [name for _, name in finished[tab.second]["choices"]] == ["dense", "cell-0", "cell-1", "cell-2", "cell-3"]
    assert len(finished[tab.table]["value"]) == 8
    assert finished[tab.progress] == ""
    with Path(finished[tab.csv]["value"]).open(encoding="utf-8", newline="") as file:
        assert [row["row"] for row in csv.DictReader(file)] == ["1.0"] * 4 + ["auto"] * 4


def test_a_click_loads_the_settings_of_its_cell(page: Page, finished: dict[Any, Any], written: list[Any]) -> None:
    tab, frame = page.tabs["sweep"].parts, page.frame
    found = cell(page, finished[tab.swept], "dense", {"name": "cell-3"})
    sides = [frame.sidebar.controls[name] for name in ("samples", "seed")]
    assert set(found) == {*tab.maps.values(), tab.first, tab.difference, *frame.tuning.all}
    assert len(written) == len(found) + len(sides) == SPARE + len(FIELDS)
    for html in (found[tab.maps["domain"]], found[tab.maps["general"]]):
        assert html.count('aria-selected="true"') == 1
    assert found[tab.first] == "cell-3"
    assert "κ = auto, β = 1 <span>less</span> dense" in found[tab.difference]
    assert not [side for side in sides if side in found]
    wanted = Settings(score=SETTINGS.score.with_(beta=1.0), mask=SETTINGS.mask)
    assert frame.tuning.settings(found) == settled(wanted)


def test_a_row_of_the_table_does_the_same(page: Page, finished: dict[Any, Any]) -> None:
    tab = page.tabs["sweep"].parts
    swept = finished[tab.swept]
    # Two rows of the table, domain and general, are one cell.
    for line in (4, 5):
        found = row(page, swept, "cell-0", [line, 1])
        assert found[tab.first] == "cell-2"
        assert "less</span> κ = 1, β = 0" in found[tab.difference]
    for index in ([99, 0], ["x"], None, [-1, 0]):
        assert row(page, swept, "dense", index) == {}


@pytest.mark.parametrize("data", [None, {}, {"name": 3}, {"name": "cell-4"}, {"name": "cell--1"}, {"name": "<b>"}, [1]])
def test_a_forged_click_does_nothing(page: Page, finished: dict[Any, Any], data: object) -> None:
    for swept in (finished[page.tabs["sweep"].parts.swept], {}):
        assert cell(page, swept, "dense", data) == {}


def test_any_two_cells_are_compared(page: Page, finished: dict[Any, Any]) -> None:
    swept = finished[page.tabs["sweep"].parts.swept]
    html = sweep_events.compared(swept, "cell-0", "cell-2")
    assert "κ = 1, β = 0 <span>less</span> κ = auto, β = 0" in html
    assert sweep_events.compared(swept, None, "cell-2") == ""
    gone = {**swept, "plan": {**swept["plan"], "base": Settings(mask=MaskSpec(sparsity=0.1)).model_dump(mode="json")}}
    assert "not computed yet" in sweep_events.compared(gone, "cell-0", "dense")


def test_a_stopped_sweep_keeps_its_cells(page: Page, held: Held, place: tuple[Path, str]) -> None:
    tab = page.tabs["sweep"].parts
    before = len(list((place[0] / SWEEP_CELLS).glob("*.json"))) if (place[0] / SWEEP_CELLS).is_dir() else 0
    steps = run(page, held, place, "criteria", ["random", "magnitude", "wanda"], "", "0.15 0.25 0.35")
    for step in steps:
        if "random, sparsity 15 %" in str(step.get(tab.progress, "")):
            break
    long_work.stop(REQUEST)
    found = merged(steps)
    assert "Stopped" in found[tab.progress]
    assert tab.swept not in found
    assert len(list((place[0] / SWEEP_CELLS).glob("*.json"))) > before
    # The thread ends with the cell at hand.
    for thread in threading.enumerate():
        if "(body)" in thread.name:
            thread.join(60)


def test_a_sweep_that_fails_says_why(page: Page, held: Held, place: tuple[Path, str]) -> None:
    tab = page.tabs["sweep"].parts
    found = merged(run(page, held, place, "samples", [], "4, 8", "0"))
    assert "takes every sample" in found[tab.progress]
    assert tab.swept not in found


@pytest.mark.parametrize("kind", SWEEP_KINDS)
def test_every_kind_offers_lists_that_make_a_plan(kind: str, page: Page) -> None:
    tab = page.tabs["sweep"].parts
    found = sweep_events.show_kind(tab, kind)
    places = [tab.rows, tab.values, tab.columns, tab.about]
    assert set(found) == set(places)
    rows, values, columns, about = (found[place] for place in places)
    assert rows["visible"] is not values["visible"]
    named = ["magnitude", "dai"] if kind == "criteria" else []
    for choice in columns["choices"]:
        plan = plan_from(STORE.analysis(DEMO), "chemistry", SETTINGS, kind, named, values["value"], choice)
        assert SweepPlan.of(plan.document()) == plan
        assert plan.tasks == ("chemistry", "general")
    assert SWEEP_KINDS[kind].sentence in about


@pytest.mark.parametrize("kind", [None, "none"])
def test_a_kind_that_is_none_is_refused(kind: str, page: Page) -> None:
    with pytest.raises(GapruneError, match="There is no sweep over"):
        sweep_events.show_kind(page.tabs["sweep"].parts, kind)


TENS = ",".join(f"0.{i:02d}" for i in range(10, 20))


@pytest.mark.parametrize(
    ("kind", "rows", "values", "columns", "said"),
    [
        ("criteria", ["magnitude"], "", "0.3, half", "not a list of numbers"),
        ("criteria", ["magnitude"], "", "30, 50", "Write 0.3 for 30 %"),
        ("alpha", [], "0..1", "0.3", "not a list of numbers"),
        ("criteria", [], "", "0.3", "empty"),
        ("criteria", ["nothing"], "", "0.3", "no criterion"),
        ("criteria", ["magnitude"], "", "0.3 1.5", "sparsity"),
        ("criteria", ["magnitude"], "", "auto", "sparsity"),
        ("nothing", ["magnitude"], "", "0.3", "no sweep over"),
        ("samples", [], "8.5", "0", "no whole number"),
        ("alpha", [], f"0,{TENS}", TENS, "too many"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused(
    kind: str, rows: list[str], values: str, columns: str, said: str
) -> None:
    with pytest.raises(GapruneError, match=said):
        plan_from(STORE.analysis(DEMO), "chemistry", Settings(), kind, rows, values, columns)
