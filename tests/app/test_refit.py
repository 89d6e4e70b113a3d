"""A refit on the page: every exact answer is of the refitted model, and says so; masks and previews are as before."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gaprune_viz.app import endpoints
from gaprune_viz.app.frame.address import params_of, settings_of, settings_query
from gaprune_viz.app.frame.run_events import estimate
from gaprune_viz.app.page import Page
from gaprune_viz.app.session.access import visitor
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View
from gaprune_viz.app.tabs.export.reproduce import python_text, shell_text
from gaprune_viz.app.tabs.matrix.events import MatrixEvents
from gaprune_viz.app.tabs.retrieval import events, live
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import MaskSpec, RefitSpec, RunSpec, ScoreSpec, Settings
from gaprune_viz.config.presets import PRESETS
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.evaluation.comparison import compare_models, load_pair, mask_only
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.jobs.works import searching
from gaprune_viz.jobs.works.benchmarking import versions_of
from gaprune_viz.jobs.works.memory_cache import KEPT
from gaprune_viz.pruning.export import prune
from tests.app.conftest import Held, merged, plain, quiet

REQUEST: Any = SimpleNamespace(session_hash="refit")
REFIT = RefitSpec(refit=True, ridge=0.05)
SETTINGS = Settings(mask=MaskSpec(sparsity=0.7), refit=REFIT)


@pytest.fixture(scope="module")
def view(tiny_analysis: Path) -> View:
    return View(analysis=visitor().admit(tiny_analysis))


def test_one_query_is_ranked_three_times(page: Page, held: Held, view: View) -> None:
    tab = page.tabs["retrieval"].parts
    pick = next(iter(load_task("chemistry").queries))
    asked = held(view=view, settings=SETTINGS, others={tab.task: "chemistry", tab.pick: pick, tab.text: ""})
    ranking = merged(events.compare_query(tab, page.frame)(asked, REQUEST))[tab.ranking]
    said = plain(ranking)
    assert [name for name in ("Dense model", "Mask only", "Refitted model", "Pruned model") if name in said] == [
        "Dense model",
        "Mask only",
        "Refitted model",
    ]
    analysis = STORE.analysis(view.analysis)
    found = searching.compare_query(analysis, SETTINGS, "chemistry", pick, "", quiet, lambda: False)
    alone = searching.compare_query(analysis, SETTINGS.mask_only, "chemistry", pick, "", quiet, lambda: False)
    assert found.mask_only == alone.sides
    assert alone.mask_only is None
    assert found.sides != alone.sides


def test_all_queries_are_those_of_the_exported_model(
    page: Page, held: Held, view: View, tiny_analysis: Path, tmp_path: Path
) -> None:
    tab = page.tabs["retrieval"].parts
    out = merged(
        events.measure(tab, page.frame)(held(view=view, settings=SETTINGS, others={tab.task: "finance"}), REQUEST)
    )
    said = plain(out[tab.metrics])
    assert "finance, refitted" in said.lower() and "finance, mask only" in said.lower()
    assert "refitted, where the mask alone keeps" in said
    assert out[tab.blocks]["visible"] and list(out[tab.blocks_table]) == [
        "Block",
        "Mask only, %",
        "Refitted, %",
    ]

    prune(tiny_analysis, SETTINGS, tmp_path / "model")
    pair, task = load_pair(tmp_path / "model"), load_task("finance")
    exported, _, _ = compare_models(pair, task)
    analysis = STORE.analysis(view.analysis)
    ours = searching.measure_tasks(analysis, SETTINGS, ["finance"], quiet, lambda: False)[0]
    assert ours.comparison.pruned == pytest.approx(exported.pruned, abs=1e-6)
    assert ours.mask_only is not None
    assert ours.mask_only.pruned == pytest.approx(mask_only(pair, tmp_path / "model", task).means, abs=1e-6)


def test_without_a_refit_there_is_nothing_of_it(page: Page, held: Held, view: View) -> None:
    tab = page.tabs["retrieval"].parts
    plain_settings = SETTINGS.mask_only
    out = merged(
        events.measure(tab, page.frame)(held(view=view, settings=plain_settings, others={tab.task: "finance"}), REQUEST)
    )
    assert tab.blocks_table not in out and not out[tab.blocks_box]["visible"]
    assert not out[tab.blocks]["visible"]
    assert "refitted" not in plain(out[tab.metrics])


def test_a_move_ranks_the_refitted_model_anew(page: Page, held: Held, view: View) -> None:
    tab = page.tabs["retrieval"].parts
    query = {"source": "chemistry", "pick": "", "text": "why does ice float"}
    moved = held(view=view, settings=SETTINGS, active="retrieval", others={tab.live: True, tab.asked: query})
    said = plain(merged(live.rerank(tab, page.frame)(moved, REQUEST))[tab.ranking])
    assert "under the exact mask at 70.0 %, refitted" in said
    assert "Refitted model" in said and "Pruned model" not in said


def test_the_mask_and_the_preview_are_as_without(page: Page, held: Held, view: View) -> None:
    atlas = page.tabs["atlas"].parts
    one, other = (
        page.following.refresh(held(view=view, settings=settings)) for settings in (SETTINGS, SETTINGS.mask_only)
    )
    assert one[atlas.heatmap] == other[atlas.heatmap]
    analysis = STORE.analysis(view.analysis)
    assert KEPT.masks(analysis, SETTINGS) is KEPT.masks(analysis, SETTINGS.mask_only)


def test_a_stopped_refit_keeps_nothing(view: View) -> None:
    analysis = STORE.analysis(view.analysis)
    other = SETTINGS.with_(refit=REFIT.with_(ridge=0.07))
    seen: list[str] = []

    def report(stage: str, *_: Any) -> None:
        seen.append(stage)

    with pytest.raises(Cancelled):
        KEPT.pruned(analysis, other, report, lambda: len(seen) > 3)
    assert seen == ["Refitting"] * 4
    assert KEPT.pruned(analysis, other, quiet, lambda: False).weights


def test_a_benchmark_has_the_mask_and_the_refit(view: View, page: Page, held: Held) -> None:
    analysis = STORE.analysis(view.analysis)
    versions = versions_of(analysis, SETTINGS, "", quiet, lambda: False)
    assert [version.name for version in versions] == ["dense", "pruned", "refitted"]
    assert len({version.revision for version in versions}) == 3
    plainly = versions_of(analysis, SETTINGS.mask_only, "", quiet, lambda: False)
    assert [version.name for version in plainly] == ["dense", "pruned"]
    assert plainly[1].revision == versions[1].revision


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        PRESETS["balanced"].settings.with_(refit=RefitSpec(refit=True)),
        PRESETS["balanced"].settings.with_(refit=RefitSpec(refit=True, ridge=0.3, domain_share=0.5)),
        Settings(score=ScoreSpec(criterion="sparsegpt")),
    ],
)
def test_an_address_holds_it(settings: Settings) -> None:
    assert "refit-ridge=" in settings_query(settings)
    assert settings_of(params_of(settings_query(settings))) == settings


def test_addresses_of_before_have_none() -> None:
    found = settings_of(params_of("sparsity=0.7"))
    assert found is not None
    assert not found.refit.refit
    assert "refit" not in settings_query(found)


@pytest.mark.parametrize(
    ("query", "share", "ridge"),
    [
        ("refit=True", 0.5, 0.3),
        ("refit=1&preset=balanced", 0.5, 0.3),
        ("refit=True&refit-ridge=0.05", 0.5, 0.05),
        ("criterion=sparsegpt&refit-domain-share=0.8", 0.8, 0.3),
        ("criterion=sparsegpt", 0.5, 0.3),
    ],
)
def test_addresses_that_leave_knobs_of_a_refit_out_keep_what_they_meant(query: str, share: float, ridge: float) -> None:
    found = settings_of(params_of(query))
    assert found is not None
    assert (found.refit.domain_share, found.refit.ridge) == (share, ridge)
    assert settings_of(params_of(settings_query(found))) == found


def test_endpoints_take_the_flags(view: View, tiny_analysis: Path) -> None:
    found = endpoints.settings_of("paper", {"sparsity": 0.7, "refit": True, "refit-ridge": 0.05})
    assert found == SETTINGS
    with pytest.raises(GapruneError, match="ridge"):
        endpoints.settings_of("paper", {"refit-ridge": -1})
    with pytest.raises(GapruneError, match="Known settings"):
        endpoints.settings_of("paper", {"refit-nothing": 1})
    document = endpoints.compare(view.analysis, "paper", {"sparsity": 0.7, "refit": True}, "finance")
    assert set(document["mask_only"]) == set(document["pruned"])
    assert document["mask_only"] != document["pruned"]
    assert "mask_only" not in endpoints.compare(view.analysis, "paper", {"sparsity": 0.7}, "finance")


def test_the_texts_that_reproduce_it_say_it() -> None:
    shell, python = shell_text(RunSpec(), SETTINGS), python_text(RunSpec(), SETTINGS)
    assert "prune run --sparsity 0.7 --refit --refit-ridge 0.05 --out pruned" in shell
    assert "'refit': {'refit': True, 'ridge': 0.05}" in python
    assert "refit" not in shell_text(RunSpec(), SETTINGS.mask_only)


def test_a_criterion_with_an_update_answers_as_its_export_and_says_what_is_a_preview(
    page: Page, held: Held, view: View, tiny_analysis: Path, tmp_path: Path
) -> None:
    settings = Settings(score=ScoreSpec(criterion="sparsegpt"), mask=MaskSpec(sparsity=0.6))
    prune(tiny_analysis, settings, tmp_path / "model")
    exported, _, _ = compare_models(load_pair(tmp_path / "model"), load_task("finance"))
    analysis = STORE.analysis(view.analysis)
    ours = searching.measure_tasks(analysis, settings, ["finance"], quiet, lambda: False)[0]
    assert ours.mask_only is None
    assert ours.comparison.pruned == pytest.approx(exported.pruned, abs=1e-6)
    said = "SparseGPT decides in the end layer by layer"
    assert said in STORE.preview(analysis, settings).sentence
    tab = page.tabs["inside"].parts
    asked = held(view=view, settings=settings, active="inside")
    assert said in plain(merged(MatrixEvents(tab, page.frame).look(asked, REQUEST))[tab.picture])


def test_what_a_refit_takes_is_said_beforehand(page: Page, held: Held, tiny_analysis: Path) -> None:
    run = Statistics.open(tiny_analysis).run
    side = page.frame.sidebar
    fields = {"model": run.model.model, "domain": run.calibration.domain, "general": run.calibration.general}
    others = {side.controls[name]: value for name, value in fields.items()}

    def told(settings: Settings) -> str:
        return plain(merged(estimate(page.frame)(held(settings=settings, others=others), REQUEST))[side.progress])

    assert "A refit reads" in told(SETTINGS) and "of memory beside the model" in told(SETTINGS)
    assert "A refit reads" not in told(SETTINGS.mask_only)
