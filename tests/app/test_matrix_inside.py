"""The inside of a matrix: single weights, blocks, heads, silent neurons, four kinds of weights, the worked formula."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from gaprune_viz.app.page import Page
from gaprune_viz.app.session.access import DEMO, visitor
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import Shown, View
from gaprune_viz.app.tabs.learn.view import live_formula
from gaprune_viz.app.tabs.matrix.events import MatrixEvents
from gaprune_viz.config.presets import PRESETS
from gaprune_viz.figures.weights.matrix_window import neurons_html
from gaprune_viz.jobs.works.memory_cache import KEPT
from gaprune_viz.sketch import inspection
from gaprune_viz.sketch.example import closest_call
from gaprune_viz.sketch.weight_kinds import kinds_of
from tests.app.conftest import Held, event, merged

REQUEST: Any = SimpleNamespace(session_hash="test")
BALANCED = PRESETS["balanced"].settings


def test_a_look_inside_is_exact_down_to_single_weights(page: Page, held: Held, tiny_analysis: Path) -> None:
    name, tab = visitor().admit(tiny_analysis), page.tabs["inside"].parts
    analysis, inside = STORE.analysis(name), MatrixEvents(tab, page.frame)
    info = analysis.statistics.matrices[1]

    def asked(state: Any) -> dict[Any, Any]:
        others = {tab.what: "score", tab.side: "rows", tab.window: state}
        return held(view=View(analysis=name, selected=info.name), settings=BALANCED, others=others)

    out = merged(inside.look(asked(None), REQUEST))
    scope, _ = KEPT.scope(analysis)
    scores = scope.scores(info.name, BALANCED.score).numpy()
    picture = out[tab.picture]
    values = np.frombuffer(base64.b64decode(re.search(r'data-values="([^"]*)"', picture)[1]), "<f4")  # type: ignore[index]
    assert values.mean() == pytest.approx(scores.mean(), rel=1e-4)
    table = out[tab.extremes]
    least, most = table.iloc[0], table[table["Importance"] == "most"].iloc[0]
    assert scores[least["Row"], least["Column"]] == scores.min()
    assert scores[most["Row"], most["Column"]] == scores.max()
    state = out[tab.window]
    for _ in range(6):
        out = merged(inside.click(asked(state), event(act="zoom", row=3, column=5), REQUEST))
        state = out[tab.window]
        if 'data-exact="1"' in out[tab.picture]:
            break
    assert 'data-exact="1"' in out[tab.picture]
    values = np.frombuffer(base64.b64decode(re.search(r'data-values="([^"]*)"', out[tab.picture])[1]), "<f4")  # type: ignore[index]
    part = scores[state["top"] : state["bottom"], state["left"] : state["right"]]
    np.testing.assert_allclose(values.reshape(part.shape), part, rtol=1e-6)
    clicked = inside.click(asked(state), event(act="weight", row=3, column=5), REQUEST)
    assert f"{info.name}[3,5]" in merged(clicked)[tab.weight.card]
    assert merged(inside.click(asked(None), event(act="zoom", row="x"), REQUEST)) == {}


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
    shown = Shown(View(), BALANCED)
    live, preview = shown.now.analysis.live, shown.now.preview
    weight = closest_call(live, preview, 0)
    score, kappa = BALANCED.score, preview.kappa
    power = score.fisher_power
    fisher = kappa * (weight.fisher_domain**power - score.beta * weight.fisher_general**power) * weight.theta
    expected = (fisher + score.gamma * weight.theta**0.5) * (1 + score.alpha * weight.alignment)
    assert weight.score == pytest.approx(expected, rel=1e-4)
    assert abs(weight.score - weight.threshold) < 0.02 * abs(weight.threshold)
    text = live_formula(shown)
    assert r"\underbrace{0.200}_{\alpha}" in text
    assert ("kept" in text) != ("pruned**" in text)


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
