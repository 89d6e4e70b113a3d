"""The Benchmark tab's handlers, called as gradio calls them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from gaprune_viz.app import benchmark_handlers, jobs, retrain_handlers, views
from gaprune_viz.app.access import Access, Visitor, visit, visitor
from gaprune_viz.app.page import Page
from gaprune_viz.app.store import STORE
from gaprune_viz.app.tabs.benchmark import chosen_tasks
from gaprune_viz.app.tabs.retraining import FIELDS, spec_from
from gaprune_viz.app.tuning import values_of
from gaprune_viz.config import MaskSpec, RetrainSpec, ScoreSpec, ServeSpec, Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.retrieval import load_task
from gaprune_viz.results import compare_models, load_pair, prune

REQUEST = SimpleNamespace(session_hash="benchmark")
HALF = Settings(score=ScoreSpec(criterion="magnitude"), mask=MaskSpec(sparsity=0.6))


@pytest.fixture(scope="module")
def view(tiny_analysis: Path) -> dict[str, Any]:
    return {**views.View().model_dump(), "analysis": visitor().admit(tiny_analysis)}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw at every step."""
    monkeypatch.setattr(retrain_handlers, "DRAW_SECONDS", 0)


def plain(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", html))


def merged(steps: Iterator[dict[Any, Any]]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for step in steps:
        found |= step
    return found


def picked(starters: list[str], own: str = "") -> list[Any]:
    """The values of the pickers."""
    return [starters, None, None, None, own]


def run(page: Page, view: dict[str, Any], values: list[Any], kept: str = "", retrained: bool = False) -> Any:
    return benchmark_handlers.run_benchmark(page)(REQUEST, view, kept, retrained, *values, *values_of(HALF))


def retrain(page: Page, view: dict[str, Any], steps: int, batch: int = 4, control: bool = True) -> Any:
    return retrain_handlers.run_retraining(page)(
        REQUEST, view, "chemistry", control, steps, 1e-3, batch, *values_of(HALF)
    )


def test_the_cost_is_said_before_anything_runs(page: Page, view: dict[str, Any]) -> None:
    def said(retrained: bool, values: list[Any]) -> str:
        return merged(benchmark_handlers.say_cost(page)(REQUEST, view, retrained, *values))[page.benchmark.estimate]

    assert "for 2 models that read 336 texts" in plain(said(False, picked(["starter:chemistry"])))
    assert "3 models" in plain(said(True, picked(["starter:chemistry"])))
    assert "Choose tasks" in plain(said(False, picked([])))
    wrong = said(False, picked([], "starter:chemisty"))
    assert 'role="alert"' in wrong
    assert "Did you mean starter:chemistry" in plain(wrong)


def test_a_benchmark_shows_what_comparing_the_export_gives(
    page: Page, view: dict[str, Any], tiny_analysis: Path, tmp_path: Path
) -> None:
    tab = page.benchmark
    steps = list(run(page, view, picked(["starter:chemistry"], "ChemNQRetrieval")))
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


def test_a_stopped_benchmark_keeps_the_scores_that_are_there(page: Page, view: dict[str, Any]) -> None:
    tab = page.benchmark
    work = run(page, view, picked(["starter:chemistry", "starter:finance", "starter:general"]))
    out: dict[Any, Any] = {}
    for step in work:
        out |= step
        if tab.table in step:
            jobs.stop(REQUEST)  # type: ignore[arg-type]
    assert "Stopped" in plain(out[tab.progress])
    assert next(iter(out[tab.table]["value"]["Task"])) == "starter:chemistry"
    assert tab.csv not in out


def test_stop_reaches_every_piece_of_work_that_a_handler_does() -> None:
    """On a new page the analysis is made first; what comes after it has the same flag."""
    flag = jobs.begin(REQUEST)  # type: ignore[arg-type]
    list(jobs.watched(lambda report, stopped: 1, flag))
    jobs.stop(REQUEST)  # type: ignore[arg-type]
    assert flag.is_set()


def test_no_task_and_an_unknown_task_are_one_alert(page: Page, view: dict[str, Any]) -> None:
    for values, said in ((picked([]), "No task is chosen"), (picked([], "zzz"), "There is no task 'zzz'")):
        out = merged(run(page, view, values))
        assert said in plain(out[page.benchmark.progress])
        assert page.benchmark.table not in out


def test_retraining_ends_with_a_model_that_a_benchmark_takes(page: Page, view: dict[str, Any], quick: None) -> None:
    tab, panel = page.benchmark, page.benchmark.training
    steps = list(retrain(page, view, steps=4))
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
    result = merged(run(page, view, picked(["starter:chemistry"]), kept, True))[tab.table]["value"]
    # A benchmark measures the very model whose nDCG@10 the panel shows.
    assert result["Retrained"][0] == table["Domain: nDCG@10"][2]
    assert result["Pruned"][0] == table["Domain: nDCG@10"][1]
    with pytest.raises(GapruneError, match="other settings"):
        STORE.retrained(STORE.analysis(view["analysis"]), Settings(), kept)
    said = merged(run(page, view, picked(["starter:chemistry"]), "unknown", True))[tab.progress]
    assert "no longer kept" in plain(said)


def test_a_stopped_retraining_keeps_its_curve(page: Page, view: dict[str, Any], quick: None) -> None:
    panel = page.benchmark.training
    out: dict[Any, Any] = {}
    for step in retrain(page, view, steps=5_000, control=False):
        out |= step
        if panel.loss in step:
            jobs.stop(REQUEST)  # type: ignore[arg-type]
    assert "Stopped" in plain(out[panel.progress])
    assert out[panel.loss]["visible"]
    assert panel.table not in out
    assert panel.kept not in out


def test_retraining_says_what_is_wrong(page: Page, view: dict[str, Any]) -> None:
    panel = page.benchmark.training
    for steps, batch, said in ((2, 500, "batch size is 500"), (0, 4, "steps: ")):
        out = merged(retrain(page, view, steps, batch))
        assert said in plain(out[panel.progress]), plain(out[panel.progress])
        assert panel.table not in out


def test_the_panel_begins_with_the_defaults_of_the_spec(page: Page) -> None:
    values = tuple(control.value for control in page.benchmark.training.controls)
    assert len(values) == len(FIELDS)
    assert spec_from(values) == RetrainSpec()


def test_a_public_page_reads_no_folders_and_no_hub(tmp_path: Path) -> None:
    stranger = Visitor(Access(ServeSpec(public=True)), "stranger-1")
    with visit(stranger):
        assert [task.name for task in chosen_tasks(picked(["starter:finance"]))] == ["starter:finance"]
        for own in (str(tmp_path), "ChemNQRetrieval", "~/data", "ontology:chebi", "finmteb:FinSTS"):
            with pytest.raises(GapruneError, match="public page"):
                chosen_tasks(picked([], own))
