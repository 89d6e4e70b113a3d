"""Distribution figures: drawn is what was counted, thresholds stand where they are finite, empty input is told."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.weights.distributions import density_heatmap, density_table, fisher_density, fisher_table
from gaprune_viz.figures.weights.matrix import matrix_detail, matrix_detail_table
from gaprune_viz.figures.weights.profiles import layer_profile, layer_table, row_profile, row_table
from gaprune_viz.figures.weights.terms import scatter_table, scatter_terms

EDGES = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
COUNTS = np.array([[10.0, 30.0, 40.0, 20.0], [0.0, 0.0, 5.0, 15.0]])
HOSTILE = "<img src=x onerror=alert(1)>"


def exported(figure: go.Figure) -> dict[str, Any]:
    """What the browser gets; also proves that the figure can be written as JSON."""
    assert figure.to_plotly_json()["data"] is not None
    return json.loads(str(figure.to_json()))


def traces(figure: Any) -> Any:
    """What is drawn; plotly's own types do not say what a trace has."""
    return figure.data


def layout_of(figure: Any) -> Any:
    return figure.layout


def histograms(matrices: int = 4, bins: int = 12, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    made: dict[str, np.ndarray] = {}
    for key in ("fisher_domain", "fisher_general", "theta"):
        made[key] = rng.integers(1, 100, (matrices, bins))
        made[f"{key}_edges"] = np.linspace(-12.0, 0.0, bins + 1)
    return made


def matrices(count: int = 4) -> pd.DataFrame:
    return pd.DataFrame({"name": [f"m{i}" for i in range(count)], "layer": [i // 2 for i in range(count)]})


def profile_input() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "layer": [0, 0, 3, 3],
            "role": ["up", "down", "up", "down"],
            "size": [100, 300, 100, 300],
            "pruned_fraction": [0.1, 0.5, 0.9, 0.62],
        }
    )


def heatmap_of(figure: go.Figure) -> dict[str, Any]:
    return next(trace.to_plotly_json() for trace in traces(figure) if trace.type == "heatmap")


def threshold_lines(figure: go.Figure) -> list[dict[str, Any]]:
    return [
        trace.to_plotly_json()
        for trace in traces(figure)
        if trace.type == "scatter" and trace.line.color == scales.THRESHOLD
    ]


def shares_of(trace: Any) -> np.ndarray:
    """Heights of a step line as shares of their sum; the last point only closes the line."""
    heights = np.asarray(trace.y, dtype=float)[:-1]
    return heights / heights.sum()


def heat(thresholds: list[float] | None = None, **more: Any) -> go.Figure:
    given = {"title": "Score", "x_title": "score", "thresholds": thresholds} | more
    return density_heatmap(EDGES, COUNTS, [0, 3], **given)


def test_a_row_of_the_heatmap_is_its_layers_distribution() -> None:
    shares = np.square(np.asarray(heatmap_of(heat())["z"], dtype=float))
    np.testing.assert_allclose(shares[0], [0.1, 0.3, 0.4, 0.2])
    # A bin without weights is a gap, not a colour.
    assert np.isnan(shares[1, :2]).all()
    np.testing.assert_allclose(shares[1, 2:], [0.25, 0.75])


def test_the_hover_of_a_bin_says_layer_range_and_share() -> None:
    text = heatmap_of(heat())["customdata"]
    assert "Layer 3" in text[1][3] and "3.00 to 4.00" in text[1][3] and "75.00 %" in text[1][3]


def test_a_threshold_is_one_upright_stroke_in_its_layers_row() -> None:
    (line,) = threshold_lines(heat([1.5, 2.5]))
    assert list(line["x"]) == [1.5, 1.5, None, 2.5, 2.5, None]
    assert list(line["y"]) == [-0.5, 0.5, None, 0.5, 1.5, None]


def test_a_threshold_that_is_missing_or_off_the_axis_is_not_drawn() -> None:
    (line,) = threshold_lines(heat([math.nan, 2.5]))
    assert list(line["x"]) == [2.5, 2.5, None]
    (line,) = threshold_lines(heat([9.0, 2.5]))
    assert list(line["x"]) == [2.5, 2.5, None]
    assert threshold_lines(heat([math.nan, math.nan])) == []
    assert threshold_lines(heat(None)) == []


def test_a_drawn_threshold_is_explained_in_the_legend() -> None:
    figure = heat([1.5, 2.5])
    named = [trace.name for trace in traces(figure) if trace.showlegend]
    assert len(named) == 1 and "threshold" in named[0] and "pruned" in named[0] and "left" in named[0]
    assert layout_of(figure).showlegend is True


def test_the_table_beside_it_counts_what_lies_below_the_threshold() -> None:
    table = density_table(EDGES, COUNTS, [0, 3], [1.0, math.nan])
    assert table["Layer"].tolist() == [0, 3]
    assert table["Below it"].tolist() == ["10.0 %", "-"]
    # Half of layer 0 lies below the bin [2, 3] plus a quarter of it.
    assert table["Median"].tolist() == ["2.25", "3.33"]


@pytest.mark.parametrize("counts", [np.zeros((2, 4)), np.zeros((0, 4))])
def test_no_values_give_a_sentence_instead_of_a_picture(counts: np.ndarray) -> None:
    figure = density_heatmap(EDGES, counts, list(range(len(counts))), title="Score", x_title="score")
    assert not traces(figure)
    assert layout_of(figure).annotations[0].text
    exported(figure)


def test_an_empty_layer_among_full_ones_is_a_gap() -> None:
    counts = COUNTS.copy()
    counts[0] = 0
    figure = density_heatmap(EDGES, counts, [0, 3], title="Score", x_title="score", thresholds=[1.0, 1.0])
    assert np.isnan(np.asarray(heatmap_of(figure)["z"], dtype=float)[0]).all()
    assert density_table(EDGES, counts, [0, 3], [1.0, 1.0])["Median"].tolist()[0] == "-"
    exported(figure)


@pytest.mark.parametrize("side", ["domain", "general"])
def test_fisher_histograms_are_summed_over_the_matrices_of_a_layer(side: str) -> None:
    given = histograms()
    table = fisher_table(given, matrices(), side)
    counts = given[f"fisher_{side}"]
    assert table["Layer"].tolist() == [0, 1]
    assert table["Weights"].tolist() == [int(counts[:2].sum()), int(counts[2:].sum())]
    shares = np.square(np.asarray(heatmap_of(fisher_density(given, matrices(), side))["z"], dtype=float))
    # The first bin, which holds exact zeros, is not drawn.
    drawn = counts[:2, 1:].sum(axis=0)
    np.testing.assert_allclose(shares[0], drawn / drawn.sum())


def test_weights_at_exactly_zero_are_told() -> None:
    given = histograms()
    given["fisher_domain"][:, 0] = given["fisher_domain"][:, 1:].sum(axis=1)
    figure = fisher_density(given, matrices(), "domain")
    assert "50.0 % of the weights are at 0" in str(exported(figure)["layout"])
    given["fisher_domain"][:, 0] = 0
    assert "at 0" not in str(exported(fisher_density(given, matrices(), "domain"))["layout"])


def test_a_fisher_of_nothing_but_zeros_does_not_break() -> None:
    given = histograms()
    given["fisher_domain"][:, 1:] = 0
    exported(fisher_density(given, matrices(), "domain"))
    exported(matrix_detail(given, 0, "m0"))


def test_matrix_detail_draws_shares_of_the_chosen_matrix() -> None:
    given = histograms()
    figure = matrix_detail(given, 2, "m2")
    for trace, key in zip(traces(figure), ("fisher_domain", "fisher_general", "theta"), strict=True):
        np.testing.assert_allclose(shares_of(trace), given[key][2] / given[key][2].sum())
    assert matrix_detail_table(given, 2)["Weights"].tolist() == [
        int(given[key][2].sum()) for key in ("fisher_domain", "fisher_general", "theta")
    ]


def test_the_score_of_a_matrix_is_split_at_its_threshold() -> None:
    figure = matrix_detail(histograms(), 0, "m0", score=(EDGES, COUNTS[0], 2.0))
    parts = {trace.name: np.asarray(trace.y)[:-1] for trace in traces(figure) if trace.name in ("pruned", "kept")}
    whole = sum(part.sum() for part in parts.values())
    np.testing.assert_allclose(parts["pruned"] / whole, [0.1, 0.3, 0, 0])
    np.testing.assert_allclose(parts["kept"] / whole, [0, 0, 0.4, 0.2])


def test_without_a_threshold_the_whole_score_is_kept() -> None:
    figure = matrix_detail(histograms(), 0, "m0", score=(EDGES, COUNTS[0], math.nan))
    names = [trace.name for trace in traces(figure)]
    assert "kept" in names and "pruned" not in names


def test_the_name_of_a_matrix_cannot_bring_markup() -> None:
    assert "<img" not in str(matrix_detail(histograms(), 0, HOSTILE).to_json())


@pytest.mark.parametrize("count", [1, 100, 50_000])
def test_the_scatter_stays_small_and_keeps_both_kinds(count: int) -> None:
    rng = np.random.default_rng(1)
    magnitude, fisher = rng.random(count), rng.normal(size=count)
    figure = scatter_terms(magnitude, fisher, magnitude < 0.5)
    drawn = {trace.name: len(trace.x) for trace in traces(figure) if trace.mode == "markers"}
    assert drawn.keys() == {"kept", "pruned"}
    assert sum(drawn.values()) == count if count <= 100 else 1_000 < sum(drawn.values()) <= 4_000
    assert np.all(np.asarray(next(t.x for t in traces(figure) if t.name == "pruned"), dtype=float) < 0.5)
    exported(figure)


def test_the_cut_lines_part_what_is_surely_pruned_and_surely_kept_from_the_rest() -> None:
    rng = np.random.default_rng(2)
    magnitude, fisher = rng.random(400), 0.1 * rng.normal(size=400)
    agree, alpha, threshold = rng.choice([-1.0, 1.0], 400), 0.2, 0.5
    pruned = (magnitude + fisher) * (1 + alpha * agree) <= threshold
    figure = scatter_terms(magnitude, fisher, pruned, threshold=threshold, alpha=alpha)
    cuts = sorted(line["x"][0] + line["y"][0] for line in threshold_lines(figure))
    np.testing.assert_allclose(cuts, [threshold / 1.2, threshold / 0.8])
    total = magnitude + fisher
    assert pruned[total < cuts[0]].all() and not pruned[total > cuts[1]].any()
    between = pruned[(total > cuts[0]) & (total < cuts[1])]
    assert between.any() and not between.all()


@pytest.mark.parametrize(("alpha", "lines"), [(0.0, [0.5]), (1.0, [0.25])])
def test_without_alignment_or_with_all_of_it_there_is_one_cut(alpha: float, lines: list[float]) -> None:
    values = np.arange(9.0)
    figure = scatter_terms(values, values, values < 4, threshold=0.5, alpha=alpha)
    np.testing.assert_allclose([line["x"][0] + line["y"][0] for line in threshold_lines(figure)], lines)
    assert not threshold_lines(scatter_terms(values, values, values < 4, threshold=math.nan, alpha=alpha))


def test_values_that_are_not_numbers_are_left_out_of_the_scatter() -> None:
    figure = scatter_terms(
        np.array([0.1, np.nan, 0.3]), np.array([1.0, 2.0, np.inf]), np.array([True, True, False]), threshold=0.5
    )
    assert sum(len(trace.x) for trace in traces(figure) if trace.mode == "markers") == 1
    assert not traces(scatter_terms(np.array([np.nan]), np.array([1.0]), np.array([True])))


def test_the_table_beside_the_scatter_counts_kept_and_pruned() -> None:
    table = scatter_table(np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]), np.array([True, False, False]))
    assert dict(zip(table["Weights"], table["Sampled"], strict=True)) == {"kept": 2, "pruned": 1}
    assert table.set_index("Weights").loc["kept", "Median magnitude term"] == "2.50"


def test_a_layers_bar_is_the_mean_over_its_weights() -> None:
    figure = layer_profile(profile_input())
    bars = next(trace for trace in traces(figure) if trace.type == "bar")
    # Layer 0: (0.1 * 100 + 0.5 * 300) / 400; layer 3: (0.9 * 100 + 0.62 * 300) / 400.
    np.testing.assert_allclose(bars.y, [0.4, 0.69])
    uniform = next(trace for trace in traces(figure) if trace.type == "scatter" and trace.mode == "lines")
    np.testing.assert_allclose(uniform.y, [0.545, 0.545])
    assert layer_table(profile_input())["Against uniform"].tolist() == ["−14.5 points", "+14.5 points"]


def test_matrices_without_a_fraction_are_left_out_of_the_profile() -> None:
    table = profile_input()
    table.loc[table["layer"] == 3, "pruned_fraction"] = math.nan
    bars = next(trace for trace in traces(layer_profile(table)) if trace.type == "bar")
    np.testing.assert_allclose(bars.y, [0.4])
    table["pruned_fraction"] = math.nan
    assert not traces(layer_profile(table))


def test_many_rows_are_drawn_as_blocks_that_keep_their_extremes() -> None:
    values = np.linspace(0.0, 1.0, 5_000)
    table = row_table(values, label="pruned")
    assert len(table) <= 256
    assert table["Smallest"].iloc[0] == 0.0 and table["Largest"].iloc[-1] == 1.0
    np.testing.assert_allclose(np.average(table["pruned"], weights=np.diff([*table["First row"], 5_000])), 0.5)
    exported(row_profile(values, title="Rows", y_title="pruned", fraction=True))


FIGURES = {
    "heatmap": lambda: heat([1.5, 2.5]),
    "fisher": lambda: fisher_density(histograms(), matrices(), "domain"),
    "detail": lambda: matrix_detail(histograms(), 0, "m0"),
    "scatter": lambda: scatter_terms(np.arange(9.0), np.arange(9.0), np.arange(9) < 4, threshold=3.0),
    "profile": lambda: layer_profile(profile_input()),
    "rows": lambda: row_profile(np.arange(9.0), title="Rows", y_title="mean"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_suits_a_light_and_a_dark_page(name: str) -> None:
    figure = FIGURES[name]()
    layout = exported(figure)["layout"]
    assert layout["height"] and layout["paper_bgcolor"] == layout["plot_bgcolor"] == scales.CLEAR
    assert layout["title"]["x"] == 0
    for ground in ("#ffffff", "#11171e"):
        assert scales.contrast(layout["font"]["color"], ground) >= 3
    hovers = [trace for trace in traces(figure) if trace.hoverinfo != "skip"]
    assert hovers and all(trace.hovertemplate for trace in hovers)
