"""Faults of processes: killed at some moment, one of several, two at once, odd surroundings."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

from tests.reliability.ground import KEPT_SEED, Ground, line_of, place_of


def killed(ground: Ground) -> None:
    """SIGKILL while calibrating and while writing."""
    stages = ("Loading", "Choosing", "Calibrating", "Calibrating", "Writing", "Writing", "Writing")
    for n, stage in enumerate(stages):
        least = ground.random.choice((0, 8)) if n == 3 else 0
        struck = ground.kill_at(ground.start(seed=n), stage, least=least)
        whole, left = ground.whole_or_none(), ground.leftovers()
        code, _ = ground.start(seed=n).finish()
        again = code == 0 and ground.leftovers() == 0 and ground.whole_or_none()
        where = "while writing" if stage == "Writing" else "in calibration" if stage == "Calibrating" else "early"
        ground.tell(
            f"SIGKILL {where}",
            f"at the step {stage!r}" + ("" if struck else ", which was too late: the run had ended"),
            f"{left} unfinished folder left, earlier results whole; the next start makes the run whole and cleans",
            "",
            whole and again and (struck or stage == "Writing"),
        )


def killed_sweep(ground: Ground) -> None:
    code, text = ground.start(seed=50, what="sweep").finish()
    cells = line_of(text, "CELLS")
    folder = place_of(text) / "sweep-cells"
    shutil.rmtree(folder)
    struck = ground.kill_at(ground.start(seed=50, what="sweep"), "magnitude", least=2)
    kept = len(list(folder.glob("*.json")))
    code, text = ground.start(seed=50, what="sweep").finish()
    same = line_of(text, "CELLS") == cells
    ground.tell(
        "SIGKILL in a sweep",
        "at the second step of the first criterion",
        f"{kept} finished cells; the next start computes the rest, and all numbers are those of a sweep in one go",
        "",
        struck and code == 0 and same and kept > 0,
    )


def killed_study(ground: Ground) -> None:
    """A study in one go, and one that is killed in each of its kinds of work; both end with the same numbers."""
    places = {name: ground.folder / name for name in ("study-whole", "study-killed")}
    code, text = ground.start(seed=52, what="study", workspace=places["study-whole"]).finish()
    expected = places["study-whole"] / "study" / "study.json"
    broken = places["study-killed"] / "study"
    cells: list[dict[str, int]] = []
    struck, early = True, False
    for stage in ("magnitude, 50 %: calibrating", "obd_joint, 50 %", "magnitude, 50 %, 6 steps: retraining"):
        job = ground.start(seed=52, what="study", workspace=places["study-killed"])
        struck &= ground.kill_at(job, stage)
        cells.append(_times(broken / "cells"))
        early |= (broken / "study.json").exists()
    again, text = ground.start(seed=52, what="study", workspace=places["study-killed"]).finish()
    cells.append(_times(broken / "cells"))
    same = code == again == 0 and (broken / "study.json").read_bytes() == expected.read_bytes()
    counts = [len(found) for found in cells]
    kept = all(one.items() <= other.items() for one, other in pairwise(cells))
    unfinished = [path for path in broken.rglob("*") if path.name.startswith(".unfinished-")]
    ground.tell(
        "SIGKILL in a study",
        "in its calibration, at its third cell, and while a cell was being retrained",
        f"{', '.join(map(str, counts[:-1]))} of {counts[-1]} finished cells; the next start measures the rest only, "
        "cleans, and study.json is that of a study in one go",
        "" if same else text[-300:],
        struck and not early and same and kept and 0 < counts[0] < counts[1] < counts[2] < counts[3] and not unfinished,
    )


def _times(folder: Path) -> dict[str, int]:
    """When each cell was written."""
    return {place.name: place.stat().st_mtime_ns for place in folder.glob("*.json")}


def killed_retraining(ground: Ground) -> None:
    struck = ground.kill_at(ground.start(seed=51, what="retrain"), "Retraining", least=5)
    exported, made = ground.workspace / "exported", ground.workspace / "retrained"
    none = exported.is_dir() and not made.exists()
    digest = (exported / "model.safetensors").read_bytes() if none else b""
    code, text = ground.start(seed=51, what="retrain").finish()
    whole = code == 0 and (made / "gaprune.json").is_file() and (made / "model.safetensors").is_file()
    same = none and (exported / "model.safetensors").read_bytes() == digest
    ground.tell(
        "SIGKILL in retraining",
        "at step 5 of 30",
        "no retrained model, the pruned one untouched; the next start makes it whole and cleans",
        "" if whole and same else text[-300:],
        struck and whole and same and not ground.leftovers(),
    )


def dead_worker(ground: Ground) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = f"--nproc_per_node 2 --master_addr 127.0.0.1 --master_port {port}"
    flags = "analyze --domain finance --samples 128 --sampling random --seed 64 --token-budget 256 --device cpu"
    words = ["-m", "torch.distributed.run", *launcher.split(), "-m", "gaprune_viz", *flags.split()]
    before = {folder.name for folder in ground.workspace.glob("analysis-*")}
    process = subprocess.Popen(
        [sys.executable, *words, "--model", str(ground.model), "--out", str(ground.workspace / "analysis-by-two")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    until = time.monotonic() + 120
    while not ground.leftovers() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    victim = _second_worker(process.pid)
    if victim is not None:
        os.kill(victim, signal.SIGKILL)
    text, _ = process.communicate(timeout=120)
    whole = ground.whole_or_none() and before == {folder.name for folder in ground.workspace.glob("analysis-*")}
    again, _ = ground.start(seed=65).finish()
    struck = next((line.strip() for line in text.splitlines() if "Signal 9" in line), text[-300:])
    ground.tell(
        "worker that dies",
        "SIGKILL to the second of two processes in calibration",
        f"the launcher ends with status {process.returncode}, no result of the run; the next start cleans",
        struck,
        victim is not None and process.returncode != 0 and whole and again == 0 and not ground.leftovers(),
    )


def _second_worker(parent: int) -> int | None:
    """The process below a launcher whose rank is 1."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            environ = (place / "environ").read_bytes()
            above = int((place / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if above == parent and b"\0LOCAL_RANK=1\0" in environ:
            return int(place.name)
    return None


def odd_places(ground: Ground) -> None:
    """The command in odd surroundings says what it says elsewhere."""

    def diagnosis(**variables: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "gaprune_viz", "diagnose", str(ground.kept), "--json"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **variables})

    odd: tuple[dict[str, str], ...] = (
        {"LC_ALL": "C", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
        {"TZ": "Pacific/Apia"},
    )
    usual = json.loads(diagnosis().communicate(timeout=120)[0])
    for variables in odd:
        process = diagnosis(**variables)
        answer, _ = process.communicate(timeout=120)
        same = process.returncode == 0 and json.loads(answer) == usual
        names = " ".join(f"{k}={v}" for k, v in variables.items())
        ground.tell("locale", names, "`gaprune-viz diagnose --json` answers the same", "", same)


def odd_clock(ground: Ground) -> None:
    """A clock that was wrong when a result was made neither costs it nor hides it."""
    from gaprune_viz.storage.workspace import clean

    for years in (10, -10):
        then = time.time() + years * 365 * 86_400
        os.utime(ground.kept, (then, then))
        deleted = clean(ground.workspace)
        code, _ = ground.start(seed=KEPT_SEED).finish()
        ground.tell(
            "clock",
            f"a result's time is {abs(years)} years {'ahead' if years > 0 else 'behind'}",
            "nothing is deleted for it, and the run is found again",
            "",
            not deleted and code == 0 and ground.whole_or_none(),
        )


def two_at_once(ground: Ground) -> None:
    both = [ground.start(seed=80), ground.start(seed=80)]
    ended = [job.finish() for job in both]
    waited = [line_of(text, "STAGE Waiting: another process") for _, text in ended]
    places = {place_of(text) for code, text in ended if code == 0}
    ground.tell(
        "two processes on one workspace",
        "both make the same analysis at once",
        f"both end with the same whole result; {sum(map(bool, waited))} of 2 waited for the other",
        next((line.removeprefix("STAGE ").rsplit(" ", 1)[0] for line in waited if line), ""),
        all(code == 0 for code, _ in ended) and len(places) == 1 and ground.whole_or_none(),
    )


STEPS = (
    killed,
    killed_sweep,
    killed_study,
    killed_retraining,
    dead_worker,
    odd_places,
    odd_clock,
    two_at_once,
)
