"""A page in use for a long time: `make soak MINUTES=60`. It measures memory, not speed.

People come, move sliders, and leave; their tabs are closed as a browser closes them. Every three minutes somebody runs
an analysis of a small model with another seed. The server's memory is read every ten seconds.

    python tests/reliability/soak.py [--minutes 60] [--people 6] [--markdown FILE] [--plot FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.reliability.load import Served, check_answer, slider_value  # noqa: E402

STAY_SECONDS = 90.0
EVERY_SECONDS = 10.0
ANALYSIS_SECONDS = 180.0
# Caches fill in the first sixth: the slope is taken after it.
WARM_UP = 1 / 6


class Guest(threading.Thread):
    """Opens the page, moves the sparsity slider for a while, closes the tab; then another one comes."""

    def __init__(self, address: str, number: int, until: float, stay: float) -> None:
        super().__init__(daemon=True)
        self.address, self.number, self.until, self.stay = address, number, until, stay
        self.random = random.Random(number)
        self.moves, self.tabs = 0, 0
        self.wrong: list[str] = []

    def run(self) -> None:
        while time.monotonic() < self.until:
            try:
                self.visit()
            except (httpx.HTTPError, KeyError, ValueError) as error:
                self.wrong.append(f"{type(error).__name__}: {error}")
                time.sleep(1)

    def visit(self) -> None:
        from tests.app.served import Caller, open_tab

        caller = Caller(self.address, f"guest-{self.number:04d}-{os.urandom(6).hex()}")
        self.tabs += 1
        event = caller.event("gv-sparsity", "input")
        leave = min(self.until, time.monotonic() + self.random.uniform(0.5, 1.5) * self.stay)
        with open_tab(self.address, caller.session):
            while time.monotonic() < leave:
                sparsity = slider_value(self.random)
                seen = caller.call(event, caller.values(event, gv_sparsity=sparsity))["seen"]
                self.wrong += check_answer(seen, sparsity)
                self.moves += 1
                time.sleep(self.random.uniform(1, 3))
        caller.http.close()


class Runner(threading.Thread):
    """Starts one small analysis after another, each from a tab of its own."""

    def __init__(self, address: str, model: str, until: float, every: float) -> None:
        super().__init__(daemon=True)
        self.address, self.model, self.until, self.every = address, model, until, every
        self.done, self.failed = 0, 0

    def run(self) -> None:
        from tests.app.served import Caller, open_tab

        seed = 0
        while time.monotonic() < self.until:
            began, seed = time.monotonic(), seed + 1
            caller = Caller(self.address, f"runner-{os.urandom(8).hex()}")
            event = caller.event("gv-run", "click")
            data = caller.values(
                event, gv_samples=16, gv_model=self.model, gv_domain="finance", gv_seed=seed, gv_sampling="random"
            )
            with open_tab(self.address, caller.session):
                good = "Done." in caller.call(event, data)["seen"]
            self.done, self.failed = self.done + good, self.failed + (not good)
            caller.http.close()
            time.sleep(max(0.0, min(began + self.every, self.until) - time.monotonic()))


def soak(served: Served, model: str, minutes: float, people: int) -> dict[str, Any]:
    began = time.monotonic()
    until = began + 60 * minutes
    guests = [Guest(served.address, n, until, min(STAY_SECONDS, 15 * minutes)) for n in range(people)]
    runner = Runner(served.address, model, until, min(ANALYSIS_SECONDS, 20 * minutes))
    curve: list[tuple[float, float]] = []
    for thread in (*guests, runner):
        thread.start()
    while time.monotonic() < until:
        curve.append(((time.monotonic() - began) / 60, served.memory()))
        print(f"{curve[-1][0]:.2f} min {curve[-1][1]:.1f} MiB", file=sys.stderr, flush=True)
        time.sleep(min(EVERY_SECONDS, minutes * 2))
    for thread in (*guests, runner):
        thread.join(120)
    wrong = [text for guest in guests for text in guest.wrong]
    late = np.array([point for point in curve if point[0] >= WARM_UP * minutes])
    slope = float(np.polyfit(late[:, 0], late[:, 1], 1)[0]) * 60
    return {
        "minutes": minutes,
        "people": people,
        "tabs": sum(guest.tabs for guest in guests),
        "moves": sum(guest.moves for guest in guests),
        "analyses": runner.done,
        "failed_analyses": runner.failed,
        "wrong_answers": len(wrong),
        "first_wrong": wrong[:3],
        "slope_mib_per_hour": round(slope, 1),
        "after_warm_up_mib": [round(float(late[:, 1].min())), round(float(late[:, 1].max()))],
        "curve_mib": [[round(minute, 2), round(value, 1)] for minute, value in curve],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--people", type=int, default=6)
    parser.add_argument("--out", type=Path, help="write the report as JSON")
    arguments = parser.parse_args()
    from tests.tiny_models import build

    with tempfile.TemporaryDirectory(prefix="gaprune-soak-") as name:
        model = str(build(Path(name) / "model", "bert"))
        served = Served(model, str(Path(name) / "workspace"))
        try:
            report = soak(served, model, arguments.minutes, arguments.people)
        finally:
            served.close()
    if arguments.out:
        arguments.out.write_text(json.dumps(report) + "\n", encoding="utf-8")
    print(json.dumps({name: value for name, value in report.items() if name != "curve_mib"}, indent=1))
    return 0 if not report["wrong_answers"] and not report["failed_analyses"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
