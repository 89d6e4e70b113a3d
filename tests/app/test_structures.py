"""Whole structures on the page: what is told is of the cut, what is exact is of the smaller model, the rest says no."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gaprune_viz.analysis.making import analyze
from gaprune_viz.app import endpoints
from gaprune_viz.app.frame import cut_latency
from gaprune_viz.app.frame.address import params_of, settings_of, settings_query
from gaprune_viz.app.page import Page
from gaprune_viz.app.session.access import visitor
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View, live
from gaprune_viz.app.tabs.compare.view import board_html, pinned
from gaprune_viz.app.tabs.export.reproduce import python_text, shell_text
from gaprune_viz.app.tabs.matrix.events import MatrixEvents
from gaprune_viz.app.tabs.retrieval import events
from gaprune_viz.app.tabs.retrieval import live as live_mode
from gaprune_viz.app.tabs.sweep.plan import plan_from
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import (
    Allocation,
    CalibrationSpec,
    Evidence,
    MaskSpec,
    ModelSpec,
    RefitSpec,
    RetrainSpec,
    RunSpec,
    Sampling,
    ScoreSpec,
    Settings,
    Structure,
    StructureSpec,
)
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.comparison import compare_models, load_pair
from gaprune_viz.evaluation.retrieval import evaluate
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import encode_task
from gaprune_viz.jobs.works import matrix_window, searching
from gaprune_viz.jobs.works.benchmarking import retrain, versions_of
from gaprune_viz.jobs.works.memory_cache import KEPT
from gaprune_viz.pruning.export import prune
from tests.app.conftest import Held, merged, plain, quiet

REQUEST: Any = SimpleNamespace(session_hash="structures")
NEURONS = Settings(
    score=ScoreSpec(criterion="obd_joint"),
    mask=MaskSpec(sparsity=0.5),
    structure=StructureSpec(structure=Structure.NEURONS, multiple=8),
)
LAYERS = Settings(mask=MaskSpec(sparsity=0.5), structure=StructureSpec(structure=Structure.LAYERS))


@pytest.fixture(scope="module")
def view(tiny_analysis: Path) -> View:
    return View(analysis=visitor().admit(tiny_analysis))


def test_a_move_is_answered_with_what_is_left(page: Page, held: Held, view: View) -> None:
    STORE.clear()
    answered = page.following.refresh(held(view=view, settings=NEURONS))
    said, cut = plain(answered[page.frame.headline]), live(view, NEURONS).cut
    assert cut is not None
    assert "24 of 48 neurons of every layer are cut out" in said and "24 / 48" in said
    assert "not measured" in said
    assert answered[page.frame.timing.box]["visible"]
    assert answered[page.frame.query] == "criterion=obd_joint&structure=neurons&structure-multiple=8"
    heatmap = answered[page.tabs["atlas"].parts.heatmap]
    assert "Neurons of a layer" in heatmap and "gv-hm-gone" not in heatmap
    assert page.following.drawn(held(view=view, settings=NEURONS), "distributions")
    assert "no single weight decides" in str(
        page.following.drawn(held(view=view, settings=NEURONS), "distributions")[
            page.tabs["distributions"].parts.scatter
        ]
    )
    assert page.following.drawn(held(view=view, settings=NEURONS), "learn")
    greyed = page.following.refresh(held(view=view, settings=LAYERS))[page.tabs["atlas"].parts.heatmap]
    assert greyed.count("gv-hm-gone") == sum(m.layer == 1 for m in STORE.analysis(view.analysis).statistics.matrices)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (NEURONS.with_(structure=StructureSpec(structure=Structure.HEADS)), "no head size of its own"),
        (NEURONS.with_(mask=MaskSpec(sparsity=0.95)), "none would stay"),
        (NEURONS.with_(mask=MaskSpec(allocation=Allocation.ROW)), "ranked within their layer"),
    ],
)
def test_what_cannot_be_cut_is_one_line_at_its_place(
    page: Page, held: Held, view: View, settings: Settings, said: str
) -> None:
    values = held(view=view, settings=settings, active="atlas")
    answered = page.following.refresh(values)
    assert set(answered) == {page.frame.headline}
    assert said in plain(answered[page.frame.headline]) and 'role="alert"' in answered[page.frame.headline]
    assert page.following.follow(values) == {}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("structure=rows", "structure: "),
        ("structure=neurons&structure-multiple=0", "multiple: "),
        ("structure=neurons&structure-steps=many", "steps: "),
        ("structure=neurons&pattern=2:4", "structures go whole"),
        ("structure=heads&floor=0.1", "structures go whole"),
    ],
)
def test_a_malformed_address_is_one_line(query: str, said: str) -> None:
    with pytest.raises(GapruneError) as error:
        settings_of(params_of(query))
    assert str(error.value).lower().startswith(said) and "\n" not in str(error.value)


@pytest.mark.parametrize("settings", [NEURONS, LAYERS, NEURONS.with_(score=ScoreSpec(criterion="wanda"))])
def test_an_address_and_the_endpoints_hold_a_structure(settings: Settings) -> None:
    assert settings_of(params_of(settings_query(settings))) == settings
    flags = {
        "criterion": settings.score.criterion,
        "structure": settings.structure.structure.value,
        "structure-multiple": settings.structure.multiple,
    }
    assert endpoints.settings_of("paper", flags) == settings
    assert settings_of(params_of("structure=neurons&criterion=wanda")) is not None


def test_the_answers_are_those_of_the_exported_model(view: View, tiny_analysis: Path, tmp_path: Path) -> None:
    analysis, task = STORE.analysis(view.analysis), load_task("finance")
    document = prune(tiny_analysis, NEURONS, tmp_path / "less")
    exported, _, _ = compare_models(load_pair(tmp_path / "less"), task)
    ours = searching.measure_tasks(analysis, NEURONS, ["finance"], quiet, lambda: False)[0]
    assert ours.comparison.pruned == pytest.approx(exported.pruned, abs=1e-6)
    assert ours.comparison.dense == pytest.approx(exported.dense, abs=1e-6)
    assert ours.comparison.pruned != ours.comparison.dense
    assert endpoints.compare(view.analysis, "obd", {"structure": "neurons", "structure-multiple": 8}, "finance")[
        "pruned"
    ]["ndcg_at_10"] == pytest.approx(exported.pruned["ndcg_at_10"], abs=1e-6)
    tuned = endpoints.tune(view.analysis, "obd", {"structure": "neurons", "structure-multiple": 8})
    assert tuned["cut"]["parameters"] == document["model_weights"]
    assert tuned["cut"]["dense_parameters"] == document["dense_weights"]
    assert tuned["overlap"] == {} and tuned["settings"]["structure"]["structure"] == "neurons"
    # The smaller model is told from the dense one wherever vectors are kept.
    smaller = KEPT.smaller(analysis, NEURONS, quiet, lambda: False)
    assert smaller.weight_hash != KEPT.dense(analysis).weight_hash
    assert [v.name for v in versions_of(analysis, NEURONS, "", quiet, lambda: False)] == ["dense", "pruned"]


def test_one_query_and_live_say_what_they_are_of(page: Page, held: Held, view: View) -> None:
    tab = page.tabs["retrieval"].parts
    pick = next(iter(load_task("chemistry").queries))
    others = {tab.task: "chemistry", tab.pick: pick, tab.text: ""}
    asked = held(view=view, settings=NEURONS, others=others)
    said = plain(merged(events.compare_query(tab, page.frame)(asked, REQUEST))[tab.ranking])
    assert "Answers of the smaller model itself, 50 % of the neurons out" in said
    on_screen = {tab.asked: {"source": "chemistry", "pick": pick, "text": ""}, tab.live: True}
    moved = held(view=view, settings=NEURONS, active="retrieval", others={**others, **on_screen})
    said = plain(merged(live_mode.rerank(tab, page.frame)(moved, REQUEST))[tab.ranking])
    assert "re-ranked by the smaller model as it is cut" in said


def test_a_look_inside_shows_rows_and_columns_that_go(page: Page, held: Held, view: View) -> None:
    analysis = STORE.analysis(view.analysis)
    up = next(m for m in analysis.statistics.matrices if m.role == "up")
    down = next(m for m in analysis.statistics.matrices if m.role == "down")
    masks = KEPT.masks(analysis, NEURONS).masks
    gone = ~masks[up.name].any(dim=1)
    assert int(gone.sum()) == 24
    assert bool((masks[up.name][~gone]).all()) and bool((masks[down.name].any(dim=0) == ~gone).all())
    look = matrix_window.look_inside(analysis, NEURONS, up.name, "pruned", None)
    assert look.silent[0] == 24 and look.losses.rows[up.name] == 24 and look.losses.woken == 0
    row = int(gone.nonzero()[0])
    told = matrix_window.explain(analysis, NEURONS, up.name, row, 3)
    assert not told["kept"] and f"part of neuron {row} of layer 0" in told["reason"]
    assert told["rank"] <= 24 and told["group_size"] == 48
    query = next(m for m in analysis.statistics.matrices if m.role == "query")
    assert "nothing of this matrix goes" in matrix_window.explain(analysis, NEURONS, query.name, 0, 0)["reason"]
    tab = page.tabs["inside"].parts
    drawn = merged(MatrixEvents(tab, page.frame).look(held(view=view, settings=NEURONS), REQUEST))
    said = plain(drawn[tab.picture])
    assert "Whole neurons go" in said and "could be removed" not in said


def test_pins_stand_side_by_side(view: View) -> None:
    pins = pinned(pinned([], view, Settings()), view, NEURONS)
    board = plain(board_html(pins, "pruned_fraction"))
    assert "24 of 48 neurons" in board and "not counted: whole structures go" in board and "none: cut out" in board


def test_a_sweep_takes_a_structure(view: View) -> None:
    plan = plan_from(STORE.analysis(view.analysis), "chemistry", NEURONS, "criteria", ["magnitude"], "", "0.5")
    assert plan.settings("magnitude", 0.5).structure == NEURONS.structure
    by_samples = NEURONS.with_(structure=NEURONS.structure.with_(evidence=Evidence.SAMPLES))
    with pytest.raises(GapruneError, match="every row would be the same"):
        plan_from(STORE.analysis(view.analysis), "chemistry", by_samples, "criteria", ["magnitude"], "", "0.5")


def test_what_is_left_of_a_cut_is_retrained_whole(view: View) -> None:
    analysis, told = STORE.analysis(view.analysis), list[Any]()
    desk = SimpleNamespace(report=quiet, stopped=lambda: False, tell=told.append)
    spec = RetrainSpec(steps=2, batch_size=4)
    ended = retrain(analysis, NEURONS, spec, "chemistry", False, desk)  # type: ignore[arg-type]
    smaller = KEPT.smaller(analysis, NEURONS, quiet, lambda: False)
    taught = KEPT.retrained(analysis, NEURONS, ended.kept)
    before, after = (dict(model.st.named_parameters()) for model in (smaller, taught))
    assert {name: p.shape for name, p in before.items()} == {name: p.shape for name, p in after.items()}
    assert any(not after[name].equal(before[name]) for name in after)
    rows = ended.table.set_index(["version", "side"])["ndcg_at_10"]
    for side, source in (("domain", "chemistry"), ("general", "general")):
        for version, model in (("pruned", smaller), ("retrained", taught)):
            task = load_task(source)
            found = evaluate(task, *encode_task(model, task)).means["ndcg_at_10"]
            assert rows[version, side] == pytest.approx(found, abs=1e-6)
    assert told and set(told[-1].curves) == {"retrained"}
    assert [v.name for v in versions_of(analysis, NEURONS, ended.kept, quiet, lambda: False)][-1] == "retrained"


def test_what_takes_no_structure_says_so(view: View) -> None:
    analysis = STORE.analysis(view.analysis)
    with pytest.raises(GapruneError, match="a sketch cannot tell"):
        analysis.live.pruned(NEURONS)
    run = RunSpec()
    assert "diagnose" not in shell_text(run, NEURONS) + python_text(run, NEURONS)
    assert "--structure neurons --structure-multiple 8" in shell_text(run, NEURONS)
    assert '"structure": {"structure": "neurons"' in python_text(run, NEURONS).replace("'", '"')


def test_the_machine_is_measured_once_and_kept(page: Page, held: Held, view: View) -> None:
    values = held(view=view, settings=LAYERS)
    ended = merged(cut_latency.measure(page.frame)(values, REQUEST))
    assert 'role="alert"' not in str(ended)
    told = endpoints.tune(view.analysis, "paper", {"structure": "layers"})["cut"]["milliseconds"]
    assert told is not None and set(told["dense"]) == set(told["cut"])
    assert all(0 < told["cut"][load] <= told["dense"][load] for load in told["dense"])
    answered = page.following.refresh(values)
    assert "× as fast" in plain(answered[page.frame.headline])
    assert "Between what was measured on this machine with 1, 2 layers" in plain(answered[page.frame.timing.told])
    # A page of another day reads what was kept.
    STORE.clear()
    assert np.isclose(
        endpoints.tune(view.analysis, "paper", {"structure": "layers"})["cut"]["milliseconds"]["dense"]["long-32"],
        told["dense"]["long-32"],
    )


def test_a_finished_cut_is_what_the_export_holds(tiny_bert: Path, tmp_path: Path) -> None:
    rows = [{"query": f"q {i} salt", "positive": f"p {i} water", "negative": f"n {i} metal"} for i in range(40)]
    source = tmp_path / "domain.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    spec = CalibrationSpec(domain=str(source), general=str(source), samples=40, sampling=Sampling.ALL)
    run = RunSpec(model=ModelSpec(model=str(tiny_bert), device="cpu"), calibration=spec)
    folder = drain(analyze(run, tmp_path / "run"))
    analysis = KEPT.analysis(str(folder))
    settings = NEURONS.with_(
        refit=RefitSpec(refit=True, samples=8), structure=NEURONS.structure.with_(steps=2, multiple=8)
    )
    ours = searching.measure_tasks(analysis, settings, ["finance"], quiet, lambda: False)[0]
    document = prune(folder, settings, tmp_path / "less")
    exported, _, _ = compare_models(load_pair(tmp_path / "less"), load_task("finance"))
    assert len(document["structure"]["tried"]) == 5 and ours.mask_only is None
    assert ours.comparison.pruned == pytest.approx(exported.pruned, abs=1e-6)
    names = [version.name for version in versions_of(analysis, settings, "", quiet, lambda: False)]
    assert names == ["dense", "pruned", "finished"]
