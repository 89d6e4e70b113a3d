"""The search for settings: what it tries, what it must not see, what it reports, and saved presets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gaprune_viz.analysis.exact_scores import exact_scope, load_dense
from gaprune_viz.calibration.progress import drain
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import RecommendSpec, ScoreSpec, Settings
from gaprune_viz.config.presets import PRESETS
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.retrieval import evaluate
from gaprune_viz.evaluation.splits import validation_and_test
from gaprune_viz.evaluation.tasks import encode_task
from gaprune_viz.experiments import recommend as module
from gaprune_viz.experiments import search_bench
from gaprune_viz.experiments.recommend import recommend
from gaprune_viz.experiments.saved_presets import find_preset, save_preset, saved_presets
from gaprune_viz.pruning.applying import masked
from tests.beir_folders import write_beir
from tests.commands import Run


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    place = tmp_path_factory.mktemp("tasks")
    return str(write_beir(place / "near", 0)), str(write_beir(place / "far", 3))


@pytest.fixture(scope="module")
def spec(tasks: tuple[str, str]) -> RecommendSpec:
    return RecommendSpec(task=tasks[0], general_task=tasks[1], sparsity=0.6, trials=9)


@pytest.fixture(scope="module")
def analysis(tiny_analysis: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(tiny_analysis, tmp_path_factory.mktemp("recommend") / "analysis"))


@pytest.fixture(scope="module")
def found(analysis: Path, spec: RecommendSpec) -> dict[str, Any]:
    return drain(recommend(analysis, spec))


def test_the_best_trial_wins_and_no_setting_is_tried_twice(found: dict[str, Any], spec: RecommendSpec) -> None:
    trials = found["trials"]
    assert len(trials) == spec.trials
    assert ScoreSpec.parse(trials[0]["score"]) == PRESETS["balanced"].settings.score
    assert len({json.dumps(trial["score"], sort_keys=True) for trial in trials}) == spec.trials
    best = max(trials, key=lambda trial: trial["objective"])
    assert found["settings"]["score"] == best["score"]
    for trial in trials:
        expected = 0.75 * trial["of_dense"]["domain"] + 0.25 * trial["of_dense"]["general"]
        assert trial["objective"] == pytest.approx(expected, abs=1e-4)


def test_the_search_never_sees_the_test_queries(
    analysis: Path, spec: RecommendSpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fresh = Path(shutil.copytree(analysis, tmp_path / "fresh", ignore=shutil.ignore_patterns("recommend")))
    seen: set[str] = set()
    plain = search_bench.encode_task
    work = recommend(fresh, spec)
    monkeypatch.setattr(search_bench, "encode_task", lambda m, task: (seen.add(task.content_hash), plain(m, task))[1])
    while not next(work).stage.startswith("Test"):
        pass
    work.close()
    hashes = {
        task.content_hash for source in (spec.task, spec.general_task) for task in validation_and_test(source)[:1]
    }
    assert seen == hashes


def test_the_numbers_are_those_of_the_test_part(found: dict[str, Any], analysis: Path, spec: RecommendSpec) -> None:
    statistics = Statistics.open(analysis)
    model = load_dense(statistics)
    scope, targets = exact_scope(statistics, model)
    task = validation_and_test(spec.task)[1]
    dense = evaluate(task, *encode_task(model, task)).means["ndcg_at_10"]
    with masked(model, targets, scope.masks(Settings.parse(found["settings"])).masks):
        pruned = evaluate(task, *encode_task(model, task)).means["ndcg_at_10"]
    row = found["test"][0]
    assert row["row"] == "recommended"
    assert row["domain"]["of_dense"] == pytest.approx(100 * pruned / dense, abs=1e-3)
    assert found["queries"]["domain"] == len(task.queries)
    assert f"keep {row['domain']['of_dense']:.1f} % of dense" in found["sentence"]
    assert [r["row"] for r in found["test"][1:]] == list(module.COMPARED)


def test_a_search_that_was_stopped_measures_nothing_twice(
    found: dict[str, Any], analysis: Path, spec: RecommendSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> np.ndarray:
        raise AssertionError("encoded again")

    monkeypatch.setattr(search_bench, "encode_task", refuse)
    assert drain(recommend(analysis, spec)) == found


def test_the_command_saves_the_winner_as_a_preset(
    found: dict[str, Any],
    analysis: Path,
    spec: RecommendSpec,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("GAPRUNE_VIZ_WORKSPACE", str(tmp_path))
    words = ["recommend", str(analysis), "--task", spec.task, "--general-task", spec.general_task]
    words += ["--sparsity", "0.6", "--trials", "9", "--save", "mine", "--json"]
    assert run(*words).json() == found
    assert find_preset("mine").settings == Settings.parse(found["settings"])
    assert find_preset("mine").sentence == found["sentence"]
    assert find_preset("balanced") is PRESETS["balanced"]


@pytest.mark.parametrize("name", ["balanced", "", "Mine", "../up", "a" * 41, "a b"])
def test_a_preset_name_that_cannot_be(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GAPRUNE_VIZ_WORKSPACE", str(tmp_path))
    with pytest.raises(GapruneError, match="cannot be the name of a preset"):
        save_preset(name, Settings(), "")
    assert saved_presets() == {}


def test_damaged_presets_are_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GAPRUNE_VIZ_WORKSPACE", str(tmp_path))
    save_preset("mine", Settings(), "A sentence.")
    save_preset("yours", Settings(), "Another.")
    assert list(saved_presets()) == ["mine", "yours"]
    with pytest.raises(GapruneError, match=r"no preset 'ours'.* mine, yours"):
        raise_whole("ours")
    (tmp_path / "presets.json").write_text("[]")
    with pytest.raises(GapruneError, match="damaged"):
        find_preset("mine")


def raise_whole(name: str) -> None:
    """Message and hint in one, so that both are matched."""
    try:
        find_preset(name)
    except GapruneError as error:
        raise GapruneError(str(error)) from error


ASKED = [f"what is {word}" for word in ("a bond", "yield", "credit", "a share", "stock", "a fund", "tax", "a loan")]


def decoys(folder: Path, hopeless: set[str]) -> Path:
    """Eight queries, `q0` to `q7`, each with one answer of the same words.

    Args:
        hopeless: queries whose answer has other words, and before it lie eleven passages of the query's own.
    """
    (folder / "qrels").mkdir(parents=True)
    corpus, lines = [], ["query-id\tcorpus-id\tscore"]
    for i, text in enumerate(ASKED):
        none = f"q{i}" in hopeless
        corpus += [{"_id": f"q{i}c{n}", "title": "", "text": text} for n in range(11 if none else 0)]
        corpus.append({"_id": f"a{i}", "title": "", "text": "molecules of water" if none else text})
        lines.append(f"q{i}\ta{i}\t1")
    queries = [{"_id": f"q{i}", "text": text} for i, text in enumerate(ASKED)]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("side", ["task", "general_task"])
@pytest.mark.parametrize("part", ["validation", "test"])
def test_percent_of_nothing_is_refused(
    analysis: Path, spec: RecommendSpec, tmp_path: Path, side: str, part: str
) -> None:
    parts = validation_and_test(str(decoys(tmp_path / "answerable", set())))
    hopeless = decoys(tmp_path / "hopeless", set(parts[part == "test"].judged))
    work, stages = recommend(analysis, spec.with_(**{side: str(hopeless)})), []
    with pytest.raises(GapruneError, match=rf"hopeless.*, {part}: the dense model has no answer") as raised:
        for step in work:
            stages.append(step.stage)
    assert raised.value.hint
    assert stages[-1] == {"validation": "Validation", "test": "Test: dense"}[part]


def test_the_worst_side_is_what_counts_where_it_is_asked_for(analysis: Path, spec: RecommendSpec) -> None:
    document = drain(recommend(analysis, spec.with_(objective="worst")))
    trials = document["trials"]
    assert all(trial["objective"] == pytest.approx(min(trial["of_dense"].values())) for trial in trials)
    best = max(trials, key=lambda trial: trial["objective"])
    assert document["settings"]["score"] == best["score"]
    assert {trial["score"]["fisher_estimate"] for trial in trials} == {"raw", "rank_one"}
    assert min(trial["score"]["beta"] for trial in trials) < 0


def test_the_objective_came_later_and_leaves_old_keys_as_they_are(spec: RecommendSpec) -> None:
    assert "objective" not in spec.content()
    assert spec.with_(objective="worst").key() != spec.key()
