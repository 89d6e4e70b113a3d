"""Pins and their difference, the tour, runs, sweeps in the headline: the parts that follow one selection."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import pytest

from gaprune_viz.analysis.catalogue import delete_run, kept_runs, label_run
from gaprune_viz.app import tour
from gaprune_viz.app.frame.address import matrix_at, settings_of, view_of
from gaprune_viz.app.frame.summary_row import headline_html
from gaprune_viz.app.page import Page, build
from gaprune_viz.app.serving import address_parts
from gaprune_viz.app.session.access import DEMO, visitor
from gaprune_viz.app.session.runs import run_choices, runs_table
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import Shown, View, live
from gaprune_viz.app.tabs.compare import events as compare
from gaprune_viz.app.tabs.compare.view import difference_of
from gaprune_viz.app.tabs.runs import events as runs
from gaprune_viz.app.tour import STEPS
from gaprune_viz.app.widgets.scripts import head
from gaprune_viz.config import MaskSpec, Settings
from gaprune_viz.config.presets import PRESETS
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.cells import SWEEP_CELLS, SWEEP_FORMAT
from gaprune_viz.experiments.sweep import collapses
from gaprune_viz.figures.kit.metrics import ROLE_LABELS
from gaprune_viz.storage.workspace import workspace
from tests.app.conftest import Held, event

BALANCED = PRESETS["balanced"].settings


def clicked_row(row: list[Any]) -> Any:
    """A click into a table, as gradio hands it over."""
    return SimpleNamespace(row_value=row)


def test_pins_stand_side_by_side_and_go_again(page: Page, held: Held) -> None:
    tab = page.tabs["compare"].parts
    pinned = {tab.pins: [], tab.metric: "pruned_fraction"}
    for settings in (Settings(), BALANCED):
        drawn = compare.pin(tab, page.frame, held(settings=settings, others=pinned))
        assert set(drawn) == {tab.pins, tab.board, tab.one, tab.other}
        pinned[tab.pins] = drawn[tab.pins]
    board, one = drawn[tab.board], drawn[tab.one]
    assert board.count("<figure>") == 2
    live = STORE.analysis(DEMO).live
    shared = live.common(Settings(), BALANCED)
    assert 0.3 < shared < 0.95
    assert f"{100 * shared:.1f} %" in board
    assert ("B: Balanced", "pin:1") in one["choices"]
    assert live.common(BALANCED, BALANCED) == 1
    query = re.findall(r'data-query="([^"]*)"', board)[1].replace("&amp;", "&")
    assert settings_of(dict(parse_qsl(query))) == BALANCED
    pinned[tab.pins] = compare.drop(tab, held(others=pinned), event(drop=0))[tab.pins]
    assert len(pinned[tab.pins]) == 1
    for forged in (9, -1, "x", None):
        assert compare.drop(tab, held(others=pinned), event(drop=forged)) == {}


def test_four_pins_are_the_most_and_none_is_pinned_twice(page: Page, held: Held) -> None:
    tab = page.tabs["compare"].parts

    def pin(settings: Settings, pins: list[Any]) -> dict[Any, Any]:
        others = {tab.pins: pins, tab.metric: "pruned_fraction"}
        return compare.pin(tab, page.frame, held(settings=settings, others=others))

    pins: list[Any] = []
    for sparsity in (0.1, 0.2, 0.3, 0.4):
        pins = pin(Settings(mask=MaskSpec(sparsity=sparsity)), pins)[tab.pins]
    assert pin(BALANCED, pins) == {}
    assert pin(Settings(mask=MaskSpec(sparsity=0.1)), pins[:1]) == {}


def test_the_difference_is_the_difference() -> None:
    shown = Shown(View(), BALANCED)
    html, table = difference_of([], "preset:paper", "now", "pruned_fraction", shown)
    a, b = (live(View(), s).table.set_index(["layer", "role"])["pruned_fraction"] for s in (Settings(), BALANCED))
    first = table.iloc[0]
    role = {label: key for key, label in ROLE_LABELS.items()}[first["Role"]]
    assert first["Difference"] == pytest.approx(float((b - a)[first["Layer"], role]), rel=1e-3)
    assert table["Difference"].abs().is_monotonic_decreasing
    assert "minus Paper" in html
    with pytest.raises(GapruneError, match="gone"):
        difference_of([], "pin:3", "now", "pruned_fraction", shown)


def test_every_step_of_the_tour_is_a_state_of_the_page(page: Page) -> None:
    assert len(STEPS) == 10
    matrices = STORE.analysis(DEMO).statistics.matrices
    tabs = {str(placed.box.id) for placed in page.tabs.values()}
    for step in STEPS:
        params = dict(parse_qsl(step.query))
        settings_of(params)
        assert view_of(params, View()).metric == params.get("metric", "pruned_fraction")
        assert params["tab"] in tabs
        assert not params.get("at") or matrix_at(params["at"], matrices)
        assert params.get("pick", "") in {"", *STORE.task("chemistry").queries}
    assert head(tour.script(), address_parts()).count("</script>") == 1


def test_runs_are_listed_named_and_deleted(page: Page, held: Held, tiny_analysis: Path) -> None:
    tab, frame, place = page.tabs["runs"].parts, page.frame, workspace() / "analysis-00000000000000aa"
    words = {tab.name: "My run", tab.note: "seed 3\nsmall"}

    def picked(pick: str | None, on_screen: str = DEMO) -> dict[Any, Any]:
        return held(view=View(analysis=on_screen), others={tab.pick: pick})

    shutil.copytree(tiny_analysis, place)
    assert any(run.id == place.name and not run.name for run in kept_runs())
    written = {tab.pick: place.name, tab.name: "  My   run ", tab.note: "seed 3\nsmall"}
    assert "Saved" in runs.save(tab, held(others=written))[tab.said]
    run = next(run for run in kept_runs() if run.id == place.name)
    assert (run.name, run.note, run.bytes > 1000) == ("My run", "seed 3\nsmall", True)
    assert runs.chosen(tab, place.name) == words
    opened = runs.opened(tab, frame, picked(None, on_screen=place.name))
    assert set(opened) == {tab.pick, tab.table, *words}
    assert {part: opened[part] for part in words} == words
    row = next(line for line in runs_table().to_numpy().tolist() if line[0] == "My run")
    assert runs.clicked(tab, clicked_row(row))[tab.pick] == place.name
    assert runs.clicked(tab, clicked_row(["x"])) == {}
    assert "on screen" in runs.delete(tab, frame, picked(place.name, on_screen=place.name))[tab.said]
    assert place.is_dir()
    assert runs.delete(tab, frame, picked(None)) == {}
    assert "Deleted" in runs.delete(tab, frame, picked(place.name))[tab.said]
    assert not place.exists()
    with pytest.raises(GapruneError, match="not an analysis"):
        delete_run(tiny_analysis)
    with pytest.raises(GapruneError, match="too long"):
        label_run(tiny_analysis, "x" * 100, "")
    assert json.loads((tiny_analysis / "spec.json").read_text())["format"]


def test_where_retrieval_collapses_is_read_from_the_sweeps(tiny_analysis: Path, tmp_path: Path) -> None:
    folder = tmp_path / "analysis"
    shutil.copytree(tiny_analysis, folder)
    shutil.rmtree(folder / SWEEP_CELLS, ignore_errors=True)
    assert collapses(folder, BALANCED) == []
    for sparsity, kept in ((0.3, 1.0), (0.5, 0.9), (0.7, 0.7)):
        _write_cell(folder, Settings(score=BALANCED.score, mask=MaskSpec(sparsity=sparsity)), kept)
    _write_cell(folder, Settings(mask=MaskSpec(sparsity=0.4)), 0.1)
    (folder / SWEEP_CELLS / "altered.json").write_text(
        '{"format": 3, "settings": {"mask": 5}, "numbers": {}, "task": 1}'
    )
    (curve,) = collapses(folder, BALANCED)
    assert [kept for _, kept in curve.points] == pytest.approx([1.0, 0.9, 0.7])
    assert curve.below == {0.95: pytest.approx(0.4), 0.8: pytest.approx(0.6)}
    name = visitor().admit(folder)
    headline = headline_html(live(View(analysis=name), BALANCED))
    assert "--gv-break:0.4000" in headline
    assert "keeps 95 % up to 40 % and 80 % up to 60 % sparsity" in headline


def _write_cell(folder: Path, settings: Settings, kept: float) -> None:
    numbers = {"ndcg_at_10": 0.5 * kept, "dense_ndcg_at_10": 0.5}
    document = {
        "format": SWEEP_FORMAT,
        "settings": settings.model_dump(mode="json"),
        "task": "chemistry",
        "numbers": numbers,
    }
    (folder / SWEEP_CELLS).mkdir(exist_ok=True)
    (folder / SWEEP_CELLS / f"{settings.key()}.json").write_text(json.dumps(document), encoding="utf-8")


def test_the_browser_hears_of_progress_in_one_place() -> None:
    """Of each event, every component that any event writes would be told otherwise."""
    demo = build()
    events = demo.get_config_file()["dependencies"]
    (place,) = {tuple(event["show_progress_on"]) for event in events}
    assert [demo.blocks[one].elem_id for one in place] == ["gv-bell"]


def test_runs_that_look_alike_are_told_apart(page: Page, held: Held, tiny_analysis: Path) -> None:
    tab, twins = page.tabs["runs"].parts, [workspace() / f"analysis-00000000000000b{n}" for n in range(2)]
    for twin in twins:
        shutil.copytree(tiny_analysis, twin)
    table = [row for row in runs_table().to_numpy().tolist() if row[-1] in {twin.name for twin in twins}]
    assert table[0][:-1] == table[1][:-1]
    labels = {name: label for label, name in run_choices()}
    for row in table:
        assert runs.clicked(tab, clicked_row(row))[tab.pick] == row[-1]
        assert row[-1] in labels[row[-1]]
    for forged in (["x"] * 9 + ["analysis-ffffffffffffffff"], [twins[0].name], None, "x"):
        assert runs.clicked(tab, clicked_row(forged)) == {}
    for twin in twins:
        delete_run(twin)


def test_a_pin_of_a_run_that_is_gone_leaves_the_others(page: Page, held: Held, tiny_analysis: Path) -> None:
    tab, place = page.tabs["compare"].parts, workspace() / "analysis-00000000000000cc"
    shutil.copytree(tiny_analysis, place)
    pins: list[Any] = []
    for view in (View(analysis=place.name), View()):
        others = {tab.pins: pins, tab.metric: "pruned_fraction"}
        pins = compare.pin(tab, page.frame, held(view=view, others=others))[tab.pins]
    delete_run(place)
    others = {tab.pins: pins, tab.metric: "pruned_fraction"}
    drawn = compare.pin(tab, page.frame, held(settings=BALANCED, others=others))
    assert "not here" in drawn[tab.board]
    assert drawn[tab.board].count("<figure>") == 2
    others[tab.pins] = drawn[tab.pins]
    left = compare.drop(tab, held(others=others), event(drop=0))
    assert "not here" not in left[tab.board]
    assert len(left[tab.pins]) == 2
