"""Figures of sources: what is drawn is what was given, names are escaped, and nothing is told as nothing."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from gaprune_viz.figures.weights.sources import MOST_LAYERS, alignment_figure, source_bars

HOSTILE = "<img src=x onerror=alert(1)>"


def drawn(figure: Any) -> dict[str, Any]:
    return json.loads(figure.to_json())


def test_bars_stand_at_their_sources() -> None:
    cosines, weights = np.array([0.5, -0.2, 0.1]), np.array([0.5, 0.5, 1.0])
    found = drawn(source_bars(["one", "two", HOSTILE], ["domain", "domain", "general"], cosines, weights, weights))
    bars = {trace["name"]: trace for trace in found["data"]}
    assert bars["domain"]["x"] == [0.5, -0.2] and bars["domain"]["y"] == [0, 1]
    assert bars["general"]["x"] == [0.1] and bars["general"]["y"] == [2]
    assert found["layout"]["xaxis"]["range"][0] < -0.2
    assert "<img" not in json.dumps(found)


def test_panels_of_layers() -> None:
    cosines = np.stack([np.array([[1.0, c], [c, 1.0]]) for c in np.linspace(-0.5, 0.5, 40)])
    found = drawn(alignment_figure(["one", HOSTILE], range(40), cosines))
    assert len(found["data"]) == MOST_LAYERS
    titles = [note["text"] for note in found["layout"]["annotations"]]
    assert titles[0] == "layer 0" and titles[-1] == "layer 39"
    assert found["layout"]["coloraxis"]["cmax"] == 0.5 and "<img" not in json.dumps(found)
    few = drawn(alignment_figure(["one", "two"], [0, 1], cosines[:2]))
    assert [trace["type"] for trace in few["data"]] == ["heatmap", "heatmap"]


def test_nothing_is_told() -> None:
    empty = np.zeros(0)
    assert "no sources" in json.dumps(drawn(source_bars([], [], empty, empty, empty)))
    assert "two sources" in json.dumps(drawn(alignment_figure(["one"], [0], np.ones((1, 1, 1)))))
