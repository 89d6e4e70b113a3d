"""An address says the settings and what is looked at, and restores them; what is forged is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaprune_viz.app.frame.address import LOOKS, matrix_at, query_of, settings_of, view_of
from gaprune_viz.app.frame.restoring import Restoration
from gaprune_viz.app.page import Page
from gaprune_viz.app.session.access import DEMO, visitor
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View
from gaprune_viz.app.tuning.controls import held_by, settings_from
from gaprune_viz.config import MaskSpec, ScoreSpec, Settings, digits
from gaprune_viz.config.presets import PRESETS
from gaprune_viz.errors import GapruneError
from tests.app.conftest import Held

VIEW = View().model_dump()


def go(page: Page, values: dict[Any, Any], query: str) -> dict[Any, Any]:
    """What going to an address changes."""
    return Restoration(page.following, page.tab_box).go(values, SimpleNamespace(_data={"query": query}))


def tuned(page: Page, changed: dict[Any, Any]) -> dict[str, Any]:
    """The values that controls of the tuning bar are set to, by field."""
    controls = page.frame.tuning.controls
    return {field: changed[control] for field, control in controls.items() if control in changed}


@pytest.mark.parametrize("name", PRESETS)
def test_an_address_restores_the_settings(name: str) -> None:
    settings = PRESETS[name].settings
    matrices = STORE.analysis(DEMO).statistics.matrices
    view = View(metric="fisher_ratio_log10", scale="rank", grouping="block", selected=matrices[5].name)
    query = query_of(settings, view, matrices)
    params = dict(parse_qsl(query))
    assert (settings_of(params) or Settings()) == settings
    assert len(query) < 90
    assert view_of(params, View(selected=matrix_at(params["at"], matrices))) == view


@pytest.mark.parametrize(("sparsity", "query"), [(0.5, "preset=balanced"), (0.57, "preset=balanced&sparsity=0.57")])
def test_an_address_starts_from_the_nearest_preset(sparsity: float, query: str) -> None:
    settings = Settings(score=PRESETS["balanced"].settings.score, mask=MaskSpec(sparsity=sparsity))
    assert query_of(settings, View()) == query


def test_an_address_of_a_run_restores_it_and_an_unknown_one_changes_nothing(
    page: Page, held: Held, tiny_analysis: Path
) -> None:
    name = visitor().admit(tiny_analysis)
    view = View(analysis=name)
    view = view.with_(selected=STORE.analysis(name).statistics.names[1])
    query = query_of(Settings(mask=MaskSpec(sparsity=0.4)), view, STORE.analysis(name).statistics.matrices)
    restored, frame = go(page, held(), query), page.frame
    assert restored[frame.view] == view.model_dump()
    assert "your run" in restored[frame.sidebar.current]
    assert tuned(page, restored)["sparsity"] == 0.4
    for name in ("f" * 16, "../../etc", "analysis-x"):
        assert go(page, held(), f"run={name}")[frame.view] == VIEW


def test_an_exact_address_says_all_settings_and_another_leaves_them(page: Page, held: Held) -> None:
    exact, another = (go(page, held(), query) for query in ("exact&metric=sign_agreement", "metric=sign_agreement"))
    assert tuned(page, exact) == held_by(Settings())
    assert tuned(page, another) == {}


@pytest.mark.parametrize(
    "params",
    [{"sparsity": "2"}, {"alpha": "x"}, {"criterion": "<script>"}, {"fisher-scale": "9" * 99}, {"pattern": "../.."}],
)
def test_a_forged_address_is_refused(params: dict[str, str]) -> None:
    with pytest.raises(GapruneError):
        settings_of(params)


def test_an_address_without_settings_asks_for_nothing() -> None:
    assert settings_of({"__theme": "dark", "view": "x"}) is None
    forged = {key: "<b>" for key, _, _ in LOOKS}
    assert view_of(forged, View()) == View()


@given(st.floats(1e-12, 1e12))
def test_every_digit_of_a_number_comes_back(kappa: float) -> None:
    settings = Settings(score=ScoreSpec(fisher_scale=kappa))
    assert settings_from(held_by(settings)) == settings
    assert settings_of(dict(parse_qsl(query_of(settings, View())))) == settings
    assert float(digits(kappa)) == kappa
