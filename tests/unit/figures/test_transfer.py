"""The pictures of a transfer map: colours, names, texts of strangers, and missing numbers."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gaprune_viz.figures.experiments.transfer import (
    advantage_figure,
    overlap_map_html,
    places_html,
    rank_table,
    score_map_html,
    word_map_html,
)

SCRIPT = '<img src=x onerror="alert(1)">'


def score(of_dense: float, low: float | None = 80.0) -> dict[str, Any]:
    return {"ndcg_at_10": 0.5, "of_dense": of_dense, "low": low, "high": None if low is None else 99.0}


def a_map(**changed: Any) -> dict[str, Any]:
    gain = {"points": 2.5, "low": 1.0, "high": 4.0}
    return {
        "row": "balanced",
        "sparsity": 0.5,
        "refit": False,
        "shuffled": False,
        "scores": [[score(95.0), score(80.0, None)], [score(90.0), score(85.0)]],
        "advantage": {**gain, "p": 0.01, "reached": 1, "pairings": 2, "by_task": [gain, gain]},
        "shared": [{"pair": [0, 1], "jaccard": 0.8, "places": [[0, "up", 0.7], [1, "down", 0.9]]}],
        **changed,
    }


def cells(html: str) -> dict[str, dict[str, str]]:
    """Name -> attributes of every cell."""
    found = [dict(re.findall(r'([\w-]+)="([^"]*)"', cell)) for cell in re.findall(r'<span role="gridcell"[^>]*>', html)]
    return {cell["data-name"]: cell for cell in found}


def test_a_column_is_coloured_by_its_mean() -> None:
    found = cells(score_map_html(a_map(), ["x", "y"], "1-0"))
    assert list(found) == ["0-0", "0-1", "1-0", "1-1"]
    # 95 and 90 on one task, 80 and 85 on the other: each 2.5 off its mean, whatever the task.
    color = {name: re.findall(r"background-color:(#\w+)", cell["style"])[0] for name, cell in found.items()}
    assert color["0-0"] == color["1-1"] != color["0-1"] == color["1-0"]
    assert found["0-0"]["data-shape"] == "+2.5 points over the mean of its column"
    assert [name for name, cell in found.items() if cell["aria-selected"] == "true"] == ["1-0"]
    assert [name for name, cell in found.items() if cell["tabindex"] == "0"] == ["1-0"]
    assert "95 %" in found["0-0"]["data-value"] and "95 % " not in found["0-1"]["data-value"]


def test_overlaps_and_words_are_symmetric_and_say_what_is_unrelated() -> None:
    found = cells(overlap_map_html(a_map(), ["x", "y"], 1 / 3))
    assert found["0-1"]["data-value"] == found["1-0"]["data-value"] == "80.0 % pruned by both"
    assert "Unrelated masks: 33 %" in overlap_map_html(a_map(), ["x", "y"], 1 / 3)
    assert cells(word_map_html([[1, 0.25], [0.25, 1]], ["x", "y"]))["1-0"]["data-value"] == "25.0 % of words in both"


def test_the_name_of_a_cell_holds_what_stands_in_it() -> None:
    html = places_html([(0, "up", 0.796)], "x and y", 0.33)
    assert "<span>80</span>" in html
    assert cells(html)["0-up"]["aria-label"] == "Layer 0, Up: 79.6 % pruned by both, shown as 80"


def test_places_leave_out_what_is_not_there() -> None:
    html = places_html([(0, "up", 0.2), (1, "down", 0.9)], "x and y", 0.33)
    assert list(cells(html.replace('aria-label="nothing"', 'data-name="none"'))) == ["0-up", "none", "1-down"]


def test_strangers_names_are_never_markup() -> None:
    names = [SCRIPT, "y"]
    for html in (
        score_map_html(a_map(), names),
        overlap_map_html(a_map(), names, 0.3),
        word_map_html([[1, 0], [0, 1]], names),
        places_html([(0, SCRIPT, 0.5)], SCRIPT, 0.3),
    ):
        assert "<img" not in html
    assert "<img" not in str(advantage_figure([a_map(row=SCRIPT)]).to_dict())


def test_the_advantage_is_drawn_with_its_interval_and_the_control_beside_it() -> None:
    unknown = {**a_map()["advantage"], "low": None, "high": None}
    figure = advantage_figure([a_map(), a_map(shuffled=True, advantage=unknown)])
    real, control = figure.to_dict()["data"]
    assert (real["x"][0], real["error_x"]["array"][0], real["error_x"]["arrayminus"][0]) == (2.5, 1.5, 1.5)
    assert control["error_x"]["array"][0] == 0
    assert "no interval" in control["customdata"][0]
    assert real["y"][0] < 0 < control["y"][0]


def test_queries_that_move_most_come_first() -> None:
    table = rank_table(["a", "b", "c"], [1, 2, 3], {"x": [1, 40, None], "y": [1, 2, 3]}, "x")
    assert table["Query"].tolist() == ["b", "c", "a"]
    assert table["On x"].tolist() == [40, "-", 1]
    assert rank_table([], [], {"x": []}, "x").empty


@pytest.mark.parametrize("maps", [[], [a_map(shuffled=True)]])
def test_thin_maps_can_be_drawn(maps: list[Any]) -> None:
    assert advantage_figure(maps).to_dict()["layout"]["height"] > 0
