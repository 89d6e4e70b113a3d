"""The page's handlers, called as gradio calls them."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr
import pytest

from gaprune_viz.app import address, data_handlers, handlers, inside_handlers, jobs, run_handlers, views
from gaprune_viz.app.access import visitor
from gaprune_viz.app.page import Page, build
from gaprune_viz.app.reproduce import shell_text
from gaprune_viz.app.sidebar import FIELDS as RUN_FIELDS
from gaprune_viz.app.sidebar import run_from
from gaprune_viz.app.store import DEMO, STORE, Cache
from gaprune_viz.app.tuning import CUSTOM, FIELDS, preset_of, settings_from, values_of
from gaprune_viz.app.url import LOOKS, matrix_at, params_of, query_of, settings_of, view_of
from gaprune_viz.config import CalibrationSpec, MaskSpec, ModelSpec, RunSpec, ScoreSpec, Settings, column_mapping
from gaprune_viz.core.calibration import Progress
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.presets import PRESETS

VIEW = views.View().model_dump()
REQUEST = SimpleNamespace(session_hash="test")


def sent(**data: object) -> Any:
    """An event as the browser sends it."""
    return SimpleNamespace(_data=data)


def plain(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", html))


def changes(steps: Iterator[dict[Any, Any]]) -> dict[Any, Any]:
    """All that a heavy handler changed, the last value of each component."""
    merged: dict[Any, Any] = {}
    for step in steps:
        merged.update(step)
    return merged


@pytest.mark.parametrize("name", PRESETS)
def test_controls_hold_what_a_preset_says(name: str) -> None:
    settings = PRESETS[name].settings
    values = values_of(settings)
    assert len(values) == len(FIELDS) == handlers.TUNED
    assert settings_from(values) == settings
    assert preset_of(settings) == name
    assert handlers.load_preset(name) == [name, *values]


def test_the_custom_preset_changes_nothing() -> None:
    assert preset_of(Settings(score=ScoreSpec(alpha=0.21))) == CUSTOM
    assert len(handlers.load_preset(CUSTOM)) == handlers.TUNED + 1
    assert all(value == gr.skip() for value in handlers.load_preset(CUSTOM))


def test_a_slider_is_answered_with_numbers_of_its_settings() -> None:
    settings = Settings(mask=MaskSpec(sparsity=0.73))
    preset, headline, heatmap, detail, query = handlers.refresh(VIEW, *values_of(settings))
    now = views.live(views.View(), settings)
    assert preset == CUSTOM
    assert now.preview.sentence in plain(headline)
    assert "73.0 %" in plain(headline)
    assert heatmap.count('role="gridcell"') == len(now.analysis.statistics.names)
    assert "threshold" in plain(detail)
    assert query == "sparsity=0.73"


@pytest.mark.parametrize(
    ("field", "value"),
    [("sparsity", 2), ("sparsity", "many"), ("criterion", "nothing"), ("fisher_scale", "much"), ("pattern", "4:2")],
)
def test_a_wrong_value_is_one_alert_and_nothing_else_changes(field: str, value: object) -> None:
    values = values_of(Settings())
    values[[name for _, name in FIELDS].index(field)] = value
    preset, headline, *rest = handlers.refresh(VIEW, *values)
    assert 'role="alert"' in headline
    assert preset == gr.skip()
    assert rest == [gr.skip()] * 3
    assert handlers.follow(VIEW, "atlas", "scope", *values) == [gr.skip()] * handlers.SLOW


@pytest.mark.parametrize("data", [None, {}, {"name": 7}, {"name": "no.such.weight"}, {"name": "<script>"}, ["x"]])
def test_a_forged_selection_does_nothing(data: object) -> None:
    event = SimpleNamespace(_data=data)
    assert handlers.select(event, VIEW, *values_of(Settings())) == [gr.skip()] * 5  # type: ignore[arg-type]


def test_a_selection_moves_the_detail() -> None:
    name = STORE.analysis(DEMO).statistics.names[3]
    event = SimpleNamespace(_data={"name": name})
    view, heatmap, detail, _, query = handlers.select(event, VIEW, *values_of(Settings()))  # type: ignore[arg-type]
    assert view["selected"] == name
    matrices = STORE.analysis(DEMO).statistics.matrices
    assert matrix_at(params_of(query)["at"], matrices) == name
    assert re.search(rf'data-name="{re.escape(name)}"[^>]*aria-selected="true"', heatmap)
    assert name in detail


@pytest.mark.parametrize(
    "active", ["atlas", "distributions", "compare", "retrieval", "sweep", "data", "export", "runs", "learn"]
)
def test_only_the_open_tab_is_redrawn(active: str) -> None:
    drawn = handlers.follow(
        VIEW, active, "scope", [], "preset:paper", "now", "pruned_fraction", *values_of(PRESETS["balanced"].settings)
    )
    redrawn = [i for i, value in enumerate(drawn) if not (isinstance(value, dict) and value == gr.skip())]
    expected = {
        "atlas": [5, 6, 7, 17],
        "distributions": [0, 1, 2, 3, 4, 13, 14],
        "export": [8, 9, 10, 11],
        "learn": [12],
        "compare": [15, 16],
    }
    assert redrawn == expected.get(active, [])
    if active == "atlas":
        assert "What decides" in drawn[17]


def test_knobs_that_a_criterion_does_not_read_are_greyed_out() -> None:
    names = [name for _, name in FIELDS]
    for criterion, active in (("magnitude", False), ("dai", True)):
        update = handlers.knobs(criterion)[names.index("alpha")]
        assert update["interactive"] is active
    assert handlers.knobs("no such") == [gr.skip()] * handlers.TUNED


def test_the_run_of_the_sidebar() -> None:
    values = ["default", "finance", "general", "linear", 32, "random", 3, 0.1, "", "", "auto", "", "q: ", None]
    run = run_from(values)
    assert len(values) == len(RUN_FIELDS)
    assert run.calibration == CalibrationSpec(
        domain="finance", scope="linear", samples=32, sampling="random", seed=3, temperature=0.1
    )
    assert run.model == ModelSpec(passage_prompt="q: ") or run.model == ModelSpec(query_prompt="q: ")
    with pytest.raises(GapruneError, match="samples"):
        run_from(["default", "finance", "general", "linear", 1, *values[5:]])


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


def test_the_card_of_a_weight_gives_the_numbers_of_explain(page: Page, tiny_analysis: Path) -> None:
    view = {**VIEW, "analysis": visitor().admit(tiny_analysis)}
    settings = PRESETS["balanced"].settings
    analysis = STORE.analysis(visitor().admit(tiny_analysis))
    name = analysis.statistics.names[1]
    work = inside_handlers.explain(page)(REQUEST, {**view, "selected": name}, 2, 3, *values_of(settings))
    card = plain(changes(work)[page.inside.weight.card])
    scope, _ = STORE.scope(analysis)
    answer = scope.explain(name, 2, 3, settings)
    assert answer["reason"] in card
    assert f"{answer['rank']:,}" in card
    assert f"{name}[2,3]" in card


def test_a_weight_outside_the_matrix_is_one_clear_line(page: Page, tiny_analysis: Path) -> None:
    view = {**VIEW, "analysis": visitor().admit(tiny_analysis)}
    out = changes(inside_handlers.explain(page)(REQUEST, view, 10**6, 0, *values_of(Settings())))
    assert "outside" in plain(out[page.inside.weight.progress])
    assert page.inside.weight.card not in out


def test_a_run_from_the_page_shows_itself(page: Page, tiny_bert: Path, tiny_triplets: tuple[Path, Path]) -> None:
    values = dict.fromkeys([name for _, name in RUN_FIELDS])
    domain, general = map(str, tiny_triplets)
    values |= {"model": str(tiny_bert), "domain": domain, "general": general, "scope": "linear", "sampling": "all"}
    out = changes(run_handlers.run_analysis(page)(REQUEST, VIEW, "atlas", *values.values(), *values_of(Settings())))
    assert "Done" in plain(out[page.sidebar.progress])
    folder = visitor().folder(out[page.view]["analysis"])
    document = json.loads((folder / "spec.json").read_text())
    assert document["run"]["calibration"]["scope"] == "linear"
    assert out[page.atlas.heatmap].count("data-name=") == len(document["matrices"])
    assert out[page.sidebar.run]["interactive"] is True


def test_a_cancelled_run_keeps_the_view(page: Page, tiny_bert: Path, tiny_triplets: tuple[Path, Path]) -> None:
    values = dict.fromkeys([name for _, name in RUN_FIELDS])
    domain, general = map(str, tiny_triplets)
    values |= {"model": str(tiny_bert), "domain": domain, "general": general, "seed": 99, "scope": "mlp"}
    work = run_handlers.run_analysis(page)(REQUEST, VIEW, "atlas", *values.values(), *values_of(Settings()))
    next(work)
    jobs.stop(REQUEST)  # type: ignore[arg-type]
    out = changes(work)
    assert "Cancelled" in plain(out[page.sidebar.progress])
    assert page.view not in out
    assert out[page.sidebar.run]["interactive"] is True


def test_a_run_that_fails_says_why_and_keeps_the_view(page: Page) -> None:
    values = {name: None for _, name in RUN_FIELDS} | {"model": "./nowhere"}
    out = changes(run_handlers.run_analysis(page)(REQUEST, VIEW, "atlas", *values.values(), *values_of(Settings())))
    assert "There is no model folder" in plain(out[page.sidebar.progress])
    assert page.view not in out


def test_watched_work_reports_and_raises() -> None:
    def good(report: Any, stopped: Any) -> int:
        report("Half", 1, 2)
        return 7

    steps, box = [], []

    def drive(work: Iterator[Progress]) -> Iterator[Progress]:
        box.append((yield from work))  # type: ignore[misc]

    flag = jobs.begin(None)
    steps.extend(drive(jobs.watched(good, flag)))
    assert box == [7]

    def bad(report: Any, stopped: Any) -> int:
        raise GapruneError("No.", "Try again.")

    with pytest.raises(GapruneError, match="No"):
        list(jobs.watched(bad, flag))

    def endless(report: Any, stopped: Any) -> int:
        while not stopped():
            report("Working", 1, 2)
            time.sleep(0.01)
        time.sleep(1)
        return 1

    flag = jobs.begin(None)
    work = jobs.watched(endless, flag)
    next(work)
    flag.set()
    with pytest.raises(Cancelled):
        list(work)


def test_a_cache_makes_once_and_forgets_the_oldest() -> None:
    made: list[int] = []
    cache: Cache[int] = Cache(2)
    for key in (1, 2, 1, 3, 1, 2):
        assert cache.get(key, lambda key=key: made.append(key) or key * 10) == key * 10
    assert made == [1, 2, 3, 2]
    with pytest.raises(ZeroDivisionError):
        cache.get(9, lambda: 1 // 0)
    assert cache.get(9, lambda: 90) == 90
    assert cache.peek(3) is None


def test_an_upload_is_shown_mapped_and_used(tmp_path: Path, tiny_bert: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("question,answer,other\n" + "".join(f"what is {i},it is {i},it is not {i}\n" for i in range(4)))
    *pickers, report, rows, button = data_handlers.on_upload(str(path), str(tiny_bert))
    assert [p["choices"] for p in pickers] == [["question", "answer", "other"]] * 3
    mapping = ("question", "answer", ["other"])
    report, rows, button = data_handlers.on_columns(str(path), str(tiny_bert), *mapping)
    assert "4" in plain(report)
    assert "median" in plain(report)
    assert list(rows["value"].columns) == ["question", "answer", "other"]
    assert button["interactive"] is True
    source, columns, _ = data_handlers.on_use(str(path), *mapping)
    assert re.fullmatch(r"upload:[\w-]{22}/own\.csv", source["value"])
    assert columns == "query=question,positive=answer,negative=other"
    spec = CalibrationSpec(domain=source["value"], domain_columns=columns)
    path.unlink()
    assert load_triplets(spec.domain, columns=column_mapping(columns)).report.kept == 4


def test_an_upload_that_cannot_be_read_is_one_alert(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text("{not json}\n")
    *_, report, _, button = data_handlers.on_upload(str(path), "default")
    assert 'role="alert"' in report
    assert button["interactive"] is False
    assert data_handlers.on_upload(None, "default")[-1]["interactive"] is False


def test_the_page_builds_with_every_handler_wired() -> None:
    demo = build()
    assert len(demo.fns) > 30


@pytest.mark.parametrize("name", PRESETS)
def test_an_address_restores_the_settings(name: str) -> None:
    settings = PRESETS[name].settings
    matrices = STORE.analysis(DEMO).statistics.matrices
    view = views.View(metric="fisher_ratio_log10", scale="rank", grouping="block", selected=matrices[5].name)
    query = query_of(settings, view, matrices)
    params = dict(parse_qsl(query))
    assert (settings_of(params) or Settings()) == settings
    assert len(query) < 90
    assert view_of(params, views.View(selected=matrix_at(params["at"], matrices))) == view


@pytest.mark.parametrize(("sparsity", "query"), [(0.5, "preset=balanced"), (0.57, "preset=balanced&sparsity=0.57")])
def test_an_address_starts_from_the_nearest_preset(sparsity: float, query: str) -> None:
    settings = Settings(score=PRESETS["balanced"].settings.score, mask=MaskSpec(sparsity=sparsity))
    assert query_of(settings, views.View()) == query


def test_an_address_of_a_run_restores_it_and_an_unknown_one_changes_nothing(tiny_analysis: Path) -> None:
    name = visitor().admit(tiny_analysis)
    view = views.View(analysis=name)
    view = view.with_(selected=STORE.analysis(name).statistics.names[1])
    query = query_of(Settings(mask=MaskSpec(sparsity=0.4)), view, STORE.analysis(name).statistics.matrices)
    restored, _, line, *rest = address.go(sent(query=query), VIEW)
    assert restored == view.model_dump()
    assert "your run" in line
    assert rest[9] == 0.4
    for run in ("f" * 16, "../../etc", "analysis-x"):
        assert address.go(sent(query=f"run={run}"), VIEW)[0] == VIEW


def test_an_exact_address_says_all_settings_and_another_leaves_them() -> None:
    assert address.go(sent(query="exact&metric=sign_agreement"), VIEW)[12:] == values_of(Settings())
    assert address.go(sent(query="metric=sign_agreement"), VIEW)[12:] == [gr.skip()] * len(FIELDS)


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
    assert view_of(forged, views.View()) == views.View()
