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

from gaprune_viz.app import jobs, sweep_handlers, views
from gaprune_viz.app.access import visitor
from gaprune_viz.app.page import Page
from gaprune_viz.app.store import DEMO, STORE
from gaprune_viz.app.tabs.sweep import plan_from
from gaprune_viz.app.tuning import FIELDS, settings_from, values_of
from gaprune_viz.config import SWEEP_KINDS, MaskSpec, ScoreSpec, Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.sweep import CELL_FOLDER, SweepPlan
from tests.unit.test_sweep import write_beir

REQUEST = SimpleNamespace(session_hash="sweep")
SETTINGS = Settings(score=ScoreSpec(fisher_scale="auto"), mask=MaskSpec(sparsity=0.6))
SPARE = 6


@pytest.fixture(scope="module")
def place(tiny_analysis: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An own copy of the tiny analysis, and a small task."""
    folder = tmp_path_factory.mktemp("sweep")
    analysis = Path(shutil.copytree(tiny_analysis, folder / "analysis"))
    return analysis, str(write_beir(folder / "near", 0))


@pytest.fixture(scope="module")
def finished(page: Page, place: tuple[Path, str]) -> dict[Any, Any]:
    """A finished sweep of kappa by beta: what it changed on the page."""
    return merged(run(page, place, "kappa", [], "1, auto", "0 1"))


def run(page: Page, place: tuple[Path, str], *lists: Any) -> Iterator[dict[Any, Any]]:
    view = {**views.View().model_dump(), "analysis": visitor().admit(place[0])}
    return sweep_handlers.run_sweep(page)(REQUEST, view, place[1], *lists, *values_of(SETTINGS))


def merged(steps: Iterator[dict[Any, Any]]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for step in steps:
        found.update(step)
    return found


def test_a_sweep_fills_maps_curves_words_and_table(page: Page, finished: dict[Any, Any]) -> None:
    tab = page.sweep
    for side in ("domain", "general"):
        assert finished[tab.maps[side]].count('data-name="cell-') == 4
        assert finished[tab.curves[side]]["visible"] is True
    assert "cells fall below 95 % of dense" in finished[tab.words]
    assert [name for _, name in finished[tab.second]["choices"]] == ["dense", "cell-0", "cell-1", "cell-2", "cell-3"]
    assert len(finished[tab.table]["value"]) == 8
    assert finished[tab.progress] == ""
    with Path(finished[tab.csv]["value"]).open(encoding="utf-8", newline="") as file:
        assert [row["row"] for row in csv.DictReader(file)] == ["1.0"] * 4 + ["auto"] * 4


def test_a_click_loads_the_settings_of_its_cell(page: Page, finished: dict[Any, Any]) -> None:
    swept = finished[page.sweep.swept]
    event = SimpleNamespace(_data={"name": "cell-3"})
    domain, general, first, difference, *rest = sweep_handlers.clicked_cell(event, swept, "dense")  # type: ignore[arg-type]
    assert len(sweep_handlers.load_outputs(page)) == 4 + len(rest) == SPARE + len(FIELDS)
    for html in (domain, general):
        assert html.count('aria-selected="true"') == 1
    assert first == "cell-3"
    assert "κ = auto, β = 1 <span>less</span> dense" in difference
    assert rest[:2] == [gr.skip()] * 2
    assert settings_from(rest[2:]) == Settings(score=SETTINGS.score.with_(beta=1.0), mask=SETTINGS.mask)


def test_a_row_of_the_table_does_the_same(page: Page, finished: dict[Any, Any]) -> None:
    swept = finished[page.sweep.swept]
    # Two rows of the table, domain and general, are one cell.
    for row in (4, 5):
        found = sweep_handlers.clicked_row(SimpleNamespace(index=[row, 1]), swept, "cell-0")  # type: ignore[arg-type]
        assert found[2] == "cell-2"
        assert "less</span> κ = 1, β = 0" in found[3]
    nothing = [gr.skip()] * (SPARE + len(FIELDS))
    for index in ([99, 0], ["x"], None, [-1, 0]):
        assert sweep_handlers.clicked_row(SimpleNamespace(index=index), swept, "dense") == nothing  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [None, {}, {"name": 3}, {"name": "cell-4"}, {"name": "cell--1"}, {"name": "<b>"}, [1]])
def test_a_forged_click_does_nothing(page: Page, finished: dict[Any, Any], data: object) -> None:
    event = SimpleNamespace(_data=data)
    for swept in (finished[page.sweep.swept], {}):
        found = sweep_handlers.clicked_cell(event, swept, "dense")  # type: ignore[arg-type]
        assert found == [gr.skip()] * (SPARE + len(FIELDS))


def test_any_two_cells_are_compared(page: Page, finished: dict[Any, Any]) -> None:
    swept = finished[page.sweep.swept]
    html = sweep_handlers.compared(swept, "cell-0", "cell-2")
    assert "κ = 1, β = 0 <span>less</span> κ = auto, β = 0" in html
    assert sweep_handlers.compared(swept, None, "cell-2") == ""
    gone = {**swept, "plan": {**swept["plan"], "base": Settings(mask=MaskSpec(sparsity=0.1)).model_dump(mode="json")}}
    assert "not computed yet" in sweep_handlers.compared(gone, "cell-0", "dense")


def test_a_stopped_sweep_keeps_its_cells(page: Page, place: tuple[Path, str]) -> None:
    before = len(list((place[0] / CELL_FOLDER).glob("*.json"))) if (place[0] / CELL_FOLDER).is_dir() else 0
    work = run(page, place, "criteria", ["random", "magnitude", "wanda"], "", "0.15 0.25 0.35")
    for step in work:
        if "random, sparsity 15 %" in str(step.get(page.sweep.progress, "")):
            break
    jobs.stop(REQUEST)  # type: ignore[arg-type]
    found = merged(work)
    assert "Stopped" in found[page.sweep.progress]
    assert page.sweep.swept not in found
    assert len(list((place[0] / CELL_FOLDER).glob("*.json"))) > before
    # The thread ends with the cell at hand.
    for thread in threading.enumerate():
        if "(body)" in thread.name:
            thread.join(60)


def test_a_sweep_that_fails_says_why(page: Page, place: tuple[Path, str]) -> None:
    found = merged(run(page, place, "samples", [], "4, 8", "0"))
    assert "takes every sample" in found[page.sweep.progress]
    assert page.sweep.swept not in found


@pytest.mark.parametrize("kind", SWEEP_KINDS)
def test_every_kind_offers_lists_that_make_a_plan(kind: str) -> None:
    rows, values, columns, about = sweep_handlers.show_kind(kind)
    assert rows["visible"] is not values["visible"]
    named = ["magnitude", "dai"] if kind == "criteria" else []
    for choice in columns["choices"]:
        plan = plan_from(STORE.analysis(DEMO), "chemistry", SETTINGS, kind, named, values["value"], choice)
        assert SweepPlan.of(plan.document()) == plan
        assert plan.tasks == ("chemistry", "general")
    assert SWEEP_KINDS[kind].sentence in about


@pytest.mark.parametrize("kind", [None, "none"])
def test_a_kind_that_is_none_is_refused(kind: str) -> None:
    with pytest.raises(GapruneError, match="There is no sweep over"):
        sweep_handlers.show_kind(kind)


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
