"""A real Dask cluster of two workers: the same study bit for bit, with workers and with a scheduler that are ended."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from gaprune_viz.analysis.making import analyze
from gaprune_viz.calibration.progress import drain, iterate
from gaprune_viz.config import ExecutorSpec, RecommendSpec, RunSpec, StudySpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.executors import coordinator, dask_cluster
from gaprune_viz.experiments.executors.coordinator import ran
from gaprune_viz.experiments.executors.from_address import opened
from gaprune_viz.experiments.recommend import recommend
from gaprune_viz.experiments.study.document import STUDY_FILE
from gaprune_viz.experiments.study.runner import run_study
from gaprune_viz.experiments.sweep import SweepPlan, sweep
from tests.beir_folders import write_beir
from tests.benches import SmallBench, kept, source, task
from tests.clusters import DaskCluster

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    with DaskCluster(tmp_path_factory.mktemp("dask"), 2, quick=True) as found:
        yield found


@pytest.fixture(scope="module")
def spec(tiny_bert: Path, tiny_triplets: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> StudySpec:
    """Thirteen cells with two analyses, some of them retrained."""
    from gaprune_viz.cli.studies import study_spec

    place = tmp_path_factory.mktemp("study-tasks")
    domain, general = (write_beir(place / name, shift) for name, shift in (("near", 0), ("far", 3)))
    return study_spec(
        {
            **{"model": str(tiny_bert), "device": "cpu", "samples": 12, "sampling": "all", "scope": "linear"},
            **{"domain": str(tiny_triplets[0]), "general": str(tiny_triplets[1])},
            **{"task": str(domain), "general_task": str(general), "rows": "random,magnitude", "sparsities": "0.3,0.7"},
            **{"sample_sizes": "6", "ablation": False, "retrain_steps": 2, "retrain_batch_size": 4},
        }
    )


@pytest.fixture(scope="module")
def alone(spec: StudySpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study in one process."""
    folder = tmp_path_factory.mktemp("studies") / "alone"
    drain(run_study(spec, folder))
    return folder


def test_a_sweep_and_a_search_are_those_of_one_process(
    tiny_analysis: Path, spec: StudySpec, cluster: DaskCluster, tmp_path: Path
) -> None:
    executor, tasks = ExecutorSpec(cluster=cluster.address), (spec.task, spec.general_task)
    here, there = (Path(shutil.copytree(tiny_analysis, tmp_path / name / "analysis")) for name in ("here", "there"))
    plan = SweepPlan("criteria", ("magnitude", "dai"), (0.5, 0.9), tasks)
    pd.testing.assert_frame_equal(drain(sweep(there, plan, executor=executor)), drain(sweep(here, plan)))
    search = RecommendSpec(task=spec.task, general_task=spec.general_task, trials=5)
    assert drain(recommend(there, search, executor=executor)) == drain(recommend(here, search))
    for folder in ("sweep-cells", "recommend/cells"):
        names = [sorted(place.name for place in (at / folder).glob("*.json")) for at in (here, there)]
        assert names[0] == names[1] != []


def test_a_sweep_over_samples_makes_its_analyses_in_the_shared_workspace(
    tiny_bert: Path, spec: StudySpec, cluster: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibration = spec.calibration.with_(samples=8, sampling="random")
    found = []
    for name, executor in (("here", ExecutorSpec()), ("there", ExecutorSpec(cluster=cluster.address))):
        monkeypatch.setenv("GAPRUNE_VIZ_WORKSPACE", str(tmp_path / name))
        analysis = drain(analyze(RunSpec(model=spec.model, calibration=calibration), tmp_path / f"{name}-analysis"))
        plan = SweepPlan("samples", (4, 8), (0, 1), (spec.task, spec.general_task))
        found.append(drain(sweep(analysis, plan, executor=executor)))
        assert len(list((tmp_path / name).glob("analysis-*"))) == 4
    pd.testing.assert_frame_equal(*found)


def test_two_coordinators_and_a_worker_that_is_ended_make_the_same_study(
    spec: StudySpec, alone: Path, cluster: DaskCluster, tmp_path: Path
) -> None:
    folder, failures = tmp_path / "study", list[BaseException]()

    def coordinate() -> None:
        try:
            drain(run_study(spec, folder, executor=ExecutorSpec(cluster=cluster.address)))
        except BaseException as error:
            failures.append(error)

    both = [threading.Thread(target=coordinate) for _ in range(2)]
    for one in both:
        one.start()
    until = time.monotonic() + 120
    while len(list(folder.glob("cells/*.json"))) < 3 and time.monotonic() < until:
        time.sleep(0.02)
    cluster.kill_worker()
    for one in both:
        one.join(180)
    assert failures == []
    assert (folder / STUDY_FILE).read_bytes() == (alone / STUDY_FILE).read_bytes()
    names = [sorted(place.name for place in each.glob("cells/*.json")) for each in (folder, alone)]
    assert names[0] == names[1] and not list(folder.glob("cells/*.tmp"))


def test_a_cell_that_ends_every_worker_is_given_up_and_marked(
    spec: StudySpec, cluster: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator, "AGAIN_SECONDS", (0.0, 0.0))
    with opened(ExecutorSpec(cluster=cluster.address), (tmp_path,)) as team:
        assert team is not None
        cells = [task("always", killed=99), *(task(str(n), seconds=0.05) for n in range(8))]
        failed = drain(ran(team, source(tmp_path), SmallBench(str(tmp_path)), cells))
    assert failed.keys() == {"always"} and "Every worker that tried it was ended" in failed["always"].error
    assert kept(tmp_path).keys() == set(map(str, range(8)))


def test_a_scheduler_that_is_gone_leaves_what_is_finished_and_another_one_goes_on(
    cluster: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_cluster, "MEND_SECONDS", 1)
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 5)
    cells = [task(str(n), seconds=0.2) for n in range(12)]
    place = tmp_path / "cells"
    place.mkdir()
    # The cluster of this module ends here: this test is the last one.
    with opened(ExecutorSpec(cluster=cluster.address), (place,)) as team:
        assert team is not None
        work = ran(team, source(place), SmallBench(str(place)), cells)
        for _ in iterate(work, box := []):
            if len(kept(place)) >= 3 and cluster.scheduler.poll() is None:
                cluster.kill_scheduler()
    failed = box[0]
    done = set(kept(place))
    assert 3 <= len(done) < 12 and done | failed.keys() == set(map(str, range(12)))
    assert all("is gone" in failure.error for failure in failed.values())
    with pytest.raises(GapruneError, match="Nobody answers"), opened(ExecutorSpec(cluster=cluster.address), (place,)):
        pass
    with (
        DaskCluster(tmp_path / "second", 1, quick=True) as second,
        opened(ExecutorSpec(cluster=second.address), (place,)) as team,
    ):
        assert team is not None
        assert drain(ran(team, source(place), SmallBench(str(place)), cells)) == {}
    assert kept(place).keys() == set(map(str, range(12)))
    assert all(json.loads((place / f"{n}.json").read_text())["value"] == str(n) for n in range(12))
