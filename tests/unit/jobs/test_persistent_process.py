"""Work in the process that stays: what it gives, what it keeps, and what is left when it is stopped or killed."""

from __future__ import annotations

import json
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gaprune_viz.analysis.opening import open_analysis
from gaprune_viz.calibration.progress import Progress, drain
from gaprune_viz.config import MaskSpec, RefitSpec, RetrainSpec, Settings, Structure, StructureSpec, StudySpec
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.jobs import process
from gaprune_viz.jobs.messages import unpack
from gaprune_viz.jobs.process import lasting
from gaprune_viz.jobs.works import searching
from gaprune_viz.jobs.works.memory_cache import masks_under
from gaprune_viz.jobs.works.registry import WORKS
from gaprune_viz.jobs.works.work_context import quiet
from gaprune_viz.masking.neuron_masks import losses_of
from tests.app.served import wait_for
from tests.system import address_space, alive, family

pytestmark = pytest.mark.slow
SETTINGS = Settings(mask=MaskSpec(sparsity=0.6))
COMPARE = {"source": "chemistry", "pick": None, "text": "why does ice float"}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of the test's own; one host at most."""
    monkeypatch.setenv("GAPRUNE_VIZ_WORKSPACE", str(tmp_path / "workspace"))
    for host in process._hosts[1:]:
        host.close()
    return tmp_path / "workspace"


def never() -> bool:
    return False


def on(folder: Path, **values: Any) -> dict[str, Any]:
    return {"analysis": str(folder), "settings": SETTINGS.model_dump(mode="json"), **values}


def staying() -> int:
    """The process that stays; there is one, and it has nothing to do."""
    host = next(host for host in process._hosts if host.alive)
    (pid,) = family(host.process.pid)[1:]
    return pid


def kinds(folder: Path, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """Every work, on small values."""
    name = open_analysis(folder).statistics.names[1]
    run = open_analysis(folder).run.model_dump(mode="json")
    spec = RetrainSpec(steps=2, batch_size=4).model_dump(mode="json")
    study = StudySpec.parse({**run, "rows": ("paper",), "sample_sizes": ()}).model_dump(mode="json")
    return {
        "prepare": {"analysis": str(folder)},
        "foresee": {"analysis": str(folder)},
        "plan": {"run": run, "refit": RefitSpec(refit=True).model_dump(mode="json")},
        "experiment_plan": {"name": "study", "spec": study},
        # Settings that nobody has compared under: the first ranking comes before the whole one.
        "compare": {
            **on(folder, **COMPARE),
            "settings": Settings(mask=MaskSpec(sparsity=0.6173)).model_dump(mode="json"),
        },
        "rerank": on(folder, asked={"source": "chemistry", "pick": "", "text": "a bond"}),
        "surprise": on(folder, source="chemistry"),
        "measure": on(folder, sources=["chemistry"]),
        "sides": on(folder, source="chemistry"),
        "lesson": on(folder, whole=True),
        "look": on(folder, name=name, what="score", window=None),
        "explain": on(folder, name=name, row=1, column=2),
        "export": on(folder, file=str(tmp_path / "packed")),
        "latency": on(folder),
        "timing": {
            **on(folder),
            "settings": Settings(structure=StructureSpec(structure=Structure.LAYERS)).model_dump(mode="json"),
        },
        "speed": on(folder),
        "benchmark": on(folder, names=["starter:chemistry"], kept=""),
        "agreement": on(folder),
        "retrain": on(folder, spec=spec, source="chemistry", control=False),
    }


def tensors_in(value: Any) -> bool:
    """Whether it would take a tensor or a model along: pickled, they name the modules that make them."""
    return any(name in pickle.dumps(value) for name in (b"torch._utils", b"torch.nn"))


class Asking(threading.Thread):
    """Somebody who waits for a work, whatever becomes of it."""

    def __init__(self, work: str, values: dict[str, Any], stopped: Callable[[], bool] = never) -> None:
        super().__init__(daemon=True)
        self.steps: list[Progress] = []
        self.error: BaseException | None = None
        self.asked = (work, values, stopped)
        self.start()

    def run(self) -> None:
        try:
            for step in lasting(*self.asked):
                self.steps.append(step)
        except (GapruneError, Cancelled) as error:
            self.error = error


def computing() -> bool:
    return any(host.computing for host in process._hosts)


def test_it_is_what_this_process_would_find_and_what_the_page_counts(tiny_analysis: Path) -> None:
    found, counted = drain(lasting("compare", on(tiny_analysis, **COMPARE), never))
    analysis = open_analysis(tiny_analysis)
    here = searching.compare_query(analysis, SETTINGS, "chemistry", None, str(COMPARE["text"]), quiet, never)
    assert [(p.id, p.dense_rank, p.pruned_rank) for p in found.sides.pruned] == [
        (p.id, p.dense_rank, p.pruned_rank) for p in here.sides.pruned
    ]
    masks = searching.KEPT.masks(analysis, SETTINGS).masks
    (key,) = counted
    assert key == masks_under(analysis, SETTINGS)
    assert counted[key].losses == losses_of(masks, analysis.statistics.matrices)
    assert counted[key].sparsity == pytest.approx(0.6, abs=1e-4)


def test_every_kind_of_work_leaves_its_process_there_and_gives_plain_values(
    tiny_analysis: Path, tmp_path: Path
) -> None:
    asked = kinds(tiny_analysis, tmp_path)
    assert set(asked) == set(WORKS)
    drain(lasting("prepare", asked["prepare"], never))
    pid, parts = staying(), []
    for work, values in asked.items():
        result, _ = drain(lasting(work, values, never, heard=parts.append))
        assert staying() == pid, work
        assert not tensors_in(result), work
    assert {type(part).__name__ for part in parts} == {"Score", "Curves", "Ranked"}
    assert not tensors_in(parts)
    assert Path(f"{tmp_path}/packed.zip").is_file()


def test_killed_while_it_works_it_says_so_and_the_next_click_works(tiny_analysis: Path) -> None:
    asking = Asking("retrain", long(tiny_analysis))
    wait_for(lambda: any(step.stage.startswith("Retraining") or step.done for step in asking.steps))
    pid = next(host.computing for host in process._hosts if host.computing)
    os.kill(pid, signal.SIGKILL)
    asking.join(60)
    assert isinstance(asking.error, GapruneError)
    assert "was ended (signal 9, Killed)" in asking.error.message
    assert not alive(pid)
    assert drain(lasting("compare", on(tiny_analysis, **COMPARE), never))[0].sides.pruned


@pytest.mark.parametrize("work", ["explain", "compare"])
def test_killed_before_it_has_heard_of_the_work_another_does_it(work: str, tiny_analysis: Path, tmp_path: Path) -> None:
    asked = kinds(tiny_analysis, tmp_path)
    drain(lasting("explain", asked["explain"], never))
    pid = staying()
    # Held, so that it surely hears of nothing.
    os.kill(pid, signal.SIGSTOP)
    asking = Asking(work, asked[work])
    wait_for(computing)
    os.kill(pid, signal.SIGKILL)
    asking.join(60)
    assert asking.error is None
    assert not alive(pid)
    assert staying() != pid


def test_one_that_is_killed_while_nobody_asks_is_made_anew(tiny_analysis: Path) -> None:
    drain(lasting("compare", on(tiny_analysis, **COMPARE), never))
    pid = staying()
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not alive(pid))
    assert drain(lasting("compare", on(tiny_analysis, **COMPARE), never))[0].sides.pruned
    assert staying() != pid


def test_a_host_that_is_killed_with_it_is_made_anew(tiny_analysis: Path) -> None:
    asking = Asking("retrain", long(tiny_analysis))
    wait_for(lambda: any(step.stage.startswith("Retraining") or step.done for step in asking.steps))
    host = next(host for host in process._hosts if host.computing)
    pids = family(host.process.pid)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    asking.join(60)
    assert isinstance(asking.error, GapruneError)
    assert drain(lasting("compare", on(tiny_analysis, **COMPARE), never))[0].sides.pruned


def long(folder: Path) -> dict[str, Any]:
    """A retraining that nobody waits for."""
    spec = RetrainSpec(steps=5_000, batch_size=4).model_dump(mode="json")
    return on(folder, spec=spec, source="chemistry", control=False)


def test_stopping_it_keeps_what_it_has_loaded(tiny_analysis: Path) -> None:
    drain(lasting("compare", on(tiny_analysis, **COMPARE), never))
    pid, enough = staying(), threading.Event()
    asking = Asking("retrain", long(tiny_analysis), enough.is_set)
    wait_for(lambda: any(step.stage.startswith("Retraining") and step.done for step in asking.steps))
    enough.set()
    asking.join(20)
    assert isinstance(asking.error, Cancelled)
    assert drain(lasting("compare", on(tiny_analysis, **COMPARE), never))[0].sides.pruned
    assert staying() == pid


def test_where_memory_runs_out_it_is_said_and_the_next_has_all_there_is(tiny_analysis: Path) -> None:
    drain(
        lasting(
            "explain", on(tiny_analysis, name=open_analysis(tiny_analysis).statistics.names[0], row=0, column=0), never
        )
    )
    pid = staying()
    taken = address_space(pid)
    # Below what it has, so that not even what it gave back can be had again.
    resource.prlimit(pid, resource.RLIMIT_AS, (taken // 2, taken // 2))
    asked = {"analysis": str(tiny_analysis), "settings": SETTINGS.model_dump(mode="json"), "sources": ["finance"]}
    with pytest.raises(GapruneError, match=r"Memory ran out|was ended"):
        drain(lasting("measure", asked, never))
    (measured,), _ = drain(lasting("measure", asked, never))
    assert measured.comparison.queries > 100
    assert staying() != pid


def test_what_a_person_can_put_right_is_told(tiny_analysis: Path, place: Path) -> None:
    with pytest.raises(GapruneError) as error:
        drain(lasting("compare", {**on(tiny_analysis, **COMPARE), "text": " "}, never))
    assert (error.value.message, error.value.hint) == ("There is no query.", "Pick a sample query or type one.")
    with pytest.raises(process.Unforeseen, match="nothing of this name"):
        drain(lasting("nothing of this name", {}, never))
    with pytest.raises(GapruneError):
        drain(lasting("compare", on(place / "nowhere", **COMPARE), never))


def request(work: str, values: dict[str, Any]) -> str:
    asked = {"work": work, "values": values, "gives_way": False, "alone": True}
    return json.dumps({**asked, "environment": dict(os.environ), "folder": str(Path.cwd())}) + "\n"


def answers(script: str, asked: list[str]) -> Iterator[dict[str, Any]]:
    ended = subprocess.run([sys.executable, "-c", script], input="".join(asked), capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return (json.loads(line) for line in ended.stdout.splitlines() if line)


def test_without_fork_the_host_computes_itself_one_after_another(tiny_analysis: Path) -> None:
    asked = [
        request("compare", on(tiny_analysis, **COMPARE)),
        request("compare", on(tiny_analysis, **COMPARE, nothing=1)),
    ]
    found = list(answers("from gaprune_viz.jobs import host; host.FORKS = False; host.main()", asked))
    assert [next(iter(a)) for a in found if not {"step", "part"} & set(a)] == [
        "pid",
        "result",
        "ended",
        "pid",
        "failed",
        "ended",
    ]
    assert len({a["pid"] for a in found if "pid" in a}) == 1
    (result, _) = unpack(next(a["result"] for a in found if "result" in a))
    assert result.query == COMPARE["text"]


def test_where_a_card_has_room_for_one_it_goes_before_a_run_begins(tiny_analysis: Path) -> None:
    """On a card a run that begins ends the process that stays, whose model would be beside its own."""
    run = open_analysis(tiny_analysis).run.model_dump(mode="json")
    asked = [
        request("compare", on(tiny_analysis, **COMPARE)),
        request("analysis", {"run": run}),
        request("compare", on(tiny_analysis, **COMPARE)),
    ]
    found = list(answers("from gaprune_viz.jobs import host; host.main()", asked))
    assert [a["ended"] for a in found if "ended" in a] == [0, 0, 0]
    assert len({a["pid"] for a in found if "pid" in a}) == 3
