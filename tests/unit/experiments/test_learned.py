"""Queries that a model learns from are not asked of it: in a study, a frontier and a retraining."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from gaprune_viz.analysis.making import analyze
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import (
    CalibrationSpec,
    FrontierSpec,
    MaskSpec,
    ModelSpec,
    RetrainSpec,
    RunSpec,
    Sampling,
    Scope,
    Settings,
    StudySpec,
)
from gaprune_viz.data.schema import PlainText, Triplet
from gaprune_viz.data.triplets import load_triplets
from gaprune_viz.errors import GapruneError
from gaprune_viz.evaluation.embedding_cache import embedding_cache
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import Passage, RetrievalTask
from gaprune_viz.experiments.frontier.runner import run_frontier
from gaprune_viz.experiments.learned import refuse_learned
from gaprune_viz.experiments.retrained_export import retrain_export
from gaprune_viz.experiments.retraining_trial import Trial, try_retraining
from gaprune_viz.experiments.study.runner import run_study
from gaprune_viz.models.loading import load_model
from gaprune_viz.pruning.export import prune
from tests.beir_folders import write_beir

# Of the fifth query no hard negative is found.
SAID = "4 evaluation queries of near are calibration texts of the domain side, near, such as"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A collection that has nothing but qrels/test: it would be calibrated on what it is measured on."""
    return str(write_beir(tmp_path_factory.mktemp("learned") / "near", 0))


@pytest.fixture(scope="module")
def calibration(folder: str, tiny_triplets: tuple[Path, Path]) -> CalibrationSpec:
    return CalibrationSpec(
        domain=folder, general=str(tiny_triplets[1]), samples=4, sampling=Sampling.ALL, scope=Scope.LINEAR
    )


@pytest.fixture(scope="module")
def analysis(tiny_bert: Path, calibration: CalibrationSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = RunSpec(model=ModelSpec(model=str(tiny_bert), device="cpu"), calibration=calibration)
    return drain(analyze(run, tmp_path_factory.mktemp("learned-analysis") / "run"))


def test_case_and_blanks_make_no_other_query(folder: str) -> None:
    task = load_task(folder)
    apart = [Triplet("another", "salt in water", ("river and sea",))]
    refuse_learned([("near", task)], [("some", apart)])
    for same in (
        Triplet("What is  SALT", "a", ("b",)),
        Triplet("a", "what is salt", ("b",)),
        PlainText("What is salt"),
    ):
        with pytest.raises(GapruneError, match="1 evaluation queries of near are calibration texts of some"):
            refuse_learned([("near", task)], [("some", [same])])


def test_a_study_on_its_own_calibration_queries_is_refused(
    tiny_bert: Path, calibration: CalibrationSpec, folder: str, tmp_path: Path
) -> None:
    spec = StudySpec(
        model=ModelSpec(model=str(tiny_bert), device="cpu"),
        calibration=calibration,
        task=folder,
        general_task="general",
    )
    with pytest.raises(
        GapruneError, match=r"evaluation queries of near, test are calibration texts of the domain side"
    ):
        drain(run_study(spec, tmp_path / "study"))
    assert not list(tmp_path.glob("study/cells/*"))


def test_a_frontier_on_its_own_calibration_queries_is_refused(analysis: Path, folder: str, tmp_path: Path) -> None:
    spec = FrontierSpec(task=folder, general_task=folder, steps=0, rounds=1, rows=("dense",))
    with pytest.raises(GapruneError, match=SAID) as caught:
        drain(run_frontier(analysis, spec, tmp_path / "out"))
    assert "train split" in caught.value.hint


def test_a_retraining_on_its_own_lessons_is_refused(tiny_bert: Path, folder: str) -> None:
    model = load_model(ModelSpec(model=str(tiny_bert), device="cpu"))
    lessons = load_triplets(folder, embed=model.directions).triplets
    tasks = {"domain": load_task(folder)}
    with pytest.raises(GapruneError, match="4 evaluation queries of near are calibration texts of the lessons"):
        drain(try_retraining(Trial(), model, (), {}, lessons, RetrainSpec(steps=1), tasks, embedding_cache()))


def test_an_export_is_not_measured_on_its_own_lessons(analysis: Path, folder: str, tmp_path: Path) -> None:
    prune(analysis, Settings(mask=MaskSpec(sparsity=0.5)), tmp_path / "pruned")
    spec = RetrainSpec(steps=1, batch_size=2)
    with pytest.raises(GapruneError, match="calibration texts of the lessons"):
        drain(retrain_export(tmp_path / "pruned", spec, tmp_path / "out", task=folder))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("shared", "refused"), [(1, False), (2, True)])
def test_a_query_in_a_hundred_may_be_in_both_by_chance(shared: int, refused: bool) -> None:
    passage = Passage("p", "salt", "")
    queries = {f"q{n}": f"question {n}" for n in range(100)}
    task = RetrievalTask.of("hundred", [passage], queries, {name: {"p": 1} for name in queries})
    learned = [Triplet(f"question {n}", "an answer", ("another",)) for n in range(shared)]
    with pytest.raises(GapruneError, match=f"{shared} evaluation queries") if refused else nullcontext():
        refuse_learned([("hundred", task)], [("the domain", learned)])
    with pytest.raises(GapruneError, match=f"{shared} evaluation queries"):
        refuse_learned([("hundred", task)], [("the domain", learned)], few=0)
