"""What executors cost and give: the overhead of a cell, a study of 60 cells on two workers, and the same under fire.

    python benchmarks/executors.py [--json] [--only overhead,study,killed] [--cells 60] [--model FOLDER]

Every process computes with one thread. `overhead`: empty cells on a local Dask cluster of eight workers, and on two
processes. `study`: one process beside a local Dask cluster of two workers of one thread each, both from an empty
folder. `killed`: the same study while a worker is killed every 30 seconds; `study.json` has to be the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._empty_cells import Empty, open_empty
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import CalibrationSpec, ExecutorSpec, ModelSpec, Sampling, Scope, StudySpec
from gaprune_viz.experiments.executors.coordinator import ran
from gaprune_viz.experiments.executors.from_address import opened
from gaprune_viz.experiments.executors.tasks import Answer, Source, Task
from gaprune_viz.experiments.study.document import STUDY_FILE
from gaprune_viz.experiments.study.plan import cells
from gaprune_viz.experiments.study.runner import run_study
from tests.clusters import DaskCluster

EMPTY_CELLS = 1_000
EMPTY_WORKERS = 8
KILL_SECONDS = 30.0
PARTS = ("overhead", "study", "killed")
ROWS = ("magnitude", "obd_joint", "balanced")


def main() -> None:
    """Measure, and print one JSON object or a few lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--cells", type=int, default=60, help="of the study")
    parser.add_argument("--model", default="default", help="of the study")
    options = parser.parse_args()
    chosen = options.only.split(",")
    found: dict[str, Any] = {"benchmark": "executors", "load_average": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if "overhead" in chosen:
            found["overhead"] = overhead(place)
        if "study" in chosen or "killed" in chosen:
            spec = study_of(options.cells, ModelSpec(model=options.model, device="cpu"))
            found["study"] = study(spec, place, killed="killed" in chosen)
    print(json.dumps(found, indent=2) if options.json else found)


def overhead(place: Path, many: int = EMPTY_CELLS, workers: int = EMPTY_WORKERS) -> dict[str, Any]:
    """Milliseconds that an executor adds to a cell, and the bytes that go out and come back for it."""
    tasks = [Task(str(number), f"cell {number}", 1.0, number) for number in range(many)]
    with opened(ExecutorSpec(jobs=2), (place / "local",)) as team:
        local = _seconds(team, tasks)
    with (
        DaskCluster(place / "dask", workers) as cluster,
        opened(ExecutorSpec(cluster=cluster.address), (place / "shared",)) as team,
    ):
        dask = _seconds(team, tasks)
        sent = len(pickle.dumps((Source(open_empty, {}), team.sight, tasks[-1]))) if team else 0
    return {
        "cells": many,
        "dask_workers": workers,
        "dask_ms_a_cell": 1_000 * dask / many,
        "local_ms_a_cell": 1_000 * local / many,
        "empty_bytes": {"out": sent, "back": len(pickle.dumps(Answer({"cell": 0})))},
    }


def _seconds(team: Any, tasks: list[Task]) -> float:
    # The first round loads what a worker needs.
    drain(ran(team, Source(open_empty, {}), Empty(), tasks[:16]))
    began = time.perf_counter()
    failed = drain(ran(team, Source(open_empty, {}), Empty(), tasks))
    if failed:
        raise RuntimeError(f"{len(failed)} cells failed: {next(iter(failed.values()))}")
    return time.perf_counter() - began


def study_of(many: int, model: ModelSpec) -> StudySpec:
    """A study of about so many cells, one-shot, with one analysis."""
    columns = max(1, round((many - 1) / len(ROWS)))
    sparsities = tuple(round(0.1 + 0.8 * number / max(1, columns - 1), 4) for number in range(columns))
    calibration = CalibrationSpec(
        domain="chemistry", samples=64, sampling=Sampling.RANDOM, scope=Scope.LINEAR, general="general"
    )
    return StudySpec(
        model=model,
        calibration=calibration,
        rows=ROWS,
        sparsities=sparsities,
        retrained=False,
        ablation=False,
        sample_sizes=(),
    )


def study(spec: StudySpec, place: Path, *, killed: bool = True, every: float = KILL_SECONDS) -> dict[str, Any]:
    """Seconds of one process and of two workers, and whether they say the same, also where workers are killed."""
    began = time.perf_counter()
    drain(run_study(spec, place / "alone"))
    alone = time.perf_counter() - began
    expected = (place / "alone" / STUDY_FILE).read_bytes()
    kept = list((place / "alone" / "cells").glob("*.json"))
    found: dict[str, Any] = {
        "cells": len(cells(spec)),
        "cell_bytes": round(sum(path.stat().st_size for path in kept) / len(kept)),
        "task_bytes": len(pickle.dumps((Source(open_empty, {"spec": spec.model_dump(mode="json")}), cells(spec)[-1]))),
        "one_process_s": alone,
    }
    for name, kills in (("two_workers", False), *((("killed", True),) if killed else ())):
        with ExitStack() as stack:
            cluster = stack.enter_context(DaskCluster(place / f"dask-{name}", 2))
            if kills:
                found["kills"] = kills_made = list[int]()
                stack.enter_context(_Killer(cluster, every, kills_made))
            began = time.perf_counter()
            drain(run_study(spec, place / name, executor=ExecutorSpec(cluster=cluster.address)))
            found[f"{name}_s"] = time.perf_counter() - began
        found[f"{name}_same"] = (place / name / STUDY_FILE).read_bytes() == expected
    if killed:
        found["kills"] = len(found["kills"])
    found["ratio"] = found["two_workers_s"] / alone
    return found


class _Killer:
    """Ends a worker every so many seconds."""

    def __init__(self, cluster: DaskCluster, every: float, made: list[int]) -> None:
        self.cluster, self.every, self.made = cluster, every, made
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._kill)

    def _kill(self) -> None:
        while not self._stop.wait(self.every):
            self.made.append(self.cluster.kill_worker(len(self.made) % 2))

    def __enter__(self) -> _Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        self._thread.join()


if __name__ == "__main__":
    main()
