"""Numbers as text, colours, the style sheet, and every plotly figure on ordinary, thin and missing data."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.app.widgets import style
from gaprune_viz.figures.kit import formatting, frame, scales
from gaprune_viz.figures.kit.metrics import METRICS, scale_of
from gaprune_viz.figures.retrieval.per_query import per_query_figure
from gaprune_viz.figures.weights import distributions
from gaprune_viz.storage.paths import assets

FRACTIONS = st.floats(min_value=0, max_value=1, allow_nan=False)
SHEET = style.style_sheet()
MARKS = {
    name: getattr(scales, name)
    for name in ("DENSE", "PRUNED", "KEPT", "REMOVED", "DOMAIN", "GENERAL", "THRESHOLD", "OTHER_TERM")
} | scales.TERMS


# Numbers


@given(FRACTIONS)
def test_percent_is_0_or_100_only_where_that_is_true(x: float) -> None:
    text = formatting.percent(x)
    if 0 < x < 1 - formatting.EXACT:
        assert "100" not in text and not re.fullmatch(r"0(\.0+)? %", text)
    value = float(re.sub(r"[<>% ]", "", text)) / 100
    assert value == pytest.approx(x, abs=5.1e-4)


@given(FRACTIONS)
def test_share_never_rounds_to_all_or_nothing(x: float) -> None:
    # What is nearer to 1 than rounding errors reach counts as 1.
    if 0 < x < 1 - formatting.EXACT:
        assert not re.search(r"\b100(\.0+)? %", formatting.share(x)) and not formatting.share(x).startswith("0 ")


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.5, "50.0 %"),
        (0.99996, "> 99.99 %"),
        (0.9999, "99.99 %"),
        (1.0, "100 %"),
        (0.0, "0 %"),
        (-1e-7, "> −0.01 %"),
        (1.000001, "> 100 %"),
        (-1.00000001, "< −100 %"),
        (1.25, "125.0 %"),
        (math.nan, "-"),
        (math.inf, "-"),
    ],
)
def test_percent(x: float, text: str) -> None:
    assert formatting.percent(x) == text


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.99996, "99.996 %"),
        (1e-6, "0.0001 %"),
        (-1e-6, "−0.0001 %"),
        (1e-12, "1.0 × 10⁻¹⁰ %"),
        (0.9999999999, "> 99.999999 %"),
        (1.0000001, "100.00001 %"),
    ],
)
def test_share_has_the_digits_it_needs(x: float, text: str) -> None:
    assert formatting.share(x) == text


@given(st.floats(min_value=1, max_value=9.9e14))
def test_count_has_three_figures_and_the_right_size(n: float) -> None:
    text = formatting.count(n)
    if n < 10_000:
        assert text == f"{round(n):,}"
        return
    mantissa, unit = text.split()
    assert 1 <= float(mantissa) < 1_000 and len(mantissa.replace(".", "")) == 3
    assert float(mantissa) * {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[unit] == pytest.approx(n, rel=5.1e-3)


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_number_reads_back(x: float) -> None:
    text = formatting.number(x).replace(",", "")
    powers = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
    value = float(text.replace(" × 10", "e").translate(powers))
    assert value == pytest.approx(x, rel=0.051)
    assert formatting.number(-x) == formatting.MINUS + formatting.number(x)


def test_signed_and_p_values() -> None:
    assert [formatting.signed(v) for v in (0.0362, -0.012, 0.0, -0.0001, math.nan)] == [
        "+0.036",
        "−0.012",
        "0.000",
        "0.000",
        "-",
    ]
    assert [formatting.p_value(v) for v in (0.0, 0.00099, 0.001, 1.0)] == ["< 0.001", "< 0.001", "0.001", "1.000"]


def test_long_names_keep_both_ends() -> None:
    name = "model.layers.31.mlp." + "x" * 60 + ".gate_proj.weight"
    short = formatting.shortened(name, 44)
    assert len(short) == 44 and short.startswith("model.layers.31") and short.endswith("proj.weight")


# Colours


@pytest.mark.parametrize("colors", [scales.SEQUENTIAL, scales.DIVERGING, scales.FRACTION])
def test_text_on_every_colour_of_a_scale_passes_aa(colors: tuple[str, ...]) -> None:
    scale = scales.Scale(colors, 0.0, 1.0)
    for value in np.linspace(0, 1, 501):
        color = scale.at(float(value))
        assert scales.contrast(color, scales.text_on(color)) >= 4.5
    assert scales.contrast(scale.at(math.nan), scales.text_on(scale.at(math.nan))) >= 4.5


def test_scales_hold_their_ends() -> None:
    scale = scales.Scale(scales.SEQUENTIAL, -1.0, 3.0)
    assert (scale.at(-9), scale.at(9)) == (scales.SEQUENTIAL[0], scales.SEQUENTIAL[-1])
    assert scale.at(-1) == scales.SEQUENTIAL[0] and scale.ticks(3) == [-1.0, 1.0, 3.0]


def test_sequential_scale_is_even_in_lightness() -> None:
    scale = scales.Scale(scales.SEQUENTIAL, 0.0, 1.0)
    light = [scales.luminance(scale.at(v)) ** (1 / 3) for v in np.linspace(0, 1, 40)]
    steps = np.diff(light)
    assert (steps > 0).all() and steps.max() < 4 * steps.mean()


@pytest.mark.parametrize("key", [key for key, metric in METRICS.items() if metric.kind == "diverging"])
def test_diverging_legends_are_symmetric(key: str) -> None:
    scale, _ = scale_of(METRICS[key], [-0.1, 0.4, math.nan])
    assert (scale.low, scale.high) == (-0.4, 0.4)
    assert scale_of(METRICS[key], [])[0].low == -scale_of(METRICS[key], [])[0].high


def token(name: str, dark: bool) -> str:
    """A colour of the style sheet."""
    block = re.search(r"\n\.dark \{(.*?)\n\}", SHEET, re.S) if dark else re.search(r"\n:root \{(.*?)\n\}", SHEET, re.S)
    assert block is not None
    found = re.search(rf"--gv-{name}: (#[0-9a-f]{{6}});", block.group(1))
    assert found is not None, name
    return found.group(1)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_of_the_page_passes_aa(dark: bool) -> None:
    for ground in ("page", "surface", "sunken"):
        for ink in ("ink", "ink-2", "ink-3", "accent"):
            assert scales.contrast(token(ink, dark), token(ground, dark)) >= 4.5, (ink, ground)
    for tone in ("good", "bad", "error"):
        assert scales.contrast(token(tone, dark), token(f"{tone}-soft", dark)) >= 4.5, tone
        assert scales.contrast(token(tone, dark), token("surface", dark)) >= 4.5, tone
    assert scales.contrast(token("on-accent", dark), token("accent", dark)) >= 4.5
    assert scales.contrast(token("ink", dark), token("accent-soft", dark)) >= 4.5
    assert scales.contrast(token("line-strong", dark), token("surface", dark)) >= 3


@pytest.mark.parametrize("name", MARKS)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_marks_can_be_told_from_both_grounds(name: str, dark: bool) -> None:
    assert scales.contrast(MARKS[name], token("surface", dark)) >= 3.8


def test_text_of_exported_pictures_passes_aa_on_white() -> None:
    assert scales.contrast(scales.INK, "#ffffff") >= 4.5
    assert scales.contrast(scales.HOVER_INK, scales.HOVER_GROUND) >= 4.5


# The style sheet


def test_every_sheet_has_its_place_in_the_cascade() -> None:
    assert sorted(style.SHEETS) == sorted(file.stem for file in (assets() / "css").glob("*.css"))


def test_the_style_sheet_needs_no_network() -> None:
    assert not re.search(r"url\(|@import|@font-face|https?:", SHEET)


def test_the_style_sheet_is_balanced_and_uses_known_variables() -> None:
    bare = re.sub(r"/\*.*?\*/", "", SHEET, flags=re.S)
    assert bare.count("{") == bare.count("}")
    defined = set(re.findall(r"(--gv-[a-z0-9-]+)\s*:", bare))
    inline = {"--gv-n", "--gv-side"}
    used = set(re.findall(r"var\((--gv-[a-z0-9-]+)\)", bare))
    assert used <= defined | inline
    for name, color in style.COLORS.items():
        assert f"--gv-c-{name}:{color};" in style.variables()


def test_reduced_motion_is_respected() -> None:
    assert "prefers-reduced-motion: reduce" in SHEET and ":focus-visible" in SHEET


def test_head_is_one_style_element() -> None:
    head = style.head()
    assert head.startswith("<style>") and head.endswith("</style>") and head.count("<") == 2 + SHEET.count("<")


# Figures


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
        frame.framed(200, "<i>a</i>", "<a href='x'>b</a>"),
        frame.empty("<i>a</i>", "<a href='x'>b</a>"),
        distributions.matrix_detail(histograms(1), 0, "<a href='x'>b</a>"),
        per_query_figure(per_query([0.1]).assign(query="<a href='x'>b</a>")),
    ],
)
def test_text_in_figures_is_escaped(figure: go.Figure) -> None:
    document = figure.to_plotly_json()
    assert "<i>a" not in str(document) and "<a href" not in str(document)
    assert "&lt;a href" in str(document)


def test_log_ticks_are_whole_powers_and_few() -> None:
    ticks = frame.log_ticks(-9.4, 2.2, most=6)
    assert ticks["tickvals"] == [-9, -7, -5, -3, -1, 1] and ticks["ticktext"][0] == "10⁻⁹"
