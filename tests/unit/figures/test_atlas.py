"""The atlas: an accessible grid that is never wrong about its numbers."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.app.widgets.scripts import of_element
from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.metrics import METRICS
from gaprune_viz.figures.weights.atlas import SCALES, atlas_table, heatmap_html

VOID = {"br", "img", "input", "hr", "meta", "link"}


class Nodes(HTMLParser):
    """All elements of a piece of HTML, and whether every one is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def with_role(self, role: str) -> list[dict[str, str]]:
        return [attrs for _, attrs in self.found if attrs.get("role") == role]

    def cells(self) -> list[dict[str, str]]:
        return [attrs for attrs in self.with_role("gridcell") if "data-name" in attrs]


def table(layers: int = 3, roles: tuple[str, ...] = ("down", "query", "up"), seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = [
        {"name": f"l{layer}.{role}.weight", "layer": layer, "role": role} for layer in range(layers) for role in roles
    ]
    frame = pd.DataFrame(rows).assign(rows=1536, columns=384, size=1536 * 384)
    for key, metric in METRICS.items():
        low, high = {"fraction": (0.0, 1.0), "diverging": (-0.4, 0.2)}.get(metric.kind, (1e-6, 1e-3))
        frame[key] = rng.uniform(low, high, len(frame))
    return frame


def colors_of(cell: dict[str, str]) -> tuple[str, str]:
    found = re.fullmatch(r"background-color:(#[0-9a-f]{6});color:(#[0-9a-f]{6})", cell["style"])
    assert found
    return found[1], found[2]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scale", SCALES)
def test_the_grid_is_whole(metric: str, scale: str) -> None:
    nodes = Nodes(heatmap_html(table(), metric, selected="l1.up.weight", scale=scale))
    assert nodes.open == []
    assert len(nodes.with_role("grid")) == 1
    assert len(nodes.with_role("row")) == 4
    assert len(nodes.with_role("rowheader")) == 3
    assert [header.get("aria-label") for header in nodes.with_role("columnheader")] == [
        None,
        "Layer 0",
        "Layer 1",
        "Layer 2",
    ]
    cells = nodes.cells()
    assert [cell["data-name"] for cell in cells if cell["tabindex"] == "0"] == ["l1.up.weight"]
    assert [cell["data-name"] for cell in cells if cell["aria-selected"] == "true"] == ["l1.up.weight"]
    assert len({cell["aria-label"] for cell in cells}) == len(cells) == 9


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scale", SCALES)
def test_text_can_be_read_on_every_cell(metric: str, scale: str) -> None:
    frame = table(24, ("query", "key", "value", "up", "down"))
    frame.loc[3, metric] = math.nan
    for cell in Nodes(heatmap_html(frame, metric, scale=scale)).cells():
        assert scales.contrast(*colors_of(cell)) >= 4.5


@given(st.floats(0, 1))
def test_text_can_be_read_on_every_color(place: float) -> None:
    for stops in (scales.SEQUENTIAL, scales.DIVERGING, scales.FRACTION):
        color = scales.Scale(stops, 0.0, 1.0).at(place)
        assert scales.contrast(color, scales.text_on(color)) >= 4.5


def test_rows_follow_the_roles_of_a_block_and_columns_the_layers() -> None:
    frame = table(12).sample(frac=1, random_state=3)
    names = [cell["data-name"] for cell in Nodes(heatmap_html(frame, "pruned_fraction")).cells()]
    assert names == [f"l{layer}.{role}.weight" for role in ("query", "up", "down") for layer in range(12)]


def test_a_cell_says_what_it_shows() -> None:
    frame = table().assign(pruned_fraction=0.52, fisher_domain_mean=8.3e-7, alignment_cosine=-0.065)
    first = {metric: Nodes(heatmap_html(frame, metric)).cells()[0]["aria-label"] for metric in METRICS}
    assert first["pruned_fraction"] == "Layer 0, Query: pruned fraction 52.0 % of the weights"
    assert (
        first["fisher_domain_mean"] == "Layer 0, Query: Fisher, domain 8.3 × 10⁻⁷ (squared gradient), shown as 8.3e−7"
    )
    assert first["alignment_cosine"] == "Layer 0, Query: alignment cosine −0.065, shown as −0.07"


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (1e-9, "&lt;1"), (0.999999, "&gt;99"), (1.0, "100"), (0.52, "52")]
)
def test_a_share_in_a_cell_is_nothing_or_all_only_where_it_is(value: float, text: str) -> None:
    html = heatmap_html(table(1, ("up",)).assign(pruned_fraction=value), "pruned_fraction")
    assert f"<span>{text}<i>%</i></span>" in html


def test_names_and_labels_are_escaped() -> None:
    evil = '"><img src=x onerror=alert(1)>'
    frame = table(1, ("up", "down"))
    frame.loc[0, ["name", "role"]] = [evil, evil]
    html = heatmap_html(frame, "score_mean", selected=evil, score_label="<b>x</b>")
    nodes = Nodes(html)
    assert {tag for tag, _ in nodes.found} == {"div", "p", "b", "span", "i"}
    assert evil in {cell["data-name"] for cell in nodes.cells()}
    assert "Mean <b>x" not in html


def test_a_missing_matrix_leaves_a_place_that_cannot_be_chosen() -> None:
    frame = table().query("name != 'l1.query.weight'")
    nodes = Nodes(heatmap_html(frame, "pruned_fraction"))
    assert len(nodes.cells()) == 8
    missing = [attrs for attrs in nodes.with_role("gridcell") if "data-name" not in attrs]
    assert [attrs["aria-label"] for attrs in missing] == ["Layer 1, Query: no such matrix"]
    assert "tabindex" not in missing[0]


def test_experts_are_averaged_by_size_and_the_first_is_selected() -> None:
    frame = pd.DataFrame(
        {
            "name": ["experts.0", "experts.1", "experts.2"],
            "layer": 0,
            "role": "up",
            "size": [100, 300, 50],
            "pruned_fraction": [0.2, 0.6, math.nan],
        }
    )
    (cell,) = Nodes(heatmap_html(frame, "pruned_fraction", selected="experts.1")).cells()
    assert cell["data-name"] == "experts.0"
    assert cell["aria-selected"] == "true"
    assert cell["aria-label"] == "Layer 0, Up: pruned fraction 50.0 % of the weights, mean of 3 matrices"


def test_what_is_not_known_is_grey_and_says_so() -> None:
    frame = table()
    frame.loc[0, "fisher_domain_mean"] = math.nan
    frame.loc[1, "fisher_domain_mean"] = 0.0
    cells = {cell["data-name"]: cell for cell in Nodes(heatmap_html(frame, "fisher_domain_mean")).cells()}
    grey = scales.Scale(scales.SEQUENTIAL, 0, 1).at(math.nan)
    assert colors_of(cells["l0.down.weight"])[0] == colors_of(cells["l0.query.weight"])[0] == grey
    assert "not known" in cells["l0.down.weight"]["aria-label"]
    assert "Fisher, domain 0 (" in cells["l0.query.weight"]["aria-label"]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scale", SCALES)
def test_one_matrix_and_nothing_known_are_drawn(metric: str, scale: str) -> None:
    one = table(1, ("up",))
    assert len(Nodes(heatmap_html(one, metric, scale=scale)).cells()) == 1
    unknown = Nodes(heatmap_html(one.assign(**{metric: math.nan}), metric, scale=scale)).cells()
    assert "not known" in unknown[0]["aria-label"]


@pytest.mark.parametrize("metric", [key for key, metric in METRICS.items() if metric.kind == "diverging"])
def test_a_diverging_scale_is_symmetric(metric: str) -> None:
    frame = table(1, ("query", "up", "down")).assign(**{metric: [-0.4, 0.0, 0.1]})
    cells = {cell["data-name"]: colors_of(cell)[0] for cell in Nodes(heatmap_html(frame, metric)).cells()}
    assert cells["l0.query.weight"] == scales.DIVERGING[0]
    assert cells["l0.up.weight"] == scales.DIVERGING[len(scales.DIVERGING) // 2]
    ticks = re.search(r'<div class="gv-ticks[^"]*">(.*?)</div>', heatmap_html(frame, metric))
    assert ticks and re.findall(r"<span>(.*?)</span>", ticks[1]) == ["−0.40", "−0.20", "0.00", "+0.20", "+0.40"]


def test_a_log_scale_shows_real_values_at_its_ticks() -> None:
    frame = table(1, ("query", "up")).assign(fisher_domain_mean=[1e-6, 1e-4])
    html = heatmap_html(frame, "fisher_domain_mean")
    assert "<span>1.0 × 10⁻⁶</span>" in html and "<span>1.0 × 10⁻⁵</span>" in html
    assert "log scale" in html and "log scale" not in heatmap_html(frame, "fisher_domain_mean", scale="linear")


def test_a_log_scale_falls_back_where_a_value_forbids_it() -> None:
    frame = table().assign(score_mean=np.linspace(-1, 1, 9))
    assert "log scale" not in heatmap_html(frame, "score_mean", scale="log")
    assert "log scale" in heatmap_html(frame.assign(score_mean=np.linspace(1, 2, 9)), "score_mean", scale="log")


def test_ranks_are_within_a_role_and_ties_share_one() -> None:
    frame = (
        table(4, ("up", "down")).sort_values(["role", "layer"]).assign(score_mean=[9, 1, 5, 5, 0.1, 0.2, 0.3, math.nan])
    )
    cells = Nodes(heatmap_html(frame, "score_mean", scale="rank")).cells()
    ranks = [re.search(r"rank ([\d.]+) in its role", cell["aria-label"]) for cell in cells]
    assert [found and float(found[1]) for found in ranks] == [0.0, 0.5, 1.0, None, 1.0, 0.0, 0.5, 0.5]


def test_a_selection_that_is_gone_selects_nothing() -> None:
    cells = Nodes(heatmap_html(table(), "pruned_fraction", selected="another model")).cells()
    assert {cell["aria-selected"] for cell in cells} == {"false"}
    assert [cell["tabindex"] for cell in cells].count("0") == 1


def test_the_score_has_the_name_of_its_criterion() -> None:
    assert "Mean Wanda" in heatmap_html(table(), "score_mean", score_label="Wanda")
    assert "Mean Wanda" in atlas_table(table(), "Wanda").columns


def test_no_such_metric_or_scale() -> None:
    with pytest.raises(KeyError):
        heatmap_html(table(), "nothing")
    with pytest.raises(KeyError):
        heatmap_html(table().drop(columns="score_mean"), "score_mean")
    with pytest.raises(ValueError, match="sideways"):
        heatmap_html(table(), "score_mean", scale="sideways")


def test_many_layers_are_marked_for_narrow_screens() -> None:
    assert "gv-hm-many" not in heatmap_html(table(12), "pruned_fraction")
    html = heatmap_html(table(48), "pruned_fraction")
    assert "gv-hm-many" in html and "--gv-n:48" in html
    assert html.count("gv-hm-minor") == 36


def test_the_table_holds_the_same_numbers() -> None:
    frame = table().assign(fisher_domain_mean=1.23456e-7).drop(columns="sign_agreement")
    tidy = atlas_table(frame)
    assert list(tidy.columns[:4]) == ["Layer", "Role", "Rows", "Columns"] and tidy.columns[-1] == "Name"
    assert tidy["Fisher, domain"].iloc[0] == 1.235e-7
    assert "Sign agreement" not in tidy
    assert len(tidy) == len(frame)


def test_the_script_names_the_event_that_python_listens_to() -> None:
    assert "trigger('select', data)" in of_element("heatmap")
    assert "innerHTML" not in of_element("heatmap")
