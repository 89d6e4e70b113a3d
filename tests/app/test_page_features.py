"""Pins, the inside of a matrix, kinds of weights, runs, live formula, tour: the parts that follow one selection."""

from __future__ import annotations

import base64
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr
import numpy as np
import pytest
import torch

from gaprune_viz.app import compare_handlers, inside_handlers, runs_handlers, views
from gaprune_viz.app.access import visitor
from gaprune_viz.app.page import Page
from gaprune_viz.app.runs import runs_table
from gaprune_viz.app.scripts import head
from gaprune_viz.app.store import DEMO, STORE
from gaprune_viz.app.tabs.compare import difference_of
from gaprune_viz.app.tabs.learn import live_formula
from gaprune_viz.app.tour import STEPS
from gaprune_viz.app.tuning import values_of
from gaprune_viz.app.url import matrix_at, settings_of, view_of
from gaprune_viz.config import MaskSpec, Settings
from gaprune_viz.core import inspection
from gaprune_viz.core.example import closest_call
from gaprune_viz.core.kinds import kinds_of
from gaprune_viz.errors import GapruneError
from gaprune_viz.figures.inside import neurons_html
from gaprune_viz.history import delete_run, kept_runs, label_run
from gaprune_viz.presets import PRESETS
from gaprune_viz.sweep import CELL_FOLDER, CELL_FORMAT, collapses
from gaprune_viz.workspace import workspace

VIEW = views.View().model_dump()
REQUEST = SimpleNamespace(session_hash="test")
BALANCED = PRESETS["balanced"].settings


def event(**data: object) -> Any:
    return SimpleNamespace(_data=data, index=data.get("index"))


def changes(steps: Any) -> dict[Any, Any]:
    merged: dict[Any, Any] = {}
    for step in steps:
        merged.update(step)
    return merged


def test_pins_stand_side_by_side_and_go_again() -> None:
    pins, board, *_ = compare_handlers.pin(VIEW, [], "pruned_fraction", *values_of(Settings()))
    pins, board, one, _ = compare_handlers.pin(VIEW, pins, "pruned_fraction", *values_of(BALANCED))
    assert board.count("<figure>") == 2
    live = STORE.analysis(DEMO).live
    shared = live.common(Settings(), BALANCED)
    assert 0.3 < shared < 0.95
    assert f"{100 * shared:.1f} %" in board
    assert ("B: Balanced", "pin:1") in one["choices"]
    assert live.common(BALANCED, BALANCED) == 1
    query = re.findall(r'data-query="([^"]*)"', board)[1].replace("&amp;", "&")
    assert settings_of(dict(parse_qsl(query))) == BALANCED
    pins, board, *_ = compare_handlers.drop(event(drop=0), pins, "pruned_fraction")
    assert len(pins) == 1
    for forged in (9, -1, "x", None):
        assert compare_handlers.drop(event(drop=forged), pins, "pruned_fraction") == [gr.skip()] * 4


def test_four_pins_are_the_most_and_none_is_pinned_twice() -> None:
    pins: list[Any] = []
    for sparsity in (0.1, 0.2, 0.3, 0.4):
        settings = Settings(mask=MaskSpec(sparsity=sparsity))
        pins = compare_handlers.pin(VIEW, pins, "pruned_fraction", *values_of(settings))[0]
    assert compare_handlers.pin(VIEW, pins, "pruned_fraction", *values_of(BALANCED)) == [gr.skip()] * 4
    assert (
        compare_handlers.pin(VIEW, pins[:1], "pruned_fraction", *values_of(Settings(mask=MaskSpec(sparsity=0.1))))
        == [gr.skip()] * 4
    )


def test_the_difference_is_the_difference() -> None:
    html, table = difference_of([], "preset:paper", "now", "pruned_fraction", views.View(), BALANCED)
    a, b = (
        views.live(views.View(), s).table.set_index(["layer", "role"])["pruned_fraction"]
        for s in (Settings(), BALANCED)
    )
    first = table.iloc[0]
    role = {label: key for key, label in views.ROLE_LABELS.items()}[first["Role"]]
    assert first["Difference"] == pytest.approx(float((b - a)[first["Layer"], role]), rel=1e-3)
    assert table["Difference"].abs().is_monotonic_decreasing
    assert "minus Paper" in html
    with pytest.raises(GapruneError, match="gone"):
        difference_of([], "pin:3", "now", "pruned_fraction", views.View(), BALANCED)


def test_a_look_inside_is_exact_down_to_single_weights(page: Page, tiny_analysis: Path) -> None:
    name = visitor().admit(tiny_analysis)
    analysis = STORE.analysis(name)
    info = analysis.statistics.matrices[1]
    view = {**VIEW, "analysis": name, "selected": info.name}
    asked = ["score", "rows", None, *values_of(BALANCED)]
    out = changes(inside_handlers.look(page)(REQUEST, view, *asked))
    scope, _ = STORE.scope(analysis)
    scores = scope.scores(info.name, BALANCED.score).numpy()
    picture = out[page.inside.picture]
    values = np.frombuffer(base64.b64decode(re.search(r'data-values="([^"]*)"', picture)[1]), "<f4")  # type: ignore[index]
    assert values.mean() == pytest.approx(scores.mean(), rel=1e-4)
    table = out[page.inside.extremes]
    least, most = table.iloc[0], table[table["Importance"] == "most"].iloc[0]
    assert scores[least["Row"], least["Column"]] == scores.min()
    assert scores[most["Row"], most["Column"]] == scores.max()
    state = out[page.inside.window]
    for _ in range(6):
        work = inside_handlers.click(page)(
            event(act="zoom", row=3, column=5), REQUEST, view, "score", "rows", state, *values_of(BALANCED)
        )
        out = changes(work)
        state = out[page.inside.window]
        if 'data-exact="1"' in out[page.inside.picture]:
            break
    assert 'data-exact="1"' in out[page.inside.picture]
    values = np.frombuffer(base64.b64decode(re.search(r'data-values="([^"]*)"', out[page.inside.picture])[1]), "<f4")  # type: ignore[index]
    part = scores[state["top"] : state["bottom"], state["left"] : state["right"]]
    np.testing.assert_allclose(values.reshape(part.shape), part, rtol=1e-6)
    clicked = inside_handlers.click(page)(
        event(act="weight", row=3, column=5), REQUEST, view, "score", "rows", state, *values_of(BALANCED)
    )
    assert f"{info.name}[3,5]" in changes(clicked)[page.inside.weight.card]
    assert changes(inside_handlers.click(page)(event(act="zoom", row="x"), REQUEST, view, *asked)) == {}


def test_blocks_are_means_and_zooming_stays_inside() -> None:
    import torch

    values = torch.arange(60, dtype=torch.float32).reshape(6, 10)
    values[0, 0] = torch.nan
    grid = inspection.blocks(values, inspection.whole((6, 10)), 3, 5)
    assert grid.values.shape == (3, 5)
    assert grid.values[0, 0] == pytest.approx((1 + 10 + 11) / 3)
    assert not grid.exact
    window = inspection.whole((1536, 384))
    for _ in range(5):
        window = inspection.zoomed(window, 1535, 0, (1536, 384), (12, 24))
        assert (window.bottom, window.left) == (1536, 0)
    assert window.shape == (12, 24)
    assert inspection.blocks(torch.rand(1536, 384), window, 40, 96).exact
    for _ in range(5):
        window = inspection.widened(window, (1536, 384))
    assert window == inspection.whole((1536, 384))


def test_heads_are_rows_of_a_query_and_columns_of_the_output() -> None:
    import torch

    values = torch.arange(8 * 4, dtype=torch.float32).reshape(8, 4)
    assert inspection.unit_means(values, "query", 4)["heads"].tolist() == [7.5, 23.5]
    assert inspection.unit_means(values, "attention_output", 2)["heads"].tolist() == [14.5, 16.5]
    assert "heads" not in inspection.unit_means(values, "up", 4)
    assert inspection.head_size_of(SimpleNamespace(hidden_size=384, num_attention_heads=12)) == 32


def test_the_four_kinds_add_up() -> None:
    live = STORE.analysis(DEMO).live
    preview = live.preview(BALANCED)
    kinds = kinds_of(live, preview)
    shares = [share for share, _ in kinds.quadrants.values()]
    assert sum(shares) == pytest.approx(1)
    assert sum(share * gone for share, gone in kinds.quadrants.values()) == pytest.approx(0.5, abs=0.02)
    one = kinds_of(live, preview, 3)
    assert one.counts.sum() == pytest.approx(live.sizes[3], rel=0.01)


def test_the_worked_formula_has_the_numbers_of_its_weight() -> None:
    now = views.live(views.View(), BALANCED)
    live, preview = now.analysis.live, now.preview
    weight = closest_call(live, preview, 0)
    score, kappa = BALANCED.score, preview.kappa
    power = score.fisher_power
    fisher = kappa * (weight.fisher_domain**power - score.beta * weight.fisher_general**power) * weight.theta
    expected = (fisher + score.gamma * weight.theta**0.5) * (1 + score.alpha * weight.alignment)
    assert weight.score == pytest.approx(expected, rel=1e-4)
    assert abs(weight.score - weight.threshold) < 0.02 * abs(weight.threshold)
    text = live_formula(now, views.View())
    assert r"\underbrace{0.200}_{\alpha}" in text
    assert ("kept" in text) != ("pruned**" in text)


def test_every_step_of_the_tour_is_a_state_of_the_page(page: Page) -> None:
    assert len(STEPS) == 8
    matrices = STORE.analysis(DEMO).statistics.matrices
    tabs = {str(tab.id) for tab in page.tabs}
    for step in STEPS:
        params = dict(parse_qsl(step.query))
        settings_of(params)
        assert view_of(params, views.View()).metric == params.get("metric", "pruned_fraction")
        assert params["tab"] in tabs
        assert not params.get("at") or matrix_at(params["at"], matrices)
    assert head().count("</script>") == 1


def test_runs_are_listed_named_and_deleted(tiny_analysis: Path) -> None:
    place = workspace() / "analysis-00000000000000aa"
    shutil.copytree(tiny_analysis, place)
    assert any(run.id == place.name and not run.name for run in kept_runs())
    said, *_ = runs_handlers.save(place.name, "  My   run ", "seed 3\nsmall")
    assert "Saved" in said
    run = next(run for run in kept_runs() if run.id == place.name)
    assert (run.name, run.note, run.bytes > 1000) == ("My run", "seed 3\nsmall", True)
    assert runs_handlers.chosen(place.name) == ["My run", "seed 3\nsmall"]
    assert runs_handlers.opened(None, {"analysis": place.name})[2:] == ["My run", "seed 3\nsmall"]
    row = next(line for line in runs_table().to_numpy().tolist() if line[0] == "My run")
    assert runs_handlers.clicked(SimpleNamespace(row_value=row))[0] == place.name  # type: ignore[arg-type]
    assert runs_handlers.clicked(SimpleNamespace(row_value=["x"])) == [gr.skip()] * 3  # type: ignore[arg-type]
    assert "on screen" in runs_handlers.delete(place.name, {"analysis": place.name})[0]
    assert place.is_dir()
    assert runs_handlers.delete(None, VIEW) == [gr.skip()] * 3
    assert "Deleted" in runs_handlers.delete(place.name, VIEW)[0]
    assert not place.exists()
    with pytest.raises(GapruneError, match="not an analysis"):
        delete_run(tiny_analysis)
    with pytest.raises(GapruneError, match="too long"):
        label_run(tiny_analysis, "x" * 100, "")
    assert json.loads((tiny_analysis / "spec.json").read_text())["format"]


def test_where_retrieval_collapses_is_read_from_the_sweeps(tiny_analysis: Path, tmp_path: Path) -> None:
    folder = tmp_path / "analysis"
    shutil.copytree(tiny_analysis, folder)
    shutil.rmtree(folder / CELL_FOLDER, ignore_errors=True)
    assert collapses(folder, BALANCED) == []
    for sparsity, kept in ((0.3, 1.0), (0.5, 0.9), (0.7, 0.7)):
        _write_cell(folder, Settings(score=BALANCED.score, mask=MaskSpec(sparsity=sparsity)), kept)
    _write_cell(folder, Settings(mask=MaskSpec(sparsity=0.4)), 0.1)
    (folder / CELL_FOLDER / "altered.json").write_text(
        '{"format": 3, "settings": {"mask": 5}, "numbers": {}, "task": 1}'
    )
    (curve,) = collapses(folder, BALANCED)
    assert [kept for _, kept in curve.points] == pytest.approx([1.0, 0.9, 0.7])
    assert curve.below == {0.95: pytest.approx(0.4), 0.8: pytest.approx(0.6)}
    name = visitor().admit(folder)
    headline = views.headline_html(views.live(views.View(analysis=name), BALANCED))
    assert "--gv-break:0.4000" in headline
    assert "keeps 95 % up to 40 % and 80 % up to 60 % sparsity" in headline


def _write_cell(folder: Path, settings: Settings, kept: float) -> None:
    numbers = {"ndcg_at_10": 0.5 * kept, "dense_ndcg_at_10": 0.5}
    document = {
        "format": CELL_FORMAT,
        "settings": settings.model_dump(mode="json"),
        "task": "chemistry",
        "numbers": numbers,
    }
    (folder / CELL_FOLDER).mkdir(exist_ok=True)
    (folder / CELL_FOLDER / f"{settings.key()}.json").write_text(json.dumps(document), encoding="utf-8")


def test_silent_neurons_are_counted_layer_by_layer(tiny_analysis: Path) -> None:
    matrices = STORE.analysis(visitor().admit(tiny_analysis)).statistics.matrices
    masks = {m.name: torch.ones(m.rows, m.columns, dtype=torch.bool) for m in matrices}
    downs = [m for m in matrices if m.role == "down"]
    assert "exactly: none." in neurons_html(inspection.silent_neurons(masks, matrices))
    for place, info in enumerate(downs):
        masks[info.name][:, : 2 + place] = False
    found = inspection.silent_neurons(masks, matrices)
    assert found == {info.layer: 2 + place for place, info in enumerate(downs)}
    last = downs[-1].layer
    assert f"2 in every layer; most in layer {last}: {found[last]}." in neurons_html(found)
    assert neurons_html({}) == ""
