"""The page's handlers, called as gradio calls them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from gaprune_viz.app.frame import long_work, run_events, updates
from gaprune_viz.app.frame.address import matrix_at, params_of
from gaprune_viz.app.page import Page
from gaprune_viz.app.session.access import DEMO, visitor
from gaprune_viz.app.session.sent_values import check_sent
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View, live
from gaprune_viz.app.sidebar import FIELDS as RUN_FIELDS
from gaprune_viz.app.sidebar import run_from
from gaprune_viz.app.tabs.atlas import events as atlas_events
from gaprune_viz.app.tabs.export.reproduce import python_text, shell_text
from gaprune_viz.app.tabs.matrix.events import MatrixEvents
from gaprune_viz.app.tuning.controls import (
    CUSTOM,
    FIELDS,
    held_by,
    knob_updates,
    preset_of,
    settings_from,
    settings_line,
)
from gaprune_viz.config import CalibrationSpec, Fisher, MaskSpec, ModelSpec, RunSpec, ScoreSpec, Settings
from gaprune_viz.config.presets import PRESETS
from gaprune_viz.errors import GapruneError
from gaprune_viz.jobs.works.memory_cache import KEPT
from tests.app.conftest import Held, merged, plain

VIEW = View().model_dump()
REQUEST: Any = SimpleNamespace(session_hash="test")
# Controls of the tuning bar.
TUNED = 22


def sent(**data: object) -> Any:
    """An event as the browser sends it."""
    return SimpleNamespace(_data=data)


def run(page: Page, values: dict[Any, Any]) -> Iterator[dict[Any, Any]]:
    """What a press of Run does."""
    return run_events.run_analysis(page.frame, page.following)(values, REQUEST)


def described(page: Page, fields: dict[str, Any]) -> dict[Any, Any]:
    """The sidebar, filled in: fields that are not named are empty."""
    return {control: fields.get(name) for name, control in page.frame.sidebar.controls.items()}


@pytest.mark.parametrize("name", PRESETS)
def test_controls_hold_what_a_preset_says(name: str, page: Page) -> None:
    settings, tuning = PRESETS[name].settings, page.frame.tuning
    values = held_by(settings)
    assert list(values) == list(FIELDS) == list(tuning.controls)
    assert len(values) == TUNED
    assert settings_from(values) == settings
    assert preset_of(settings) == name
    controls = {tuning.controls[field]: value for field, value in values.items()}
    assert updates.load_preset(page.frame, name) == {tuning.preset: name, **controls}


def test_the_custom_preset_changes_nothing(page: Page) -> None:
    assert preset_of(Settings(score=ScoreSpec(alpha=0.21))) == CUSTOM
    assert updates.load_preset(page.frame, CUSTOM) == {}


def test_a_slider_is_answered_with_numbers_of_its_settings(page: Page, held: Held) -> None:
    settings, frame, atlas = Settings(mask=MaskSpec(sparsity=0.73)), page.frame, page.tabs["atlas"].parts
    answered = page.following.refresh(held(settings=settings))
    places = [frame.tuning.preset, frame.headline, atlas.heatmap, atlas.detail, frame.query, frame.drawn]
    # Of single weights nothing is cut, so that nothing is timed.
    assert set(answered) == {*places, frame.timing.box}
    assert not answered[frame.timing.box]["visible"]
    preset, headline, heatmap, detail, query, drawn = (answered[place] for place in places)
    now = live(View(), settings)
    assert preset == CUSTOM
    assert now.preview.sentence in plain(headline)
    assert "73.0 %" in plain(headline)
    assert heatmap.count('role="gridcell"') == len(now.analysis.statistics.names)
    assert "threshold" in plain(detail)
    assert query == drawn == "sparsity=0.73"


@pytest.mark.parametrize(
    ("field", "value"),
    [("sparsity", 2), ("sparsity", "many"), ("criterion", "nothing"), ("fisher_scale", "much"), ("pattern", "4:2")],
)
def test_a_wrong_value_is_one_alert_and_nothing_else_changes(field: str, value: object, page: Page, held: Held) -> None:
    values = held(active="atlas", others={page.frame.tuning.controls[field]: value})
    answered = page.following.refresh(values)
    assert 'role="alert"' in answered[page.frame.headline]
    assert set(answered) == {page.frame.headline}
    assert page.following.follow(values) == {}


@pytest.mark.parametrize("data", [None, {}, {"name": 7}, {"name": "no.such.weight"}, {"name": "<script>"}, ["x"]])
def test_a_forged_selection_does_nothing(data: object, page: Page, held: Held) -> None:
    event: Any = SimpleNamespace(_data=data)
    assert atlas_events.select(page.tabs["atlas"].parts, page.frame, held(), event) == {}


def test_a_selection_moves_the_detail(page: Page, held: Held) -> None:
    name, tab = STORE.analysis(DEMO).statistics.names[3], page.tabs["atlas"].parts
    answered = atlas_events.select(tab, page.frame, held(), sent(name=name))
    places = [page.frame.view, tab.heatmap, tab.detail, tab.histogram, page.frame.look]
    assert set(answered) == set(places)
    view, heatmap, detail, _, query = (answered[place] for place in places)
    assert view["selected"] == name
    matrices = STORE.analysis(DEMO).statistics.matrices
    assert matrix_at(params_of(query)["at"], matrices) == name
    assert re.search(rf'data-name="{re.escape(name)}"[^>]*aria-selected="true"', heatmap)
    assert name in detail


@pytest.mark.parametrize(
    "active", ["atlas", "distributions", "compare", "retrieval", "sweep", "data", "export", "runs", "learn"]
)
def test_only_the_open_tab_is_redrawn(active: str, page: Page, held: Held) -> None:
    tabs = {name: placed.parts for name, placed in page.tabs.items()}
    compare, spread = tabs["compare"], tabs["distributions"]
    chosen = [[], "preset:paper", "now", "pruned_fraction"]
    others = {spread.only: "scope", **dict(zip(compare.chosen, chosen, strict=True))}
    drawn = page.following.follow(held(settings=PRESETS["balanced"].settings, active=active, others=others))
    redrawn = {place for place, value in drawn.items() if not (isinstance(value, dict) and value == gr.skip())}
    atlas, export = tabs["atlas"], tabs["export"]
    densities = ("gv-score-density", "gv-alignment-density", "gv-fisher-domain", "gv-fisher-general")
    expected = {
        "atlas": {atlas.profile, atlas.table, atlas.overlaps, atlas.reasons},
        "distributions": {
            *(spread.densities[name] for name in densities),
            spread.scatter,
            spread.kinds,
            spread.kinds_table,
        },
        "export": {export.table, export.settings, export.shell, export.python},
        "learn": {tabs["learn"].formula, tabs["learn"].signs},
        "compare": {compare.difference, compare.table},
    }
    assert redrawn == expected.get(active, set())
    if active == "atlas":
        assert "What decides" in drawn[atlas.reasons]


def test_knobs_that_a_criterion_does_not_read_are_greyed_out(page: Page, held: Held) -> None:
    controls = page.frame.tuning.controls
    greyed = updates.knobs(page.frame)["fn"]
    for criterion, active in (("magnitude", False), ("dai", True)):
        update = greyed(held(others={controls["criterion"]: criterion}))[controls["alpha"]]
        assert update["interactive"] is active
    assert knob_updates("no such") == {}
    assert all(value == gr.skip() for value in greyed(held(others={controls["criterion"]: "no such"})).values())


def test_the_run_of_the_sidebar() -> None:
    values = [
        "default",
        "finance",
        "general",
        "linear",
        32,
        "random",
        3,
        0.1,
        "model",
        4,
        "",
        "",
        "auto",
        "",
        "q: ",
        None,
    ]
    assert len(values) == len(RUN_FIELDS)
    fields = dict(zip(RUN_FIELDS, values, strict=True))
    run = run_from(fields)
    assert run.calibration == CalibrationSpec(
        **{"domain": "finance", "scope": "linear", "samples": 32, "sampling": "random", "seed": 3, "temperature": 0.1},
        fisher=Fisher.MODEL,
        projections=4,
    )
    assert run.model == ModelSpec(passage_prompt="q: ") or run.model == ModelSpec(query_prompt="q: ")
    with pytest.raises(GapruneError, match="samples"):
        run_from({**fields, "samples": 1})


def test_the_shell_text_says_the_same_settings() -> None:
    run = RunSpec(calibration=CalibrationSpec(domain="my data.jsonl", samples=64))
    settings = Settings(score=ScoreSpec(fisher_scale="auto", beta=0.3), mask=MaskSpec(sparsity=0.7, allocation="layer"))
    analyze, diagnose, prune, compare = (shlex.split(line) for line in shell_text(run, settings).splitlines())
    assert analyze == ["gaprune-viz", "analyze", "--domain", "my data.jsonl", "--samples", "64", "--out", "run"]
    assert prune[:3] == ["gaprune-viz", "prune", "run"]
    assert diagnose == ["gaprune-viz", "diagnose", *prune[2:-2], "--json"]
    flags = dict(zip(prune[3:-2:2], prune[4:-2:2], strict=True))
    assert flags == {"--beta": "0.3", "--fisher-scale": "auto", "--sparsity": "0.7", "--allocation": "layer"}
    assert compare[:2] == ["gaprune-viz", "compare"]
    texts = CalibrationSpec(domain="a.csv", domain_columns="text=abstract", fisher=Fisher.EMBEDDING, projections=3)
    (analyze, *_) = (shlex.split(line) for line in shell_text(RunSpec(calibration=texts), settings).splitlines())
    given = ["--domain", "a.csv", "--domain-columns", "text=abstract", "--fisher", "embedding", "--projections", "3"]
    assert analyze == ["gaprune-viz", "analyze", *given, "--out", "run"]
    assert "'fisher': 'embedding'" in python_text(RunSpec(calibration=texts), settings)


def test_the_card_of_a_weight_gives_the_numbers_of_explain(page: Page, held: Held, tiny_analysis: Path) -> None:
    settings, tab = PRESETS["balanced"].settings, page.tabs["inside"].parts
    analysis = STORE.analysis(visitor().admit(tiny_analysis))
    name = analysis.statistics.names[1]
    view = View(analysis=visitor().admit(tiny_analysis), selected=name)
    values = held(view=view, settings=settings, others={tab.weight.row: 2, tab.weight.column: 3})
    card = plain(merged(MatrixEvents(tab, page.frame).explain(values, REQUEST))[tab.weight.card])
    scope, _ = KEPT.scope(analysis)
    answer = scope.explain(name, 2, 3, settings)
    assert answer["reason"] in card
    assert f"{answer['rank']:,}" in card
    assert f"{name}[2,3]" in card


def test_a_weight_outside_the_matrix_is_one_clear_line(page: Page, held: Held, tiny_analysis: Path) -> None:
    view, tab = View(analysis=visitor().admit(tiny_analysis)), page.tabs["inside"].parts
    values = held(view=view, others={tab.weight.row: 10**6, tab.weight.column: 0})
    out = merged(MatrixEvents(tab, page.frame).explain(values, REQUEST))
    assert "outside" in plain(out[tab.weight.progress])
    assert tab.weight.card not in out


def test_a_run_from_the_page_shows_itself(
    page: Page, held: Held, tiny_bert: Path, tiny_triplets: tuple[Path, Path]
) -> None:
    domain, general = map(str, tiny_triplets)
    fields = {"model": str(tiny_bert), "domain": domain, "general": general, "scope": "linear", "sampling": "all"}
    out = merged(run(page, held(active="atlas", others=described(page, fields))))
    sidebar = page.frame.sidebar
    assert "Done" in plain(out[sidebar.progress])
    folder = visitor().folder(out[page.frame.view]["analysis"])
    document = json.loads((folder / "spec.json").read_text())
    assert document["run"]["calibration"]["scope"] == "linear"
    assert out[page.tabs["atlas"].parts.heatmap].count("data-name=") == len(document["matrices"])
    assert out[sidebar.run]["interactive"] is True


def test_a_cancelled_run_keeps_the_view(
    page: Page, held: Held, tiny_bert: Path, tiny_triplets: tuple[Path, Path]
) -> None:
    domain, general = map(str, tiny_triplets)
    fields = {"model": str(tiny_bert), "domain": domain, "general": general, "seed": 99, "scope": "mlp"}
    steps = run(page, held(active="atlas", others=described(page, fields)))
    next(steps)
    long_work.stop(REQUEST)
    out = merged(steps)
    assert "Cancelled" in plain(out[page.frame.sidebar.progress])
    assert page.frame.view not in out
    assert out[page.frame.sidebar.run]["interactive"] is True


def test_a_run_that_fails_says_why_and_keeps_the_view(page: Page, held: Held) -> None:
    out = merged(run(page, held(active="atlas", others=described(page, {"model": "./nowhere"}))))
    assert "There is no model folder" in plain(out[page.frame.sidebar.progress])
    assert page.frame.view not in out


def test_what_a_handler_binds_is_no_value_that_somebody_sent() -> None:
    """Gradio puts the defaults of a handler's other parameters behind what it reads."""
    step = gr.Radio(["1", "2"], value="1", label="Walk through")
    check_sent([{step: "1"}, 1], [step])
    with pytest.raises(GapruneError, match="Walk through: a text is needed"):
        check_sent([{step: 7}, 1], [step])


def test_what_reads_no_fisher_information_has_no_estimate_of_it() -> None:
    for name, reads in (("dai", True), ("joint", True), ("obd_equal", True), ("magnitude", False), ("wanda", False)):
        assert knob_updates(name)["fisher_estimate"]["interactive"] is reads
    settings = Settings(score=ScoreSpec(fisher_estimate="shrunk"), mask=MaskSpec(whole_neurons=True))
    assert settings_from(held_by(settings)) == settings
    assert "Fisher estimate shrunk, Whole neurons on" in settings_line(settings)
    assert "--fisher-estimate shrunk" in shell_text(RunSpec(), settings)
