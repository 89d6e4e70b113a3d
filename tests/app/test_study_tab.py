"""The Study tab: opens what is ours, walks through it, loads settings, and shows strangers' files no mercy."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from gaprune_viz.app.page import Page
from gaprune_viz.app.tabs.study import events as study_events
from gaprune_viz.app.tabs.study.finished_studies import study_choices
from gaprune_viz.app.tabs.study.walk import FIRST, STOPS
from gaprune_viz.config import Allocation, Settings
from gaprune_viz.config.presets import preset
from gaprune_viz.experiments.study.document import open_study
from gaprune_viz.experiments.study.findings import repairs
from gaprune_viz.storage.paths import assets

BUNDLED = sorted((assets() / "study").glob("*.json"), key=lambda place: place.stem)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return json.loads(BUNDLED[0].read_text(encoding="utf-8"))


def show(page: Page, name: str | None, upload: str | None, step: str) -> list[Any]:
    """What the tab becomes: step, back, ahead, text, left, right, table."""
    tab = page.tabs["study"].parts
    found = study_events.show(tab, name, upload, step)
    places = [tab.step, tab.back, tab.ahead, tab.text, tab.left, tab.right, tab.table]
    assert set(found) == set(places)
    return [found[place] for place in places]


def test_bundled_studies_are_in_the_list_and_whole() -> None:
    names = [value for _, value in study_choices()]
    assert [f"bundled:{place.stem}" for place in BUNDLED] == names[: len(BUNDLED)]
    for place in BUNDLED:
        assert open_study(place)["cells"]["measured"] > 0
        assert place.stat().st_size < 2 * 2**20


@pytest.mark.parametrize("step", list(STOPS))
def test_every_stop_of_the_walk_can_be_shown(step: str, page: Page) -> None:
    shown, back, ahead, text, left, _right, table = show(page, f"bundled:{BUNDLED[0].stem}", None, step)
    assert shown["value"] == step
    assert back["interactive"] == (step != FIRST)
    assert ahead["interactive"] == (step != list(STOPS)[-1])
    assert "gv-section" in text
    assert left["visible"] != (step == FIRST or "no such part" in text)
    assert len(table["value"]) == len(open_study(BUNDLED[0])["rows"])


def test_what_retraining_repaired_is_said_in_numbers_of_the_rows(document: dict[str, Any]) -> None:
    said = repairs(document)
    steps = max(row["steps"] for row in document["rows"])
    found = {
        row["steps"]: row["sides"]["domain"]["of_dense"]
        for row in document["rows"]
        if row["part"] == "main" and row["row"] == "balanced" and row["sparsity"] == 0.7
    }
    assert f"At 70 %, {steps} steps bring `balanced` from {found[0]:.1f} % to {found[steps]:.1f} %" in said[-1]
    assert repairs({**document, "rows": [r for r in document["rows"] if r["steps"] == 0]}) == []


def test_back_and_next_stay_within_the_walk() -> None:
    labels = list(STOPS)
    assert study_events.moved(labels[0], 1) == labels[1]
    assert study_events.moved(labels[0], -1) == labels[0]
    assert study_events.moved(labels[-1], 1) == labels[-1]
    assert study_events.moved("nonsense", 1) == labels[1]


def clicked(*cells: object) -> gr.SelectData:
    return SimpleNamespace(row_value=list(cells))  # type: ignore[return-value]


def test_a_click_loads_the_settings_of_its_row(page: Page) -> None:
    def loaded(*cells: object) -> Settings:
        return page.frame.tuning.settings(study_events.load_row(page.frame, clicked(*cells)))

    balanced = loaded("main", "balanced", "70.0 %", 0)
    assert balanced.score == preset("balanced").settings.score
    assert balanced.mask.sparsity == 0.7
    wanda = loaded("main", "wanda", "50.0 %", 100)
    assert wanda.mask.allocation is Allocation.ROW
    moved = loaded("ablation", "paper, alpha 0.5", "50.0 %", 0)
    assert moved.score.alpha == 0.5


@pytest.mark.parametrize(
    "cells",
    [
        (),
        ("main",),
        ("main", "dense", "0.0 %"),
        ("main", "../x", "50 %"),
        ("main", "dai", "lots"),
        ("main", "dai", "99 %"),
    ],
)
def test_an_odd_click_changes_nothing(cells: tuple[object, ...], page: Page) -> None:
    assert study_events.load_row(page.frame, clicked(*cells)) == {}


@pytest.mark.parametrize(
    "name", ["bundled:nothing", "bundled:../../pyproject", "own:../x", "own:study-x", "/etc/passwd", "bundled:"]
)
def test_a_study_that_is_not_listed_is_not_opened(name: str, page: Page) -> None:
    assert "gv-error" in show(page, name, None, FIRST)[3]


def test_own_studies_of_the_workspace_are_listed(page: Page, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GAPRUNE_VIZ_WORKSPACE", str(tmp_path))
    (tmp_path / "study-mine").mkdir()
    (tmp_path / "study-mine" / "study.json").write_bytes(BUNDLED[0].read_bytes())
    (tmp_path / "study-begun").mkdir()
    assert ("mine", "own:study-mine") in study_choices()
    assert "gv-cards" in show(page, "own:study-mine", None, FIRST)[3]


def damaged(document: dict[str, Any]) -> dict[str, bytes]:
    """Files that somebody may upload as a study."""
    row = document["rows"][0]
    changed: dict[str, Any] = {
        "another format": {**document, "format": 99},
        "no rows": {**document, "rows": []},
        "rows that are text": {**document, "rows": ["x"] * 3},
        "a side missing": {**document, "rows": [{**row, "sides": {"domain": row["sides"]["domain"]}}]},
        "a name too long": {**document, "rows": [{**row, "row": "x" * 10_000}]},
        "a sparsity of 7": {**document, "rows": [{**row, "sparsity": 7}]},
        "a bad spec": {**document, "spec": {**document["spec"], "sparsities": [2]}},
    }
    files = {name: json.dumps(value).encode() for name, value in changed.items()}
    files |= {
        "not JSON": b"\x80\x04pickle",
        "cut short": json.dumps(document).encode()[:5_000],
        "a number": b"7",
        "deep": b"[" * 200_000,
        "infinity": json.dumps(document).replace('"sparsity": 0.0', '"sparsity": Infinity', 1).encode(),
    }
    return files


def test_a_strangers_file_is_one_line(page: Page, document: dict[str, Any], tmp_path: Path) -> None:
    for name, content in damaged(document).items():
        place = tmp_path / "study.json"
        place.write_bytes(content)
        text = show(page, None, str(place), FIRST)[3]
        assert "gv-error" in text and "Traceback" not in text, name


def test_names_in_a_strangers_file_are_never_markup(page: Page, document: dict[str, Any], tmp_path: Path) -> None:
    script = '<img src=x onerror="alert(1)">'
    for row in document["rows"]:
        row["row"] = row["row"] if row["row"] == "dense" else script
    hostile = {**document, "model": {**document["model"], "label": script}}
    hostile["tasks"] = {side: {**task, "name": script} for side, task in document["tasks"].items()}
    place = tmp_path / "study.json"
    place.write_text(json.dumps(hostile))
    for step in STOPS:
        _, _, _, text, left, right, _ = show(page, None, str(place), step)
        assert "<img" not in text
        for figure in (left["value"], right["value"]):
            assert figure is None or "<img" not in figure.to_json()
