"""Benchmark and retraining as pictures, tables and words."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from gaprune_viz.evaluation.mteb.estimate import Estimate, Speed
from gaprune_viz.figures.experiments.benchmark import benchmark_figure, benchmark_table, estimate_text
from gaprune_viz.figures.experiments.retraining import loss_figure, quality_figure, retraining_table

NAN = math.nan
ROWS = [
    ("starter:chemistry", "dense", "ndcg_at_10", 0.7639, NAN, NAN, NAN, NAN),
    ("starter:chemistry", "pruned", "ndcg_at_10", 0.7012, -0.0627, -0.09, -0.03, 0.0004),
    ("<b>FOMC", "dense", "accuracy", 0.5, NAN, NAN, NAN, NAN),
    ("<b>FOMC", "pruned", "accuracy", 0.52, 0.02, NAN, NAN, NAN),
]
FRAME = pd.DataFrame(
    ROWS, columns=pd.Index(["task", "variant", "metric", "score", "difference", "low", "high", "p_value"])
)
CURVES = {
    "retrained": {
        "losses": [[1, 2.0], [2, 1.0], [3, 1.0]],
        "points": [
            {"step": 0, "ndcg_at_10": {"domain": 0.6, "general": 0.5}},
            {"step": 3, "ndcg_at_10": {"domain": 0.75, "general": 0.45}},
        ],
    },
    "dense, retrained": {"losses": [[1, 1.5]], "points": []},
}


def test_the_table_has_a_row_for_each_task() -> None:
    first, second = benchmark_table(FRAME).to_dict(orient="records")
    assert first == {
        "Task": "starter:chemistry",
        "Metric": "nDCG@10",
        "Dense": "0.7639",
        "Pruned": "0.7012",
        "Pruned − dense": "−0.063",
        "95 % of pruned − dense": "−0.090 to −0.030",
        "p, pruned": "< 0.001",
    }
    assert (second["Pruned − dense"], second["95 % of pruned − dense"], second["p, pruned"]) == ("+0.020", "-", "-")


def test_a_version_that_is_not_there_yet_leaves_its_place_empty() -> None:
    rows = benchmark_table(FRAME[:3]).to_dict(orient="records")
    assert rows[1]["Pruned"] == rows[1]["Pruned − dense"] == "-"


def test_the_figure_shows_differences_with_their_intervals() -> None:
    [trace] = benchmark_figure(FRAME).data
    assert list(trace.x) == [-0.0627, 0.02]
    np.testing.assert_allclose(trace.error_x.array, [0.0327, 0])
    np.testing.assert_allclose(trace.error_x.arrayminus, [0.0273, 0])
    figure = benchmark_figure(FRAME)
    assert figure.layout.yaxis.ticktext == ("starter:chemistry", "&lt;b&gt;FOMC")
    low, high = figure.layout.xaxis.range
    assert low == -high
    assert low < -0.09


def test_a_figure_of_the_dense_model_alone_says_so() -> None:
    figure = benchmark_figure(FRAME[FRAME["variant"] == "dense"])
    assert not figure.data
    assert "no version beside" in figure.layout.annotations[0].text


@pytest.mark.parametrize("count", [0, 2])
def test_the_cost_in_words(count: int) -> None:
    unknown = tuple(f"finmteb:{name}" for name in ("A", "B", "C", "D", "E")[: count + 3 if count else 0])
    found = Estimate(336, 20_000, 125.4, 5 * 2**20, unknown, 2, Speed(320.0, 4.0, 256, 384))
    said = estimate_text(found)
    assert said.startswith("About 2 min 05 s for 2 models that read 336 texts (20.0 k tokens) each, at 320 tokens")
    assert "5 MiB" in said
    assert ("finmteb:A, finmteb:B, finmteb:C and 2 more" in said) is bool(count)


def test_losses_are_drawn_up_to_the_planned_steps() -> None:
    figure = loss_figure(CURVES, 10)
    named = {trace.name: trace for trace in figure.data if trace.name}
    assert list(named) == ["Pruned, retrained", "Dense, retrained (control)"]
    smooth = named["Pruned, retrained"].y
    assert smooth[0] == 2.0
    assert smooth[0] > smooth[1] > smooth[2] > 1.0
    assert figure.layout.xaxis.range == (0, 10)
    assert not loss_figure({}, 10).data


def test_retrieval_is_drawn_as_a_share_of_the_dense_model() -> None:
    figure = quality_figure(CURVES, 10, {"domain": 0.75, "general": 0.5})
    domain, general = figure.data
    assert list(domain.y) == pytest.approx([80, 100])
    assert list(general.y) == pytest.approx([100, 90])
    assert (domain.line.dash, general.line.dash) == ("solid", "dash")
    assert not quality_figure(CURVES, 10, {}).data


def test_the_table_after_retraining_has_domain_beside_general() -> None:
    rows = [
        ("dense", "domain", 0.75, 1.0, NAN, NAN, NAN, NAN),
        ("dense", "general", 0.5, 1.0, NAN, NAN, NAN, NAN),
        ("retrained", "domain", 0.78, 1.04, 0.03, 0.01, 0.05, 0.02),
        ("retrained", "general", 0.49, 0.98, -0.01, NAN, NAN, 1.0),
    ]
    names = ["version", "side", "ndcg_at_10", "of_dense", "difference", "low", "high", "p_value"]
    dense, retrained = retraining_table(pd.DataFrame(rows, columns=pd.Index(names))).to_dict(orient="records")
    assert dense["Domain: difference (95 %), p"] == "-"
    assert retrained["Model"] == "Pruned, retrained"
    assert retrained["Domain: nDCG@10"] == "0.7800"
    assert retrained["Domain: of dense"] == "104.0 %"
    assert retrained["Domain: difference (95 %), p"] == "+0.030 (+0.010 to +0.050), 0.020"
    assert retrained["General: difference (95 %), p"] == "−0.010"
