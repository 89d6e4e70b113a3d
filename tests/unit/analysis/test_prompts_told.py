"""The prompts of a run are in its description, in its key, and on the line that says what is on screen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from gaprune_viz.analysis.cost_estimate import predict
from gaprune_viz.analysis.making import analyze
from gaprune_viz.analysis.opening import open_analysis
from gaprune_viz.app.session.view import run_line
from gaprune_viz.calibration.description import check_described
from gaprune_viz.calibration.progress import drain
from gaprune_viz.cli.planning import plan_document, plan_lines
from gaprune_viz.config import CalibrationSpec, ModelSpec, RunSpec
from gaprune_viz.figures.cost_estimate import plan_html
from gaprune_viz.models.prompts import Registered


@pytest.fixture
def run(tiny_bert: Path, tiny_triplets: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunSpec:
    """A run of a cached Hub model whose prompts mteb knows."""
    entry = tmp_path / "models--intfloat--e5-small-v2" / "snapshots" / ("a" * 40)
    shutil.copytree(tiny_bert, entry)
    monkeypatch.setattr("gaprune_viz.models.prompts.registered", lambda name: Registered("query: ", "passage: "))
    domain, general = map(str, tiny_triplets)
    return RunSpec(
        model=ModelSpec(model=str(entry), device="cpu"),
        calibration=CalibrationSpec(domain=domain, general=general, samples=4),
    )


def test_prompts_of_the_registry_are_told_everywhere(run: RunSpec, tmp_path: Path) -> None:
    told = "queries 'query: ' (of mteb's registry), passages 'passage: ' (of mteb's registry)"
    plan = predict(run)
    assert f"prompts {told}" in plan_lines(plan)
    prompts = plan_document(plan)["prompts"]
    assert prompts == {"query": "query: ", "passage": "passage: ", "source": {"query": "mteb", "passage": "mteb"}}
    assert "of mteb&#x27;s registry" in plan_html(plan)
    analysis = open_analysis(drain(analyze(run, tmp_path / "run")))
    model = analysis.statistics.document["model"]
    assert (model["query_prompt"], model["passage_prompt"]) == ("query: ", "passage: ")
    assert model["prompts_from"] == {"query": "mteb", "passage": "mteb"}
    assert any("those of mteb's registry are used" in note for note in analysis.statistics.document["notes"])
    assert "of mteb&#x27;s registry" in run_line(analysis, "a")
    given = run.with_(model=run.model.with_(query_prompt="", passage_prompt=""))
    without = open_analysis(drain(analyze(given, tmp_path / "without")))
    assert without.statistics.document["key"] != analysis.statistics.document["key"]
    assert "prompts" not in run_line(without, "a")


@pytest.mark.parametrize(
    "change", [{"prompts_from": []}, {"prompts_from": {"query": 7}}, {"query_prompt": 7}, {"passage_prompt": None}]
)
def test_a_description_with_other_prompts_is_damaged(change: dict[str, Any], tiny_analysis: Path) -> None:
    document = json.loads((tiny_analysis / "spec.json").read_text())
    check_described(document)
    document["model"] |= change
    with pytest.raises(ValueError, match="prompt"):
        check_described(document)
