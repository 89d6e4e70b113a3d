"""Anything at all, to what reads addresses, controls, names and clicks: an answer or one line, in five seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import gradio as gr
import pandas as pd
import pytest
from hypothesis import strategies as st

from gaprune_viz.app.frame.address import params_of, settings_of
from gaprune_viz.app.frame.restoring import Restoration
from gaprune_viz.app.page import Page, compose
from gaprune_viz.app.session.view import View
from gaprune_viz.app.sidebar import FIELDS as RUN_FIELDS
from gaprune_viz.app.sidebar import run_from
from gaprune_viz.app.tabs.atlas.events import selected_from
from gaprune_viz.app.tabs.compare import events as compare_events
from gaprune_viz.app.tabs.matrix.view import place_in_table
from gaprune_viz.app.tabs.retrieval import queries
from gaprune_viz.app.tabs.runs import events as runs_events
from gaprune_viz.app.tabs.study import events as study_events
from gaprune_viz.app.tabs.sweep import events as sweep_events
from gaprune_viz.app.tabs.sweep.plan import numbers
from gaprune_viz.app.tuning.controls import FIELDS, settings_from
from gaprune_viz.config import CalibrationSpec, ModelSpec, RunSpec, ServeSpec, Settings, column_mapping
from gaprune_viz.data.hub import parse_hub
from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.workspace import upload_path
from tests.odd import FUZZ, ODD, TEXTS, VALUES, given, plain

# What a page would say of a link is a warning of gradio where there is no page.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:gradio")
PARTS = st.sampled_from(
    ["run", "metric", "scale", "group", "at", "tab", "task", "pick", "ask", "w", "preset", "exact", "sparsity", "floor"]
)
RESTORED = 28 + len(FIELDS)
PLACES = st.one_of(st.integers(-3, 300), ODD, st.lists(st.integers(-3, 300), max_size=3), VALUES)
CLICKS = st.one_of(
    st.none(),
    VALUES,
    st.dictionaries(st.sampled_from(["name", "drop", "source", "query", "act", "row", "column"]), PLACES, max_size=6),
)
SELECTIONS = st.fixed_dictionaries({"index": PLACES, "value": VALUES, "row_value": st.one_of(VALUES, st.lists(TEXTS))})
SWEPT = {"cells": [{"row": "magnitude", "column": 0.5, "task": "chemistry"}]}
TABLES = st.sampled_from(
    [
        pd.DataFrame({"Row": [1, 2], "Column": [3, 4]}),
        pd.DataFrame({"Row": ["²", "9" * 400], "Column": [None, 1.5]}),
        pd.DataFrame({"x": ["<b>"]}),
        pd.DataFrame(),
    ]
)


@pytest.fixture(scope="module")
def page() -> Page:
    """The page's components, outside a running server."""
    with gr.Blocks():
        return compose()


def restoration(page: Page) -> Restoration:
    return Restoration(page.following, page.tab_box)


def gone(page: Page, event: gr.EventData) -> Any:
    """What a fresh page becomes when it is sent to an address."""
    restoring = restoration(page)
    return restoring.go({part: getattr(part, "value", None) for part in [page.frame.view]}, event)


def dropped(page: Page, event: gr.EventData) -> Any:
    """What the cross of a pin does, where there is none."""
    tab = page.tabs["compare"].parts
    return compare_events.drop(tab, {tab.pins: [], tab.metric: "pruned_fraction"}, event)


def loaded(page: Page, number: int | None) -> Any:
    """What a cell does, where nothing was swept."""
    tab = page.tabs["sweep"].parts
    return sweep_events.load(tab, page.frame, {tab.swept: {}, tab.second: "dense"}, number)


EVENTS: dict[str, Callable[[Page, gr.EventData], Any]] = {
    "atlas": lambda page, event: selected_from(event, View()),
    "pins": dropped,
    "query": lambda page, event: queries.open_query(page.tabs["retrieval"].parts, event),
    "cell": lambda page, event: loaded(page, sweep_events.clicked_cell({}, event)),
    "address": gone,
}
ROWS: dict[str, Callable[[Page, gr.SelectData], Any]] = {
    "runs": lambda page, event: runs_events.clicked(page.tabs["runs"].parts, event),
    "study": lambda page, event: study_events.load_row(page.frame, event),
    "sweep": lambda page, event: loaded(page, sweep_events.clicked_row({}, event)),
}


@FUZZ
@given(st.dictionaries(st.sampled_from([name.replace("_", "-") for name in FIELDS]), TEXTS, max_size=8))
def test_an_address_of_any_content(params: dict[str, str]) -> None:
    try:
        found = settings_of(params)
    except GapruneError as error:
        plain(error)
    else:
        assert found is None or isinstance(found, Settings)


@FUZZ
@given(st.fixed_dictionaries(dict.fromkeys(FIELDS, VALUES)))
def test_controls_of_any_content(held: dict[str, Any]) -> None:
    try:
        assert isinstance(settings_from(held), Settings)
    except GapruneError as error:
        plain(error)


@FUZZ
@given(TEXTS | st.binary(max_size=40).map(lambda b: b.decode("latin-1")))
def test_names_of_any_content(text: str) -> None:
    for parse in (
        lambda: numbers(text, "α"),
        lambda: upload_path(f"upload:{text}"),
        lambda: parse_hub(f"hub:{text}"),
        lambda: column_mapping(CalibrationSpec.parse({"domain_columns": text}).domain_columns),
        lambda: ModelSpec.parse({"model": text, "device": text}),
        lambda: ServeSpec.parse({"models": text, "root_path": text}),
    ):
        try:
            parse()
        except GapruneError as error:
            plain(error)


@FUZZ
@given(
    st.one_of(
        TEXTS, st.dictionaries(PARTS, TEXTS, max_size=6).map(lambda parts: urlencode(parts, errors="surrogatepass"))
    )
)
def test_a_query_of_any_content(page: Page, text: str) -> None:
    """What an address restores; whatever it says, a page is what comes out."""
    restoring, frame, atlas = restoration(page), page.frame, page.tabs["atlas"].parts
    changes = restoring.restored(params_of(text), View())
    places = set(restoring.writes)
    always = {frame.view, frame.look, frame.sidebar.current, atlas.metric, atlas.scale, atlas.grouping}
    assert always <= set(changes) <= places
    assert len(places) == RESTORED


@FUZZ
@given(st.fixed_dictionaries(dict.fromkeys(RUN_FIELDS, VALUES)))
def test_a_sidebar_of_any_content(held: dict[str, Any]) -> None:
    try:
        assert isinstance(run_from(held), RunSpec)
    except GapruneError as error:
        plain(error)


@pytest.mark.parametrize("name", EVENTS)
def test_a_click_that_nobody_made(name: str, page: Page) -> None:
    @FUZZ
    @given(CLICKS)
    def send(data: Any) -> None:
        EVENTS[name](page, gr.EventData(None, data))

    send()


@pytest.mark.parametrize("name", ROWS)
def test_a_row_that_nobody_chose(name: str, page: Page) -> None:
    @FUZZ
    @given(SELECTIONS)
    def send(data: dict[str, Any]) -> None:
        ROWS[name](page, gr.SelectData(None, data))

    send()


@FUZZ
@given(TABLES, PLACES)
def test_a_line_of_a_forged_table(table: pd.DataFrame, index: Any) -> None:
    place = place_in_table(table, index)
    assert place is None or all(isinstance(part, int) for part in place)


@FUZZ
@given(st.one_of(TEXTS, VALUES, TEXTS.map(lambda text: f"cell-{text}")))
def test_a_cell_that_is_not_there(name: Any) -> None:
    assert sweep_events._number(name, SWEPT) in (None, 0)
