"""Threads: as many as there are processors for this process, and none that spins while it waits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gaprune_viz.jobs import threads


@pytest.mark.parametrize(
    ("text", "expected"),
    [("200000 100000", 2), ("150000 100000", 2), ("50000 100000", 1), ("max 100000", None), ("garbage", None)],
)
def test_the_quota_of_a_container_is_kept(
    text: str, expected: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    (tmp_path / "cpu.max").write_text(text + "\n")
    assert threads.processors(tmp_path) == (64 if expected is None else expected)


@pytest.mark.parametrize(("quota", "expected"), [("400000", 4), ("-1", 64)])
def test_so_is_that_of_the_first_version(
    quota: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert threads.processors(tmp_path) == expected


def test_affinity_counts_where_there_is_no_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5, 6})
    assert threads.processors(tmp_path) == 3


def test_what_a_person_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "processors", lambda: 2)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    given = {"OMP_NUM_THREADS": "7", "OMP_WAIT_POLICY": "ACTIVE"}
    threads.settle(given)
    assert (given["OMP_NUM_THREADS"], given["OMP_WAIT_POLICY"]) == ("7", "ACTIVE")
    assert given["RAYON_NUM_THREADS"] == "2"


def test_a_machine_of_ones_own_is_left_to_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "processors", lambda: 8)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    given: dict[str, str] = {}
    threads.settle(given)
    assert given == threads.WAITING


def test_the_command_line_settles_it_before_libraries_are_loaded() -> None:
    code = (
        "import sys\n"
        "from gaprune_viz.jobs import threads\n"
        "settle = threads.settle\n"
        "def seen(*given):\n"
        "    print('torch' in sys.modules, 'numpy' in sys.modules)\n"
        "    settle(*given)\n"
        "threads.settle = seen\n"
        "sys.argv = ['gaprune-viz', '--help']\n"
        "from gaprune_viz.cli import main\n"
        "main()\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout
    assert out.startswith("False False\n")
