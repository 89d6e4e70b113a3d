"""Work in a process of its own: the same numbers, and nothing of them outlives a stop or a death."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from gaprune_viz.analysis.making import analyze
from gaprune_viz.analysis.opening import open_analysis, verify_analysis
from gaprune_viz.calibration.progress import Progress, drain
from gaprune_viz.config import CalibrationSpec, ModelSpec, RunSpec
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.experiments.cells import SWEEP_CELLS
from gaprune_viz.experiments.sweep import SweepPlan
from gaprune_viz.experiments.sweep import sweep as sweep_here
from gaprune_viz.jobs import process
from gaprune_viz.jobs.messages import unpack
from gaprune_viz.jobs.process import analysis, ready, sweep
from tests.app.served import wait_for
from tests.beir_folders import write_beir
from tests.system import alive

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of the test's own, which hosts that wait did not have when they began; one of them at most."""
    monkeypatch.setenv("GAPRUNE_VIZ_WORKSPACE", str(tmp_path / "workspace"))
    for host in process._hosts[1:]:
        host.close()
    return tmp_path / "workspace"


@pytest.fixture
def run(tiny_bert: Path, tiny_triplets: tuple[Path, Path]) -> RunSpec:
    domain, general = map(str, tiny_triplets)
    return RunSpec(
        model=ModelSpec(model=str(tiny_bert), device="cpu"),
        calibration=CalibrationSpec(domain=domain, general=general, samples=6),
    )


def never() -> bool:
    return False


def long(run: RunSpec) -> RunSpec:
    """A run of many batches."""
    return run.model_copy(
        update={"calibration": CalibrationSpec(domain="finance", general="general", samples=200, token_budget=512)}
    )


def until_computing(work: Generator[Progress, None, Path]) -> process.Host:
    """Go on until batches are computed; the host that computes them."""
    while not (step := next(work)).stage.startswith("Calibrating") or not step.done:
        pass
    (host,) = (host for host in process._hosts if host.computing)
    return host


def test_it_is_the_analysis_that_this_process_would_make(place: Path, run: RunSpec, tmp_path: Path) -> None:
    steps: list[Progress] = []
    work = analysis(run, never)
    try:
        while True:
            steps.append(next(work))
    except StopIteration as end:
        folder = end.value
    assert folder.parent == place
    writing = [step for step in steps if step.stage == "Writing"]
    assert writing[-1] is steps[-1]
    # Told as it goes: what comes after the last batch is a large part of a short analysis.
    assert len(writing) > 2
    assert all(a.done <= b.done < b.total == a.total for a, b in pairwise(writing))
    assert verify_analysis(folder)["tensors"] > 0
    here = open_analysis(drain(analyze(run, tmp_path / "here")))
    there = open_analysis(folder)
    assert there.key == here.key
    assert there.summary.equals(here.summary)
    assert there.statistics.document["checksums"]["tensors"] == here.statistics.document["checksums"]["tensors"]


def test_a_sweep_gives_the_table_that_this_process_would_make(place: Path, tiny_analysis: Path, tmp_path: Path) -> None:
    tasks = (str(write_beir(tmp_path / "near", 0)), str(write_beir(tmp_path / "far", 3)))
    plan = SweepPlan("kappa", (1.0, "auto"), (0.0, 1.0), tasks)
    here, there = (Path(shutil.copytree(tiny_analysis, tmp_path / name)) for name in ("here", "there"))
    found = drain(sweep(there, plan, never))
    pd.testing.assert_frame_equal(found, drain(sweep_here(here, plan)))
    cells = [{cell.name for cell in (folder / SWEEP_CELLS).iterdir()} for folder in (here, there)]
    assert cells[0] == cells[1]


def test_a_host_is_used_again(place: Path, run: RunSpec) -> None:
    drain(analysis(run, never))
    (host,) = process._hosts
    ready()
    drain(analysis(run, never))
    assert process._hosts == [host]


def test_two_at_once_have_a_host_each(place: Path, run: RunSpec) -> None:
    first = analysis(long(run), never)
    host = until_computing(first)
    second = analysis(run, never)
    assert drain(second).is_dir()
    assert [one is host for one in process._hosts] == [True, False]
    first.close()


def test_a_stopped_one_leaves_nothing_and_its_host_goes_on(place: Path, run: RunSpec) -> None:
    began: list[int] = []
    work = analysis(long(run), lambda: bool(began))
    host = until_computing(work)
    pid = host.computing
    assert list(place.glob(".unfinished-*"))
    began.append(1)
    with pytest.raises(Cancelled):
        drain(work)
    assert pid is not None
    assert not alive(pid)
    assert not list(place.glob(".unfinished-*"))
    assert not list(place.glob("analysis-*"))
    assert host.alive
    assert drain(analysis(run, never)).is_dir()
    assert process._hosts == [host]


@pytest.mark.parametrize("gives_way", [False, True])
def test_a_run_of_a_page_of_many_people_comes_last_on_the_machine(place: Path, run: RunSpec, gives_way: bool) -> None:
    work = analysis(long(run), never, gives_way=gives_way)
    host = until_computing(work)
    assert host.computing is not None
    niceness = [os.getpriority(os.PRIO_PROCESS, pid) for pid in (os.getpid(), host.process.pid, host.computing)]
    # Where the tests run with a low priority, it goes on from there.
    assert niceness[1:] == [max(niceness[0], 5), 19 if gives_way else max(niceness[0], 10)]
    work.close()


def test_closing_it_stops_it(place: Path, run: RunSpec) -> None:
    work = analysis(long(run), never)
    pid = until_computing(work).computing
    work.close()
    assert pid is not None
    assert not alive(pid)
    assert not list(place.glob(".unfinished-*"))


def test_one_that_does_not_tidy_up_in_time_is_killed(
    place: Path, run: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "GRACE_SECONDS", 2.0)
    work = analysis(long(run), never)
    host = until_computing(work)
    assert host.computing is not None
    pid = host.computing
    os.kill(pid, signal.SIGSTOP)
    work.close()
    assert not alive(pid)
    assert host.alive


@pytest.mark.parametrize("host_too", [False, True])
def test_one_that_the_system_ends_is_said_to_be_and_the_next_one_runs(
    place: Path, run: RunSpec, host_too: bool
) -> None:
    earlier = drain(analysis(run, never))
    work = analysis(long(run), never)
    host = until_computing(work)
    assert host.computing is not None
    if host_too:
        host.process.kill()
    os.kill(host.computing, signal.SIGKILL)
    with pytest.raises(
        GapruneError, match=r"was ended \(signal 9, Killed\); earlier results and finished cells are kept"
    ) as said:
        drain(work)
    assert "If memory ran out" in said.value.hint
    assert verify_analysis(earlier)
    assert drain(analysis(run, never)) == earlier


def test_what_a_person_can_put_right_is_told_with_its_hint(place: Path, run: RunSpec) -> None:
    wrong = run.model_copy(update={"model": ModelSpec(model="./nowhere")})
    with pytest.raises(GapruneError) as here:
        drain(analyze(wrong))
    with pytest.raises(GapruneError) as there:
        drain(analysis(wrong, never))
    assert (there.value.message, there.value.hint) == (here.value.message, here.value.hint)


def test_what_nobody_foresaw_comes_with_its_own_traceback(place: Path, run: RunSpec) -> None:
    with pytest.raises(process.Unforeseen) as error:
        drain(analysis(run.model_copy(update={"calibration": None}), never))
    assert "model_validate" in error.value.__notes__[0]


def test_it_reads_names_as_this_process_does(
    place: Path, run: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = Path(run.calibration.domain)
    monkeypatch.chdir(domain.parent)
    near = run.model_copy(update={"calibration": run.calibration.model_copy(update={"domain": domain.name})})
    assert drain(analysis(near, never)) == drain(analyze(run))


def test_where_no_process_starts_it_says_so(place: Path, run: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_hosts", [])
    monkeypatch.setattr(process.sys, "executable", "/nowhere/python")
    with pytest.raises(GapruneError, match="No process can be started for this work: No such file"):
        drain(analysis(run, never))


def test_a_host_that_ends_at_once_is_an_error_and_not_kept(
    place: Path, run: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_hosts", [])
    monkeypatch.setattr(process, "HOST", "gaprune_viz.jobs.nowhere")
    with pytest.raises(GapruneError, match=r"was ended \(status 1\)"):
        drain(analysis(run, never))
    assert not any(host.alive for host in process._hosts)


def test_without_fork_a_host_answers_one_request_and_ends(place: Path, run: RunSpec) -> None:
    script = "from gaprune_viz.jobs import host; host.FORKS = False; host.main()"
    asked = {"work": "analysis", "values": {"run": run.model_dump(mode="json")}, "gives_way": False}
    request = {**asked, "environment": dict(os.environ), "folder": str(Path.cwd())}
    ended = subprocess.run(
        [sys.executable, "-c", script], input=2 * (json.dumps(request) + "\n"), capture_output=True, text=True
    )
    answers = [json.loads(line) for line in ended.stdout.splitlines() if line]
    assert [next(iter(answer)) for answer in answers if "step" not in answer] == ["pid", "result"]
    assert verify_analysis(Path(unpack(answers[-1]["result"])))
    assert ended.returncode == 0


def test_it_ends_when_who_asked_is_killed(place: Path, run: RunSpec, tmp_path: Path) -> None:
    script = tmp_path / "ask.py"
    # Not guarded against being imported: nobody imports it anew.
    script.write_text(
        "import sys\n"
        "from gaprune_viz.config import RunSpec\n"
        "from gaprune_viz.jobs import process\nfrom gaprune_viz.jobs.process import analysis\n"
        "work = analysis(RunSpec.model_validate_json(sys.argv[1]), lambda: False)\n"
        "for step in work:\n"
        "    host = process._hosts[0]\n"
        "    if host.computing and step.stage.startswith('Calibrating') and step.done:\n"
        "        print(host.process.pid, host.computing, flush=True)\n"
    )
    asking = subprocess.Popen(
        [sys.executable, str(script), long(run).model_dump_json()], stdout=subprocess.PIPE, text=True
    )
    assert asking.stdout is not None
    pids = [int(pid) for pid in asking.stdout.readline().split()]
    assert len(pids) == 2
    asking.kill()
    asking.wait()
    wait_for(lambda: not any(map(alive, pids)))
    assert not list(place.glob(".unfinished-*"))
