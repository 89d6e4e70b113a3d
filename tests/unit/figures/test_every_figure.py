"""Every plotly figure on ordinary, thin and missing data: fit for the page, and escaped."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from gaprune_viz.figures.kit import plotly_frame, scales
from gaprune_viz.figures.retrieval.per_query import per_query_figure
from gaprune_viz.figures.weights import distributions


def summary(layers: int, fraction: float = 0.5) -> pd.DataFrame:
    rows = [
        {"name": f"l.{i}.{role}", "layer": i, "role": role, "size": size, "pruned_fraction": fraction + 0.01 * i}
        for i in range(layers)
        for role, size in (("up", 300), ("down", 100))
    ]
    return pd.DataFrame(rows, columns=["name", "layer", "role", "size", "pruned_fraction"])


def histograms(matrices: int, fill: int = 10) -> dict[str, np.ndarray]:
    out: dict[str, np.ndarray] = {}
    for key, edges in (
        ("fisher_domain", np.arange(-9.0, 1.0)),
        ("fisher_general", np.arange(-9.0, 1.0)),
        ("theta", np.arange(-5.0, 1.0)),
    ):
        counts = np.zeros((matrices, len(edges) - 1), dtype=np.int64)
        counts[:, 2:5] = fill
        out |= {key: counts, f"{key}_edges": edges}
    return out


EDGES = np.linspace(0, 1, 11)
FIGURES: dict[str, Callable[[], go.Figure]] = {
    "density": lambda: distributions.density_heatmap(
        EDGES, np.ones((3, 10)), [0, 1, 2], title="t", x_title="x", thresholds=[0.5, math.nan, 7.0]
    ),
    "density, one layer": lambda: distributions.density_heatmap(EDGES, np.ones((1, 10)), [4], title="t", x_title="x"),
    "density, many layers": lambda: distributions.density_heatmap(
        EDGES, np.ones((80, 10)), list(range(80)), title="t", x_title="x", thresholds=[0.5] * 80
    ),
    "density, an empty layer": lambda: distributions.density_heatmap(
        EDGES, np.stack([np.ones(10), np.zeros(10)]), [0, 1], title="t", x_title="x"
    ),
    "density, nothing": lambda: distributions.density_heatmap(EDGES, np.zeros((2, 10)), [0, 1], title="t", x_title="x"),
    "density, no layers": lambda: distributions.density_heatmap(EDGES, np.zeros((0, 10)), [], title="t", x_title="x"),
    "fisher": lambda: distributions.fisher_density(histograms(4), summary(2), "domain"),
    "fisher, nothing": lambda: distributions.fisher_density(histograms(4, 0), summary(2), "general"),
    "matrix": lambda: distributions.matrix_detail(histograms(2), 1, "l.0.up"),
    "matrix, nothing": lambda: distributions.matrix_detail(histograms(2, 0), 1, "l.0.up"),
    "matrix, score": lambda: distributions.matrix_detail(histograms(2), 1, "a", score=(EDGES, np.ones(10), 0.5)),
    "matrix, no threshold": lambda: distributions.matrix_detail(
        histograms(2), 1, "a", score=(EDGES, np.ones(10), math.nan)
    ),
    "terms": lambda: distributions.scatter_terms(
        np.arange(9.0), np.arange(9.0) / 9, np.arange(9) < 4, threshold=2.0, alpha=0.2
    ),
    "terms, one weight": lambda: distributions.scatter_terms(np.ones(1), np.zeros(1), np.array([True])),
    "terms, nothing": lambda: distributions.scatter_terms(np.zeros(0), np.zeros(0), np.zeros(0, dtype=bool)),
    "terms, nan": lambda: distributions.scatter_terms(np.array([math.nan, 1.0]), np.ones(2), np.array([True, False])),
    "layers": lambda: distributions.layer_profile(summary(6)),
    "layers, one": lambda: distributions.layer_profile(summary(1)),
    "layers, nan": lambda: distributions.layer_profile(summary(2, math.nan)),
    "layers, nothing": lambda: distributions.layer_profile(summary(0)),
    "rows": lambda: distributions.row_profile(np.linspace(0, 1, 2_000), title="t", y_title="y", fraction=True),
    "rows, one": lambda: distributions.row_profile(np.ones(1), title="t", y_title="y"),
    "rows, nan": lambda: distributions.row_profile(np.full(5, math.nan), title="t", y_title="y"),
    "queries": lambda: per_query_figure(per_query([0.1, -0.2, 0.0])),
    "queries, nothing": lambda: per_query_figure(per_query([])),
}


def per_query(delta: list[float]) -> pd.DataFrame:
    columns = ["qid", "query", "dense_ndcg_at_10", "pruned_ndcg_at_10", "delta_ndcg_at_10"]
    return pd.DataFrame([(f"q{i}", "q <b>1</b>", 0.5, 0.5 + d, d) for i, d in enumerate(delta)], columns=columns)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_fit_for_the_page(name: str) -> None:
    figure = FIGURES[name]()
    layout = json.loads(figure.to_json())["layout"]
    assert 150 <= layout["height"] <= 700 and layout["autosize"] is True
    assert layout["paper_bgcolor"] == layout["plot_bgcolor"] == scales.CLEAR
    assert layout["margin"]["l"] + layout["margin"]["r"] <= 100
    assert layout["title"]["text"]
    for trace in figure.data:
        assert trace.hovertemplate or trace.hoverinfo == "skip"


@pytest.mark.parametrize(
    "figure",
    [
        plotly_frame.framed(200, "<i>a</i>", "<a href='x'>b</a>"),
        plotly_frame.empty("<i>a</i>", "<a href='x'>b</a>"),
        distributions.matrix_detail(histograms(1), 0, "<a href='x'>b</a>"),
        per_query_figure(per_query([0.1]).assign(query="<a href='x'>b</a>")),
    ],
)
def test_text_in_figures_is_escaped(figure: go.Figure) -> None:
    document = figure.to_plotly_json()
    assert "<i>a" not in str(document) and "<a href" not in str(document)
    assert "&lt;a href" in str(document)


def test_log_ticks_are_whole_powers_and_few() -> None:
    ticks = plotly_frame.log_ticks(-9.4, 2.2, most=6)
    assert ticks["tickvals"] == [-9, -7, -5, -3, -1, 1] and ticks["ticktext"][0] == "10⁻⁹"
