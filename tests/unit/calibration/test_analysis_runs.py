"""Runs of an analysis: a stopped one leaves nothing, the same is found by its content, a changed model is noticed."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from gaprune_viz.analysis.exact_scores import load_dense
from gaprune_viz.analysis.making import analysis_key, analyze
from gaprune_viz.analysis.samples import choose_data
from gaprune_viz.calibration.progress import drain
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import CalibrationSpec, Fisher, ModelSpec, RunSpec, Sampling, Scope
from gaprune_viz.errors import GapruneError
from gaprune_viz.models.loading import load_model


def test_an_analysis_of_a_model_that_changed_since(
    tiny_bert: Path, tiny_triplets: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_bert, tmp_path / "model")
    run = run_of(folder, tiny_triplets)
    place = drain(analyze(run, tmp_path / "analysis"))
    assert load_dense(Statistics.open(place)).source == str(folder.resolve())
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"gelu"', '"relu"'))
    with pytest.raises(GapruneError, match="have changed since the analysis"):
        load_dense(Statistics.open(place))


def run_of(model: Path, triplets: tuple[Path, Path]) -> RunSpec:
    domain, general = map(str, triplets)
    calibration = CalibrationSpec(domain=domain, general=general, samples=12, sampling=Sampling.ALL, scope=Scope.MLP)
    return RunSpec(model=ModelSpec(model=str(model), device="cpu"), calibration=calibration)


@pytest.mark.parametrize("steps", [0, 1, 3, 5])
def test_an_analysis_that_is_stopped_leaves_nothing(
    steps: int, tiny_bert: Path, tiny_triplets: tuple[Path, Path], tmp_path: Path
) -> None:
    work = analyze(run_of(tiny_bert, tiny_triplets), tmp_path / "analysis")
    for _ in range(steps):
        next(work)
    work.close()
    assert list(tmp_path.iterdir()) == []


def test_an_unrelated_folder_is_not_overwritten(
    tiny_bert: Path, tiny_triplets: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(GapruneError, match="is not an earlier result"):
        drain(analyze(run_of(tiny_bert, tiny_triplets), tmp_path / "thesis"))
    assert [p.name for p in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]
    assert [p.name for p in tmp_path.iterdir()] == ["thesis"]


def test_the_same_run_is_found_again_by_its_content(
    tiny_bert: Path, tiny_triplets: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAPRUNE_VIZ_WORKSPACE", str(tmp_path / "workspace"))
    run = run_of(tiny_bert, tiny_triplets)
    place = drain(analyze(run))
    written = (place / "spec.json").stat().st_mtime_ns
    # A copy of the model and of the data, under other names, and another budget: the numbers are the same.
    model = shutil.copytree(tiny_bert, tmp_path / "elsewhere")
    data = tuple(Path(shutil.copy(path, tmp_path / f"other-{path.name}")) for path in tiny_triplets)
    again = run_of(model, (data[0], data[1]))
    again = again.with_(calibration=again.calibration.with_(token_budget=64))
    assert drain(analyze(again)) == place
    assert (place / "spec.json").stat().st_mtime_ns == written
    # Projections are of no account where nothing is projected.
    assert drain(analyze(run.with_(calibration=run.calibration.with_(projections=5)))) == place
    for change in ({"temperature": 0.1}, {"fisher": Fisher.MODEL}, {"fisher": Fisher.EMBEDDING}):
        assert drain(analyze(run.with_(calibration=run.calibration.with_(**change)))) != place


def test_the_key_of_an_analysis_is_that_of_before_there_were_kinds(
    tiny_bert: Path, tiny_triplets: tuple[Path, Path]
) -> None:
    run = run_of(tiny_bert, tiny_triplets)
    model = load_model(run.model)
    sides = {side: choose_data(run, side, model) for side in ("domain", "general")}
    content = {
        "format": 1,
        "weights": model.weight_hash,
        "pooling": str(model.pooling),
        "prompts": [model.query_prompt, model.passage_prompt],
        "max_length": 128,
        "dtype": "float32",
        "calibration": {
            **{"domain_columns": None, "general_columns": None, "samples": 12, "sampling": "all"},
            **{"seed": 0, "temperature": 0.05, "scope": "mlp"},
        },
        "data": {side: chosen.source.content_hash for side, chosen in sides.items()},
    }
    text = json.dumps(content, sort_keys=True)
    assert analysis_key(run, model, sides) == hashlib.sha256(text.encode()).hexdigest()[:16]
    kinds = [run.with_(calibration=run.calibration.with_(fisher=kind)) for kind in Fisher]
    assert len({analysis_key(kind, model, sides) for kind in kinds}) == 3
