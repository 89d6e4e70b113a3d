"""The Benchmark tab's handlers, called as gradio calls them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from gaprune_viz.app.frame import long_work
from gaprune_viz.app.page import Page
from gaprune_viz.app.session.access import Access, Visitor, visit, visitor
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View
from gaprune_viz.app.tabs.benchmark import events as benchmark_events
from gaprune_viz.app.tabs.benchmark import retraining_events as training_events
from gaprune_viz.app.tabs.benchmark.retraining_panel import FIELDS, spec_from
from gaprune_viz.app.tabs.benchmark.task_picker import chosen_tasks
from gaprune_viz.config import MaskSpec, RetrainSpec, ScoreSpec, ServeSpec, Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.comparison import compare_models, load_pair
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.pruning.export import prune
from tests.app.conftest import Held, merged, plain

REQUEST: Any = SimpleNamespace(session_hash="benchmark")
HALF = Settings(score=ScoreSpec(criterion="magnitude"), mask=MaskSpec(sparsity=0.6))


@pytest.fixture(scope="module")
def view(tiny_analysis: Path) -> View:
    return View(analysis=visitor().admit(tiny_analysis))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw at every step."""
    monkeypatch.setattr(training_events, "DRAW_SECONDS", 0)


def picked(starters: list[str], own: str = "") -> list[Any]:
    """The values of the pickers."""
    return [starters, None, None, None, own]


def run(page: Page, held: Held, view: View, values: list[Any], kept: str = "", retrained: bool = False) -> Any:
    tab = page.tabs["benchmark"].parts
    others = {tab.training.kept: kept, tab.retrained: retrained, **pickers(page, values)}
    return benchmark_events.run_benchmark(tab, page.frame)(held(view=view, settings=HALF, others=others), REQUEST)


def pickers(page: Page, values: list[Any]) -> dict[Any, Any]:
    return dict(zip(page.tabs["benchmark"].parts.pickers, values, strict=True))


def retrain(page: Page, held: Held, view: View, steps: int, batch: int = 4, control: bool = True) -> Any:
    tab = page.tabs["benchmark"].parts
    panel = tab.training
    numbers = {"steps": steps, "learning_rate": 1e-3, "batch_size": batch}
    others = {page.frame.collection: "chemistry", panel.control: control}
    others |= {panel.controls[name]: number for name, number in numbers.items()}
    return training_events.run_retraining(tab, page.frame)(held(view=view, settings=HALF, others=others), REQUEST)


def test_the_cost_is_said_before_anything_runs(page: Page, held: Held, view: View) -> None:
    tab = page.tabs["benchmark"].parts

    def said(retrained: bool, values: list[Any]) -> str:
        asked = held(view=view, others={tab.retrained: retrained, **pickers(page, values)})
        return merged(benchmark_events.say_cost(tab, page.frame)(asked, REQUEST))[tab.estimate]

    assert "for 2 models that read 336 texts" in plain(said(False, picked(["starter:chemistry"])))
    assert "3 models" in plain(said(True, picked(["starter:chemistry"])))
    assert "Choose tasks" in plain(said(False, picked([])))
    wrong = said(False, picked([], "starter:chemisty"))
    assert 'role="alert"' in wrong
    assert "Did you mean starter:chemistry" in plain(wrong)


def test_a_benchmark_shows_what_comparing_the_export_gives(
    page: Page, held: Held, view: View, tiny_analysis: Path, tmp_path: Path
) -> None:
    tab = page.tabs["benchmark"].parts
    steps = list(run(page, held, view, picked(["starter:chemistry"], "ChemNQRetrieval")))
    out = merged(iter(steps))
    prune(tiny_analysis, HALF, tmp_path / "model")
    ours, _, _ = compare_models(load_pair(tmp_path / "model"), load_task("chemistry"))
    table = out[tab.table]["value"]
    assert list(table["Task"]) == ["starter:chemistry"]
    assert table["Dense"][0] == f"{ours.dense['ndcg_at_10']:.4f}"
    assert table["Pruned"][0] == f"{ours.pruned['ndcg_at_10']:.4f}"
    assert out[tab.table]["visible"] and out[tab.figure]["visible"]
    # The dense score is shown before the pruned one is there.
    first = next(step[tab.table]["value"] for step in steps if tab.table in step)
    assert first["Dense"][0] == table["Dense"][0]
    # What could not be done is said, and what could is kept.
    assert "the Hub cannot be reached for BASF-AI/ChemNQRetrieval" in plain(out[tab.progress])
    rows = pd.read_csv(out[tab.csv]["value"])
    assert list(rows["variant"]) == ["dense", "pruned"]
    assert rows["score"][1] == pytest.approx(ours.pruned["ndcg_at_10"], abs=1e-6)


def test_a_stopped_benchmark_keeps_the_scores_that_are_there(page: Page, held: Held, view: View) -> None:
    tab = page.tabs["benchmark"].parts
    steps = run(page, held, view, picked(["starter:chemistry", "starter:finance", "starter:general"]))
    out: dict[Any, Any] = {}
    for step in steps:
        out |= step
        if tab.table in step:
            long_work.stop(REQUEST)
    assert "Stopped" in plain(out[tab.progress])
    assert next(iter(out[tab.table]["value"]["Task"])) == "starter:chemistry"
    assert tab.csv not in out


def test_stop_reaches_every_piece_of_work_that_a_handler_does() -> None:
    """On a new page the analysis is made first; what comes after it has the same flag."""
    flag = long_work.begin(REQUEST)
    list(long_work.watched(lambda report, stopped: 1, flag))
    long_work.stop(REQUEST)
    assert flag.is_set()


def test_no_task_and_an_unknown_task_are_one_alert(page: Page, held: Held, view: View) -> None:
    tab = page.tabs["benchmark"].parts
    for values, said in ((picked([]), "No task is chosen"), (picked([], "zzz"), "There is no task 'zzz'")):
        out = merged(run(page, held, view, values))
        assert said in plain(out[tab.progress])
        assert tab.table not in out


def test_retraining_ends_with_a_model_that_a_benchmark_takes(page: Page, held: Held, view: View, quick: None) -> None:
    tab = page.tabs["benchmark"].parts
    panel = tab.training
    steps = list(retrain(page, held, view, steps=4))
    out = merged(iter(steps))
    assert "Done" in plain(out[panel.progress])
    assert sum(panel.loss in step for step in steps) > 1
    table = out[panel.table]["value"]
    assert list(table["Model"]) == ["Dense", "Pruned", "Pruned, retrained", "Dense, retrained (control)"]
    assert {"Domain: nDCG@10", "General: nDCG@10", "Domain: difference (95 %), p"} <= set(table.columns)
    losses = next(trace for trace in out[panel.loss]["value"].data if trace.name == "Pruned, retrained")
    assert list(losses.x) == [1, 2, 3, 4]
    kept = out[panel.kept]
    assert kept
    assert out[tab.retrained]["interactive"] is True
    result = merged(run(page, held, view, picked(["starter:chemistry"]), kept, True))[tab.table]["value"]
    # A benchmark measures the very model whose nDCG@10 the panel shows.
    assert result["Retrained"][0] == table["Domain: nDCG@10"][2]
    assert result["Pruned"][0] == table["Domain: nDCG@10"][1]
    with pytest.raises(GapruneError, match="other settings"):
        asked = {"names": ["starter:chemistry"], "kept": kept}
        long_work.asked("benchmark", STORE.analysis(view.analysis), Settings(), lambda *_: None, lambda: False, **asked)
    said = merged(run(page, held, view, picked(["starter:chemistry"]), "unknown", True))[tab.progress]
    assert "no longer kept" in plain(said)


def test_a_stopped_retraining_keeps_its_curve(page: Page, held: Held, view: View, quick: None) -> None:
    panel = page.tabs["benchmark"].parts.training
    out: dict[Any, Any] = {}
    for step in retrain(page, held, view, steps=5_000, control=False):
        out |= step
        if panel.loss in step:
            long_work.stop(REQUEST)
    assert "Stopped" in plain(out[panel.progress])
    assert out[panel.loss]["visible"]
    assert panel.table not in out
    assert panel.kept not in out


def test_retraining_says_what_is_wrong(page: Page, held: Held, view: View) -> None:
    panel = page.tabs["benchmark"].parts.training
    for steps, batch, said in ((2, 500, "batch size is 500"), (0, 4, "steps: ")):
        out = merged(retrain(page, held, view, steps, batch))
        assert said in plain(out[panel.progress]), plain(out[panel.progress])
        assert panel.table not in out


def test_the_panel_begins_with_the_defaults_of_the_spec(page: Page) -> None:
    panel = page.tabs["benchmark"].parts.training
    values = {control: control.value for control in panel.controls.values()}
    assert len(values) == len(FIELDS)
    assert spec_from(panel, values) == RetrainSpec()


def test_a_public_page_reads_no_folders_and_no_hub(tmp_path: Path) -> None:
    stranger = Visitor(Access(ServeSpec(public=True)), "stranger-1")
    with visit(stranger):
        assert [task.name for task in chosen_tasks(picked(["starter:finance"]))] == ["starter:finance"]
        for own in (str(tmp_path), "ChemNQRetrieval", "~/data", "ontology:chebi", "finmteb:FinSTS"):
            with pytest.raises(GapruneError, match="public page"):
                chosen_tasks(picked([], own))
