"""What an earlier version left on disk and in addresses still opens, with the same numbers.

`tests/fixtures/kept` was written by version 0.1.0 before the package had its rooms, from a random model and the
triplets beside it: an analysis with the cells of a sweep, a pruned export, a study, saved presets, and what addresses
stood for.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from gaprune_viz.analysis.opening import open_analysis, verify_analysis
from gaprune_viz.app.frame.address import look_query, matrix_at, params_of, settings_of, settings_query, view_of
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import Allocation, RunSpec, ScoreSpec, Settings, StudySpec
from gaprune_viz.config.presets import PRESETS, preset
from gaprune_viz.criteria.registry import settled
from gaprune_viz.evaluation.comparison import compare_models, comparison_document, load_pair
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.experiments.saved_presets import find_preset
from gaprune_viz.experiments.study.document import open_study
from gaprune_viz.experiments.study.runner import run_study
from gaprune_viz.experiments.sweep import SweepPlan, collapses, sweep
from gaprune_viz.pruning.export import prune

KEPT = Path(__file__).parents[1] / "fixtures" / "kept"
WRITTEN: dict[str, Any] = json.loads((KEPT / "addresses.json").read_text(encoding="utf-8"))
PLAN = SweepPlan("criteria", ("magnitude", "dai"), (0.5, 0.9), ("tasks/near", "tasks/far"))


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to work in; its paths are relative."""
    folder = Path(shutil.copytree(KEPT, tmp_path / "kept"))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GAPRUNE_VIZ_WORKSPACE", str(tmp_path / "workspace"))
    return folder


def test_an_analysis_opens_whole(kept: Path) -> None:
    assert verify_analysis(kept / "analysis")["tensors"] == 6 * 12
    analysis = open_analysis(kept / "analysis")
    assert len(analysis.statistics.matrices) == len(analysis.summary) == 12
    assert analysis.live.preview(preset("balanced").settings).kappa > 0


def test_the_same_weights_are_pruned_from_it(kept: Path, tmp_path: Path) -> None:
    document = prune(kept / "analysis", preset("balanced").settings, tmp_path / "again")
    before = json.loads((kept / "export" / "gaprune.json").read_text(encoding="utf-8"))
    assert Settings.parse(document["settings"]) == Settings.parse(before["settings"])
    assert RunSpec.parse(document["run"]) == RunSpec.parse(before["run"])
    for key in ("format", "dense", "analysis", "data", "zeros", "scope_weights", "sentence"):
        assert document[key] == before[key]
    for key in ("kappa", "term_shares", "overlap_with_magnitude", "pruned_fraction"):
        assert document[key] == pytest.approx(before[key])
    masks, again = (load_file(folder / "mask.safetensors") for folder in (kept / "export", tmp_path / "again"))
    assert masks.keys() == again.keys()
    assert all(torch.equal(masks[name], again[name]) for name in masks)


def test_an_export_is_compared_with_its_origin(kept: Path) -> None:
    found, _, _ = compare_models(load_pair(kept / "export"), load_task("tasks/near"))
    document = comparison_document(found)
    assert document["dense"]["ndcg_at_10"] == pytest.approx(0.6297596420238124)
    assert document["pruned"]["ndcg_at_10"] == pytest.approx(0.555945592738104)
    assert document["intervals_95"]["ndcg_at_10"] == pytest.approx([-0.2214421478571255, 0.0])


def test_a_sweep_finds_its_cells(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a cell was measured again")

    monkeypatch.setattr("gaprune_viz.experiments.sweep.bench.load_dense", refuse)
    cells: pd.DataFrame = drain(sweep(kept / "analysis", PLAN))
    first = cells.iloc[0]
    assert len(cells) == 8
    assert (first["row"], first["ndcg_at_10"]) == ("magnitude", pytest.approx(0.6055758502))
    assert first["dense_ndcg_at_10"] == pytest.approx(0.629759642)
    assert {curve.task for curve in collapses(kept / "analysis", preset("magnitude").settings)} == {"near", "far"}


def test_a_study_opens_and_its_cells_give_the_same_document(kept: Path) -> None:
    before = open_study(kept / "study" / "study.json")
    again = drain(run_study(StudySpec.parse(before["spec"]), kept / "study", partial=True))
    assert again["cells"] == before["cells"] == {"measured": 6, "planned": 6}
    assert json.loads(json.dumps(again["rows"])) == before["rows"]


def test_saved_presets_are_found(kept: Path, tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir(exist_ok=True)
    shutil.copy(kept / "presets.json", tmp_path / "workspace")
    assert find_preset("mine").settings.score.gamma == 2.0


@pytest.mark.parametrize("address", WRITTEN["addresses"], ids=lambda address: address["query"] or "bare")
def test_an_address_means_what_it_meant(address: dict[str, Any]) -> None:
    params, matrices = params_of(address["query"]), STORE.analysis("demo").statistics.matrices
    settings = settings_of(params)
    wanted = None if address["settings"] is None else Settings.parse(address["settings"])
    assert (settings and settled(settings)) == wanted
    view = view_of(params, View())
    view = view.with_(selected=matrix_at(params.get("at", ""), matrices) or view.selected)
    assert view.model_dump() == address["view"]
    assert settings_query(settings or Settings()) == address["written"]
    assert look_query(view, matrices) == address["look"]


@pytest.mark.parametrize("name", WRITTEN["presets"])
def test_a_preset_is_what_it_was(name: str) -> None:
    assert settled(PRESETS[name].settings) == Settings.parse(WRITTEN["presets"][name]["settings"])
    assert settings_query(PRESETS[name].settings) == WRITTEN["presets"][name]["written"]


def test_an_address_of_before_keeps_the_global_group_of_wanda_and_one_of_now_says_auto() -> None:
    before = settings_of(params_of("criterion=wanda"))
    assert before is not None and before.mask.allocation is Allocation.GLOBAL
    own = Settings(score=ScoreSpec(criterion="wanda"))
    assert settled(own).mask.allocation is Allocation.ROW
    assert "allocation=auto" in settings_query(own)
    for settings in (own, before, settled(own), Settings()):
        again = settings_of(params_of(settings_query(settings) or "preset=paper"))
        assert again is not None and settled(again) == settled(settings)
