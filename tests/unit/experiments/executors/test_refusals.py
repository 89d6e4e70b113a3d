"""Executors that cannot be had: one line each, before any work."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from gaprune_viz.experiments.cells import SWEEP_CELLS
from tests.commands import Run


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--jobs", "0"], "jobs: "),
        (["--jobs", "-3"], "jobs: "),
        (["--jobs", "999"], "jobs: "),
        (["--jobs", "250"], "250 workers are more than this machine has use for"),
        (["--jobs", "2", "--cluster", "dask://127.0.0.1:1"], "give one of them"),
        (["--cluster", "slurm://somewhere"], "the scheme 'slurm' is not known"),
        (["--cluster", "127.0.0.1:8786"], "dask://HOST:PORT"),
        (["--cluster", "dask://"], "dask://HOST:PORT"),
    ],
)
@pytest.mark.parametrize("command", ["study", "sweep", "transfer"])
def test_a_wrong_executor_is_one_line(
    command: str, words: list[str], told: str, run: Run, tmp_path: Path, tiny_analysis: Path
) -> None:
    own = ["sweep", str(tiny_analysis)] if command == "sweep" else [command, "--out", str(tmp_path / "s")]
    assert told in run(*own, *words).refusal()
    assert not (tmp_path / "s").exists() and not (tiny_analysis / SWEEP_CELLS).exists()


def test_a_scheduler_that_nobody_reaches_is_one_line(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gaprune_viz.experiments.executors import dask_cluster

    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"dask://127.0.0.1:{free.getsockname()[1]}"
    assert "Nobody answers as a Dask scheduler" in run("study", "--out", tmp_path / "s", "--cluster", address).refusal()
    missing = f"dask://{tmp_path / 'scheduler.json'}"
    assert "Nobody answers as a Dask scheduler" in run("study", "--out", tmp_path / "s", "--cluster", missing).refusal()
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(("package", "extra"), [("distributed", "dask"), ("ray", "ray")])
def test_an_extra_that_is_not_installed_is_one_line(
    package: str, extra: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    told = run("study", "--out", tmp_path / "s", "--cluster", f"{extra}://127.0.0.1:1").refusal()
    assert f"needs the package {package}" in told and f"gaprune-viz[{extra}]" in told
