"""Measures, queries and spaces on the page: honest verdicts, true numbers, and no markup from anybody's text."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gaprune_viz.evaluation.geometry import Drift, Geometry, SpaceMeasures
from gaprune_viz.evaluation.retrieval import METRICS, Comparison
from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.retrieval.geometry import geometry_html, geometry_table
from gaprune_viz.figures.retrieval.measures import metrics_html, metrics_table
from gaprune_viz.figures.retrieval.per_query import per_query_figure, per_query_table
from tests.unit.figures.reader import HOSTILE, Reader, row_of


def traces(figure: Any) -> Any:
    """What is drawn; plotly's own types do not say what a trace has."""
    return figure.data


def layout_of(figure: Any) -> Any:
    return figure.layout


def comparison(**more: Any) -> Comparison:
    frame = pd.DataFrame(
        {
            "qid": ["q1", "q2", "q3"],
            "query": ["first", HOSTILE, "third"],
            "dense_ndcg_at_10": [1.0, 0.5, 0.0],
            "pruned_ndcg_at_10": [0.4, 0.5, 0.3],
            "delta_ndcg_at_10": [-0.6, 0.0, 0.3],
            "overlap_at_10": [0.7, 1.0, 0.4],
            "dense_first_relevant": pd.array([1, 2, None], dtype="Int64"),
            "pruned_first_relevant": pd.array([4, 2, 7], dtype="Int64"),
        }
    )
    made = Comparison(
        dense=dict.fromkeys(METRICS, 0.8),
        pruned=dict.fromkeys(METRICS, 0.7),
        delta=dict.fromkeys(METRICS, -0.1),
        intervals=dict.fromkeys(METRICS, (-0.2, 0.05)),
        p_values=dict.fromkeys(METRICS, 0.0312),
        overlap_at_10=0.7,
        queries=3,
        passages=30,
        per_query=frame,
    )
    return replace(made, **more)


def geometry(**more: Any) -> Geometry:
    made = Geometry(
        dense=SpaceMeasures(-3.2, 1.1, 130.0),
        pruned=SpaceMeasures(-2.4, 0.9, 120.5),
        neighbour_overlap_at_10=0.75,
        drift=Drift(0.25, 0.3, np.full(4, 0.25)),
    )
    return replace(made, **more)


def test_groups_of_queries_are_named_where_there_are_some() -> None:
    assert "draw 2 groups" in metrics_html(comparison(clusters=2), "Chemistry")
    assert "group" not in metrics_html(comparison(clusters=3), "Chemistry")


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((-0.2, 0.05), "no difference shown"),
        ((-0.2, 0.0), "no difference shown"),
        ((-0.2, -0.01), "worse"),
        ((0.01, 0.2), "better"),
        ((math.nan, math.nan), "one query shows nothing"),
    ],
)
def test_the_verdict_follows_the_interval(interval: tuple[float, float], verdict: str) -> None:
    html = metrics_html(comparison(intervals=dict.fromkeys(METRICS, interval)), "Chemistry")
    said = " ".join(Reader(html).said)
    assert said.count(verdict) == len(METRICS)
    assert sum(word in said for word in ("no difference shown", "worse", "better", "shows nothing")) == 1


def test_the_measures_of_both_models_are_said() -> None:
    said = re.sub(r"\s+", " ", " ".join(Reader(metrics_html(comparison(), "Chemistry")).said))
    assert "nDCG@10: dense 0.800, pruned 0.700" in said
    assert "−0.100" in said and "−0.200 to +0.050" in said and "87.5 %" in said and "0.031" in said
    assert "3 queries over 30 passages" in said


def test_left_out_queries_are_told() -> None:
    assert "left out" not in metrics_html(comparison(), "Chemistry")
    assert "2 queries without a relevant passage are left out" in metrics_html(comparison(excluded=2), "Chemistry")


def test_measures_of_nothing_do_not_divide_by_zero() -> None:
    zero = dict.fromkeys(METRICS, 0.0)
    html = metrics_html(comparison(dense=zero, pruned=zero, delta=zero, intervals=dict.fromkeys(METRICS, (0, 0))), "x")
    assert "nan" not in html and "inf" not in html
    unknown = dict.fromkeys(METRICS, math.nan)
    assert "nan" not in metrics_html(comparison(p_values=unknown, intervals={}), "x")


def test_the_title_of_a_task_cannot_bring_markup() -> None:
    assert "script" not in Reader(metrics_html(comparison(), HOSTILE)).tags
    assert "script" not in Reader(geometry_html(geometry(), HOSTILE)).tags


def test_the_table_of_measures_has_all_five() -> None:
    table = metrics_table(comparison()).set_index("Measure")
    assert list(table.index) == ["nDCG@10", "MRR@10", "Recall@10", "Recall@100", "MAP"]
    assert row_of(table, "MAP", ["Dense", "Pruned", "Difference", "p"]) == [0.8, 0.7, -0.1, "0.031"]


def test_bars_run_from_the_most_harmed_query_to_the_most_helped() -> None:
    figure = per_query_figure(comparison().per_query)
    (bars,) = traces(figure)
    assert list(bars.y) == [-0.6, 0.0, 0.3]
    assert bars.marker.color[0] == scales.PRUNED and bars.marker.color[2] == scales.KEPT
    words, link, _ = bars.customdata[0]
    assert "first" in words and "dense 1.000, pruned 0.400 nDCG@10" in words and link == ""
    (bars,) = traces(per_query_figure(comparison().per_query, source="chemistry"))
    words, link, source = bars.customdata[0]
    assert "click" in words and re.fullmatch(r"query=q\d", link) and source == "chemistry"
    assert "1 worse, 1 unchanged, 1 better" in str(figure.to_json())


def test_a_query_cannot_bring_markup_into_the_hover() -> None:
    text = str(per_query_figure(comparison().per_query).to_json())
    assert "<script" not in text and "<img" not in text and "alert" in text


def test_a_query_that_was_not_measured_is_left_out() -> None:
    frame = comparison().per_query
    frame.loc[0, "delta_ndcg_at_10"] = math.nan
    (bars,) = traces(per_query_figure(frame))
    assert list(bars.y) == [0.0, 0.3]
    assert not traces(per_query_figure(frame.iloc[:0]))
    assert layout_of(per_query_figure(frame.iloc[:0])).annotations[0].text


def test_the_table_of_queries_is_sorted_the_same_and_keeps_missing_ranks() -> None:
    table = per_query_table({"chemistry": comparison().per_query})
    assert table["Query"].tolist() == ["first", HOSTILE, "third"]
    assert table["Change"].tolist() == [-0.6, 0.0, 0.3]
    assert pd.isna(table["First hit, dense"].iloc[2]) and table["First hit, pruned"].iloc[2] == 7


def test_the_shape_of_the_space_is_said_with_differences() -> None:
    said = re.sub(r"\s+", " ", " ".join(Reader(geometry_html(geometry())).said))
    for part in ("0.250", "0.300", "75.0 %", "−3.200 −2.400 +0.800", "1.100 0.900 −0.200", "130.0 120.5 −9.5"):
        assert part in said


def test_the_table_of_the_shape_has_the_same_numbers() -> None:
    table = geometry_table(geometry()).set_index("Measure")
    assert row_of(table, "Effective rank", ["Dense", "Pruned", "Difference"]) == ["130.0", "120.5", "−9.5"]
    assert row_of(table, "Neighbours kept", ["Dense", "Pruned", "Difference"]) == ["-", "75.0 %", "-"]


def test_a_space_that_is_not_known_gives_dashes() -> None:
    unknown = SpaceMeasures(math.nan, math.nan, math.nan)
    html = geometry_html(geometry(pruned=unknown, drift=Drift(math.nan, math.nan, np.zeros(0))))
    assert "nan" not in html
    assert geometry_table(geometry(pruned=unknown))["Pruned"].tolist()[:3] == ["-", "-", "-"]
