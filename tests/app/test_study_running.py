"""Running a study from the Study tab: described by the page, estimated, run, stopped, gone on with; never in public."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gaprune_viz.app.frame import experiment
from gaprune_viz.app.page import Page
from gaprune_viz.app.session.access import Access, Visitor, visit
from gaprune_viz.app.tabs.study.finished_studies import study_choices
from gaprune_viz.app.tabs.study.run_panel import described
from gaprune_viz.config import ExecutorSpec, Sampling, ServeSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.study.document import open_study
from gaprune_viz.jobs import watched_work
from tests.app.conftest import Held, told
from tests.beir_folders import write_beir

SESSION = "study-session"
REQUEST: Any = SimpleNamespace(session_hash=SESSION)


@pytest.fixture
def asked(
    page: Page,
    held: Held,
    tiny_bert: Path,
    tiny_triplets: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., dict[Any, Any]]:
    """What a page holds that asks for a study of three cells on the tiny model."""
    monkeypatch.setenv("GAPRUNE_VIZ_WORKSPACE", str(tmp_path / "workspace"))
    panel, side = page.tabs["study"].parts.running, page.frame.sidebar.controls
    usual = {
        side["model"]: str(tiny_bert),
        side["domain"]: str(tiny_triplets[0]),
        side["general"]: str(tiny_triplets[1]),
        side["samples"]: 8,
        side["sampling"]: Sampling.RANDOM,
        panel.task: str(write_beir(tmp_path / "near", 0)),
        panel.general_task: str(write_beir(tmp_path / "far", 3)),
        panel.rows: ["magnitude", "random"],
        panel.sparsities: "0.5",
        panel.retrained: False,
        panel.ablation: False,
    }
    return lambda **changed: held(others={**usual, **{getattr(panel, name): value for name, value in changed.items()}})


def handlers(page: Page) -> tuple[Any, Callable[..., Any], Callable[..., Any]]:
    """The panel, and what its two buttons do."""
    parts, frame = page.tabs["study"].parts, page.frame
    panel = parts.running.experiment

    def describe(values: Any) -> Any:
        return described(parts.running, frame, values)

    return (
        panel,
        experiment.estimating(panel, "study", describe),
        experiment.running(panel, "study", describe, lambda _: {}),
    )


@pytest.mark.slow
def test_a_study_is_foreseen_run_stopped_and_gone_on_with(page: Page, asked: Callable[..., dict[Any, Any]]) -> None:
    panel, estimate, run = handlers(page)
    values = asked(name="own")
    assert "3 cells, 1 analysis: about" in told(estimate(values, REQUEST), panel.progress)[-1]
    stopped, cells = list[str](), list[Any]()
    for step in run(values, REQUEST):
        stopped += told([step], panel.progress)
        if any("%" in text for text in stopped):
            watched_work.stop(SESSION)
    assert "Finished cells are kept" in stopped[-1]
    for step in run(values, REQUEST):
        cells += [step[panel.cells]["value"]] if panel.cells in step else []
        last = told([step], panel.progress) or ["Done."]
    assert "Done." in last[-1]
    place = described(page.tabs["study"].parts.running, page.frame, values).folder
    assert open_study(place)["cells"] == {"measured": 3, "planned": 3} and ("own", "own:study-own") in study_choices()
    assert set(cells[-1]["Row"]) <= {"dense", "magnitude", "random"} and len(cells[-1]) > 0


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": ""}, "A study needs a name"),
        ({"name": "../x"}, "A study needs a name"),
        ({"name": "a/b"}, "A study needs a name"),
        ({"rows": []}, "rows: "),
        ({"sparsities": "lots"}, "is not a list of numbers"),
        ({"sparsities": "0.99"}, "at most 0.95"),
        ({"task": ""}, "task: "),
    ],
)
def test_a_study_that_makes_no_sense_is_one_line(
    changed: dict[str, Any], words: str, page: Page, asked: Callable[..., dict[Any, Any]]
) -> None:
    panel, _, run = handlers(page)
    assert words in told(run(asked(**changed), REQUEST), panel.progress)[-1]


def test_a_public_page_runs_none_and_a_server_with_a_cluster_runs_it_there(
    page: Page, asked: Callable[..., dict[Any, Any]]
) -> None:
    panel, _, run = handlers(page)
    with visit(Visitor(Access(ServeSpec(public=True)), SESSION)):
        assert "runs no experiments" in told(run(asked(), REQUEST), panel.progress)[-1]
    spec = ServeSpec(cluster="dask://somewhere:8786")
    with visit(Visitor(Access(spec), SESSION)):
        assert experiment.executor_of(panel, {panel.jobs: 3}) == ExecutorSpec(cluster="dask://somewhere:8786")
    assert experiment.executor_of(panel, {panel.jobs: 3}) == ExecutorSpec(jobs=3)
    with pytest.raises(GapruneError, match="jobs: "):
        experiment.executor_of(panel, {panel.jobs: 999})


def test_a_cluster_of_the_server_may_be_named_by_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPRUNE_VIZ_CLUSTER", "ray://there:10001")
    assert ServeSpec.here().cluster == "ray://there:10001"
    assert ServeSpec.here(cluster="dask://here:1").cluster == "dask://here:1"
