"""Anything at all, to what reads addresses, controls, names and clicks: an answer or one line, in five seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import gradio as gr
import pandas as pd
import pytest
from hypothesis import strategies as st

from gaprune_viz.app import compare_handlers, query_handlers, runs_handlers, study_handlers, sweep_handlers
from gaprune_viz.app.address import _restore, go
from gaprune_viz.app.sidebar import FIELDS as RUN_FIELDS
from gaprune_viz.app.sidebar import run_from
from gaprune_viz.app.tabs.atlas import selected_from
from gaprune_viz.app.tabs.inside import place_in_table
from gaprune_viz.app.tabs.sweep import numbers
from gaprune_viz.app.tuning import FIELDS, settings_from
from gaprune_viz.app.url import params_of, settings_of
from gaprune_viz.app.views import View
from gaprune_viz.config import CalibrationSpec, ModelSpec, RunSpec, ServeSpec, Settings, column_mapping
from gaprune_viz.data.hub import parse_hub
from gaprune_viz.errors import GapruneError
from gaprune_viz.workspace import upload_path
from tests.odd import FUZZ, ODD, TEXTS, VALUES, given, plain

# What a page would say of a link is a warning of gradio where there is no page.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:gradio")
PARTS = st.sampled_from(
    ["run", "metric", "scale", "group", "at", "tab", "task", "pick", "ask", "w", "preset", "exact", "sparsity", "floor"]
)
RESTORED = 12 + len(FIELDS)
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
EVENTS: dict[str, Callable[[gr.EventData], Any]] = {
    "atlas": lambda event: selected_from(event, View()),
    "pins": lambda event: compare_handlers.drop(event, [], "pruned_fraction"),
    "query": query_handlers.open_query,
    "cell": lambda event: sweep_handlers.clicked_cell(event, {}, "dense"),
    "address": lambda event: go(event, View().model_dump()),
}
ROWS: dict[str, Callable[[gr.SelectData], Any]] = {
    "runs": runs_handlers.clicked,
    "study": study_handlers.load_row,
    "sweep": lambda event: sweep_handlers.clicked_row(event, {}, "dense"),
}


@FUZZ
@given(st.dictionaries(st.sampled_from([name.replace("_", "-") for _, name in FIELDS]), TEXTS, max_size=8))
def test_an_address_of_any_content(params: dict[str, str]) -> None:
    try:
        found = settings_of(params)
    except GapruneError as error:
        plain(error)
    else:
        assert found is None or isinstance(found, Settings)


@FUZZ
@given(st.lists(VALUES, min_size=len(FIELDS), max_size=len(FIELDS)))
def test_controls_of_any_content(values: list[Any]) -> None:
    try:
        assert isinstance(settings_from(values), Settings)
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
def test_a_query_of_any_content(text: str) -> None:
    """What an address restores; whatever it says, a page is what comes out."""
    assert len(_restore(params_of(text), View())) == RESTORED


@FUZZ
@given(st.lists(VALUES, min_size=len(RUN_FIELDS), max_size=len(RUN_FIELDS)))
def test_a_sidebar_of_any_content(values: list[Any]) -> None:
    try:
        assert isinstance(run_from(values), RunSpec)
    except GapruneError as error:
        plain(error)


@pytest.mark.parametrize("name", EVENTS)
def test_a_click_that_nobody_made(name: str) -> None:
    @FUZZ
    @given(CLICKS)
    def send(data: Any) -> None:
        EVENTS[name](gr.EventData(None, data))

    send()


@pytest.mark.parametrize("name", ROWS)
def test_a_row_that_nobody_chose(name: str) -> None:
    @FUZZ
    @given(SELECTIONS)
    def send(data: dict[str, Any]) -> None:
        ROWS[name](gr.SelectData(None, data))

    send()


@FUZZ
@given(TABLES, PLACES)
def test_a_line_of_a_forged_table(table: pd.DataFrame, index: Any) -> None:
    place = place_in_table(table, index)
    assert place is None or all(isinstance(part, int) for part in place)


@FUZZ
@given(st.one_of(TEXTS, VALUES, TEXTS.map(lambda text: f"cell-{text}")))
def test_a_cell_that_is_not_there(name: Any) -> None:
    assert sweep_handlers._number(name, SWEPT) in (None, 0)
