"""Figures of a cut: every number by hand, and nothing said that is not known."""

from __future__ import annotations

import pytest

from gaprune_viz.figures.weights.structures import LOADS, cut_cards, kept_html, milliseconds_html

CUT = {
    "structure": "layers",
    "before": 6,
    "after": 4,
    "layers_gone": [2, 5],
    "parameters": 15_000_000,
    "dense_parameters": 20_000_000,
    "flops": 600_000_000,
    "dense_flops": 1_000_000_000,
    "flops_of_tokens": 128,
    "weight_bytes": 60 * 2**20,
    "milliseconds": None,
}


def told(**changes: object) -> dict[str, tuple[str, str]]:
    return {card.label: (card.value, card.note) for card in cut_cards({**CUT, **changes}, known=False)}


def test_the_cards_of_a_cut() -> None:
    assert told() == {
        "Layers kept": ("4 / 6", "layers 2, 5 go, by the preview"),
        "Parameters": ("15.0 M", "25.0 % fewer than 20.0 M"),
        "Operations a text": ("600 MFLOP", "40.0 % fewer; 128 tokens"),
        "Expected time": ("not measured", "press Measure this machine: operations alone do not tell it"),
        "Weights on disk": ("60.0 MiB", "dense 80.0 MiB"),
    }
    assert cut_cards({**CUT, "layers_gone": [5]}, known=True)[0].note == "layer 5 goes"
    assert told(structure="neurons", layers_gone=[])["Neurons kept"] == ("4 / 6", "in every layer")
    assert told(flops=None, dense_flops=None)["Operations a text"][0] == "not known"


def test_an_expected_time_is_that_of_the_first_workload() -> None:
    times = {"dense": dict.fromkeys(LOADS, 10.0), "cut": {**dict.fromkeys(LOADS, 9.0), "long-32": 8.0}}
    value, note = told(milliseconds=times)["Expected time"]
    assert value == "1.25 × as fast"
    assert note == "8.00 ms a text of 160 words, 32 at a time; dense 10.00 ms"


def test_what_stays_and_what_was_measured_are_escaped() -> None:
    kept = kept_html([("<b>Heads", 3, 4), ("Layers", 6, 6)])
    assert "3 / 4" in kept and "width:75.00%" in kept and "<b>Heads" not in kept
    times = {"dense": dict.fromkeys(LOADS, 2.0), "pruned": dict.fromkeys(LOADS, 1.0)}
    table = milliseconds_html(times, {"dense": "Dense", "pruned": "<i>"})
    assert table.count("(2.00 ×)") == len(LOADS)
    assert "&lt;i&gt;" in table


@pytest.mark.parametrize("gone", [[], [1], [1, 2]])
def test_layers_are_listed_as_they_are(gone: list[int]) -> None:
    note = told(layers_gone=gone)["Layers kept"][1]
    assert all(str(layer) in note for layer in gone) and ("all stay" in note) == (not gone)
