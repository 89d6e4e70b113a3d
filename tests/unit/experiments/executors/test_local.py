"""Processes on this machine: one that is ended costs its own cell's try, and nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from threadpoolctl import threadpool_info

from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import ExecutorSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.executors import coordinator
from gaprune_viz.experiments.executors.coordinator import ran
from gaprune_viz.experiments.executors.devices import GPUS, THREADS, share, take_threads
from gaprune_viz.experiments.executors.from_address import opened
from gaprune_viz.experiments.executors.local import LocalPool
from tests.benches import SmallBench, kept, source, task

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinator, "AGAIN_SECONDS", (0.0, 0.0))


def alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def test_a_cell_that_ends_its_worker_is_tried_again_and_given_up(tmp_path: Path) -> None:
    cells = [task("once", killed=1), task("always", killed=99), *(task(str(n)) for n in range(6))]
    bench = SmallBench(str(tmp_path))
    with opened(ExecutorSpec(jobs=2), (tmp_path,)) as team:
        assert team is not None and team.pool.label == "2 processes"
        failed = drain(ran(team, source(tmp_path), bench, cells))
    assert failed.keys() == {"always"} and "ended its worker" in failed["always"].error
    assert kept(tmp_path).keys() == {"once", *map(str, range(6))}
    assert bench.begun("once") == 2 and bench.begun("always") == 3
    assert all(bench.begun(str(n)) == 1 for n in range(6))


def test_closing_ends_the_workers_and_keeps_what_is_finished(tmp_path: Path) -> None:
    with opened(ExecutorSpec(jobs=2), (tmp_path,)) as team:
        assert team is not None
        cells = [task("quick"), task("long", seconds=60.0), task("longer", seconds=60.0)]
        work = ran(team, source(tmp_path), SmallBench(str(tmp_path)), cells)
        for _ in work:
            if (tmp_path / "long.begun").exists() and (tmp_path / "longer.begun").exists():
                break
        pids = [int((tmp_path / f"{name}.begun").read_text()) for name in ("long", "longer")]
        began = time.monotonic()
        work.close()
    assert time.monotonic() - began < 20
    assert kept(tmp_path) == {"quick": "quick"} and not any(map(alive, pids))


def test_a_worker_has_the_surroundings_of_whoever_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are forked from a process that may be older than what was set since, and has the threads of all."""
    for value in ("earlier", "later", None):
        if value is None:
            monkeypatch.delenv("GAPRUNE_VIZ_PROBE")
        else:
            monkeypatch.setenv("GAPRUNE_VIZ_PROBE", value)
        pool = LocalPool(2)
        try:
            assert pool.submit(os.getenv, "GAPRUNE_VIZ_PROBE").result(120) == value
            assert pool.submit(os.getenv, THREADS).result(120) == "1"
        finally:
            pool.close()


def test_a_worker_keeps_to_its_share_of_the_threads() -> None:
    """Those of numpy's library too, which is loaded before the share is known."""
    pool = LocalPool(2)
    try:
        place = pool._places[0]
        place.submit(take_threads).result(120)
        assert place.submit(torch.get_num_threads).result(120) == 1
        assert {library["num_threads"] for library in place.submit(threadpool_info).result(120)} == {1}
    finally:
        pool.close()


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv(GPUS, "GPU-a,GPU-b")
    yield


def test_each_worker_has_a_gpu_of_its_own(two_gpus: None) -> None:
    pool = LocalPool(2)
    assert [place._surroundings[GPUS] for place in pool._places] == ["GPU-a", "GPU-b"]
    with pytest.raises(GapruneError, match="it has 2 GPUs"):
        LocalPool(3)
    pool.close()


def test_threads_are_shared_out() -> None:
    assert share(3, 8)["OMP_NUM_THREADS"] == "2"
    assert set(share(4, 2).values()) == {"1"}
