"""The frontier panel draws what the command wrote, tells the command where there is nothing, and trusts no file."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from gaprune_viz.app.page import Page
from gaprune_viz.app.session.access import Access, Visitor, visit
from gaprune_viz.app.tabs.benchmark import frontier_panel
from gaprune_viz.config import ServeSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.frontier.document import COMMAND, MOST_BYTES, open_frontier
from gaprune_viz.figures.experiments.frontier_plot import frontier_figure, frontier_sentences, frontier_table
from tests.app.conftest import plain

LOADS = ("short-1", "short-32", "long-1", "long-32")


def row(name: str, label: str, quality: float, size: int, time: float, packed: int | None = None) -> dict[str, Any]:
    return {
        "row": name,
        "label": label,
        "of_dense": {"domain": quality, "general": quality - 0.02},
        "bytes": size,
        "packed_bytes": packed,
        "kept": "",
        "milliseconds": dict.fromkeys(LOADS, time),
    }


DOCUMENT: dict[str, Any] = {
    "format": 1,
    "model": "tiny <b>",
    "data": {"domain": "chemistry", "general": "general"},
    "tasks": {
        "domain": {"name": "chemistry", "queries": 200, "passages": 160},
        "general": {"name": "general", "queries": 200, "passages": 160},
    },
    "rows": [
        {**row("dense", "dense, fp32", 1.0, 4_000_000, 10.0), "of_dense": {"domain": 1.0, "general": 1.0}},
        row("neurons-25", "25 % of the neurons out", 0.99, 3_000_000, 8.0),
        row("weights-70", "70 % of the weights zero", 0.9, 4_000_000, 10.0, 1_500_000),
        row("static", "static vectors", 0.4, 2_000_000, 0.1),
        row("dense-int8", "dense, int8", 0.97, 3_500_000, 9.0),
    ],
    "threads": 2,
    "rounds": 7,
    "versions": {"torch": "2"},
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with one frontier."""
    monkeypatch.setattr(frontier_panel, "workspace", lambda: tmp_path)
    folder = tmp_path / "frontier-mine"
    folder.mkdir()
    (folder / "frontier.json").write_text(json.dumps(DOCUMENT), encoding="utf-8")
    return folder


def test_without_any_the_command_is_told(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frontier_panel, "workspace", lambda: tmp_path)
    panel = page.tabs["benchmark"].parts.frontier
    assert panel.pick.choices == []
    drawn = frontier_panel.draw(panel, {panel.pick: None, panel.load: "long-32"})
    assert COMMAND in plain(drawn[panel.text]) and not drawn[panel.figure]["visible"]


def test_a_frontier_is_drawn(page: Page, here: Path) -> None:
    panel = page.tabs["benchmark"].parts.frontier
    offered = frontier_panel.offered(panel, {panel.pick: None})[panel.pick]
    assert ("mine", "own:frontier-mine") in offered["choices"]
    drawn = frontier_panel.draw(panel, {panel.pick: "own:frontier-mine", panel.load: "long-32"})
    assert drawn[panel.figure]["visible"] and len(drawn[panel.table]["value"]) == 5
    assert "Nothing here is better in quality, time and size at once than" in plain(drawn[panel.text])
    assert "was not timed" in plain(
        frontier_panel.draw(panel, {panel.pick: "own:frontier-mine", panel.load: "other"})[panel.text]
    )


def test_what_nothing_beats_is_joined_and_told() -> None:
    document = {**DOCUMENT, "rows": DOCUMENT["rows"]}
    figure = frontier_figure(document, "long-32")
    line = next(trace for trace in figure.data if trace.mode == "lines")
    # int8 is slower and worse than neurons; zeros are as slow as dense.
    assert list(line.x) == [0.1, 8.0, 10.0] and list(line.y) == pytest.approx([39.0, 98.0, 100.0])
    told = frontier_sentences(document, "long-32")[0]
    assert "70 % of the weights zero" in told and "int8" not in told
    table = frontier_table(document, "long-32")
    marks = {text: trace.name for trace in figure.data for text in trace.text or ()}
    assert marks["2"] == "neurons or layers cut out" and set(marks) == {str(number) for number in table["No"]}
    assert table["times as fast"].tolist() == [1.0, 1.25, 1.0, 100.0, 1.11]
    assert table["MiB"].tolist() == [3.8, 2.9, 1.4, 1.9, 3.3]
    names = {trace.name for trace in figure.data}
    assert "dense (int8)" in names and "tiny &lt;b&gt;" in str(figure.to_dict()["layout"]["title"])


@pytest.mark.parametrize("name", ["own:frontier-../x", "own:study-mine", "run:analysis-0", "bundled:../demo/spec", "x"])
def test_nothing_else_is_opened(here: Path, name: str) -> None:
    with pytest.raises(GapruneError, match="That frontier is not here"):
        frontier_panel.place_of(name)


def test_a_public_page_shows_nobody_elses(here: Path) -> None:
    with visit(Visitor(Access(ServeSpec(public=True)), "stranger")):
        assert all(not name.startswith("own:") for _, name in frontier_panel.frontier_choices())


def broken(**changes: Any) -> str:
    return json.dumps({**deepcopy(DOCUMENT), **changes})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no json", "is damaged"),
        ("[1]", "not a frontier of this version"),
        (broken(format=9), "not a frontier of this version"),
        (broken(rows=[]), "damaged at rows"),
        (broken(rows=DOCUMENT["rows"][1:]), "lacks the dense model"),
        (broken(rows=[{**DOCUMENT["rows"][0], "milliseconds": {"long-32": -1}}]), "damaged at rows.0.milliseconds"),
        (broken(rows=[DOCUMENT["rows"][0], {**DOCUMENT["rows"][1], "milliseconds": {"x": 1.0}}]), "measured alike"),
        (broken(model="x" * 300), "damaged at model"),
        (broken(spec={"steps": -1}), "damaged at spec"),
        (broken(calibration={"seed": "none"}), "damaged at calibration"),
        (broken(rows=[{**DOCUMENT["rows"][0], "interval": {"domain": [0.9]}}]), "damaged at rows.0.interval"),
        (broken(tasks={}, rows=[{**DOCUMENT["rows"][0], "of_dense": {}}]), "damaged at rows.0.of_dense"),
        (
            broken(tasks={"a": DOCUMENT["tasks"]["domain"]}, rows=[{**DOCUMENT["rows"][0], "of_dense": {"a": 1}}]),
            "damaged at tasks",
        ),
        (" " * (MOST_BYTES + 1), "larger than"),
    ],
)
def test_a_damaged_one_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "frontier.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(GapruneError, match=said) as error:
        open_frontier(file)
    assert "\n" not in str(error.value)
    with pytest.raises(GapruneError, match="There is no frontier in nothing"):
        open_frontier(tmp_path / "nothing")
