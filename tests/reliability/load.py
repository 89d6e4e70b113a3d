"""Many people at once, on this machine only: `make load`, and for longer `make soak MINUTES=N`.

The page is served on 127.0.0.1 in a process of its own. Each person is a session that moves the sparsity slider and
checks that the answer is for the value that it sent, and for its own analysis. Meanwhile another runs an analysis, or
keeps another kind of heavy work going.
Then people stand in line for one heavy job each (`job_queue`).

    python tests/reliability/load.py [--people 20] [--moves 15] [--minutes 0] [--beside analysis] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

SERVER = """
import sys
from gaprune_viz.app import launch
from gaprune_viz.config import ServeSpec
serve = ServeSpec(public=True, models=("default", sys.argv[1]), pages_per_address=1000, moves_per_minute=100000)
_, local, _ = launch(port=0, serve=serve, prevent_thread_lock=True, quiet=True)
print("AT", local, flush=True)
sys.stdin.read()
"""
# So many that its 95th percentile is not just the longest.
UNLOADED_MOVES = 60
RUN_SAMPLES = 256
MOST_RATIO = 3
# What computes meanwhile: its button.
BESIDE = {
    "analysis": "gv-run",
    "retrieval": "gv-measure",
    "retraining": "gv-train-run",
    "benchmark": "gv-bench-run",
    "speed": "gv-measure-speed",
    "export": "gv-export",
}
# Of one processor.
IDLE = 0.05
# After this long what closed tabs held has been given back.
CLOSED_SECONDS = 5.0


class Served:
    """A page in a process of its own.

    Args:
        model: what a public page offers beside the default one.
        script: what serves it, says where, and ends with its standard input.
    """

    def __init__(self, model: str, workspace: str, script: str = SERVER) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "GAPRUNE_VIZ_WORKSPACE": workspace}
        environment |= {"HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, model],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        assert self.process.stdout is not None
        line = next((line for line in self.process.stdout if line.startswith("AT ")), "")
        self.address = line.removeprefix("AT ").strip()
        assert self.address.startswith("http://127.0.0.1"), "the server did not start"

    def memory(self) -> float:
        """Resident memory of the server and of the processes that compute for it, MiB; what they share counts once."""
        from tests.system import family, proportional_memory

        return sum(proportional_memory(pid) for pid in family(self.process.pid))

    def wait_until_idle(self) -> None:
        """Until it and its processes use next to no processor time: libraries are loaded after the page is open."""
        from tests.system import family, processor_seconds

        before, used = 0.0, float("inf")
        while used > IDLE:
            time.sleep(2)
            now = sum(map(processor_seconds, family(self.process.pid)))
            before, used = now, (now - before) / 2

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Person(threading.Thread):
    """Has the page open, moves the slider, one move after another, and checks each answer.

    Opening the page comes before: its first event builds a session, whoever moves a slider has one.
    """

    def __init__(self, address: str, number: int, moves: int, until: float, pause: Callable[[], float]) -> None:
        super().__init__(daemon=True)
        from tests.app.served import Caller

        self.caller = Caller(address, f"person-{number:04d}-{os.urandom(6).hex()}")
        self.moves, self.until, self.pause = moves, until, pause
        self.random = random.Random(number)
        self.seconds: list[float] = []
        self.wrong: list[str] = []
        self.event = self.caller.event("gv-sparsity", "input")
        self.caller.call(self.event, self.caller.values(self.event))

    def run(self) -> None:
        from tests.app.served import open_tab

        with open_tab(self.caller.address, self.caller.session):
            time.sleep(self.pause())
            while len(self.seconds) < self.moves or time.monotonic() < self.until:
                sparsity = slider_value(self.random)
                began = time.monotonic()
                seen = self.caller.call(self.event, self.caller.values(self.event, gv_sparsity=sparsity))["seen"]
                self.seconds.append(time.monotonic() - began)
                self.wrong += check_answer(seen, sparsity)
                time.sleep(self.pause())


class Runner(threading.Thread):
    """Has something heavy computed: an analysis once, anything else again and again until it is enough."""

    def __init__(self, address: str, beside: str) -> None:
        super().__init__(daemon=True)
        from tests.app.served import Caller

        self.caller = Caller(address, f"runner-{os.urandom(6).hex()}")
        self.event = self.caller.event(BESIDE[beside], "click")
        self.once, self.enough = beside == "analysis", threading.Event()
        self.ends: list[bool] = []

    def run(self) -> None:
        draw = random.Random(5)
        asked = {"gv_samples": RUN_SAMPLES, "gv_model": "default", "gv_domain": "finance", "gv_seed": 3}
        while not self.ends or not (self.once or self.enough.is_set()):
            values = self.caller.values(self.event, **asked, gv_sparsity=round(draw.uniform(0.2, 0.9), 4))
            seen = self.caller.call(self.event, values)["seen"]
            self.ends.append("Done." in seen if self.once else 'role=\\"alert' not in seen)

    @property
    def done(self) -> bool:
        """Whether every one of them came to its end."""
        return bool(self.ends) and all(self.ends)


def slider_value(draw: random.Random) -> float:
    """A sparsity that is not the default, which an address leaves out."""
    return round(draw.choice((draw.uniform(0.05, 0.49), draw.uniform(0.51, 0.94))), 2)


def check_answer(seen: str, sparsity: float) -> list[str]:
    """What is wrong with the answer to a move: it is for another value, or shows another person's analysis."""
    wrong = [] if f"sparsity={sparsity:g}" in seen else [f"{sparsity}: {seen[:200]}"]
    return wrong if "encoder.layer.5" in seen else [*wrong, "the answer shows another analysis"]


def people_of(address: str, people: int, moves: int, minutes: float = 0) -> list[Person]:
    """People with the page open, who have not moved anything yet."""
    pause = random.Random(0)
    until = time.monotonic() + 60 * minutes
    return [Person(address, n, moves, until, lambda: pause.uniform(0.2, 1.0)) for n in range(people)]


def crowd(address: str, people: int, moves: int, minutes: float = 0) -> list[Person]:
    """The same people, who have begun."""
    persons = people_of(address, people, moves, minutes)
    for person in persons:
        person.start()
    return persons


def quantiles(values: list[float]) -> dict[str, int]:
    """Median, p95 and the longest, in milliseconds."""
    ordered = sorted(values)
    return {
        "median": round(1_000 * ordered[len(ordered) // 2]),
        "p95": round(1_000 * p95(values)),
        "longest": round(1_000 * ordered[-1]),
    }


def p95(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--moves", type=int, default=15)
    parser.add_argument("--minutes", type=float, default=0, help="go on for this long, as a soak")
    parser.add_argument("--beside", choices=list(BESIDE), default="analysis", help="what computes meanwhile")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    from tests.tiny_models import build

    with tempfile.TemporaryDirectory(prefix="gaprune-load-") as name:
        served = Served(str(build(Path(name) / "model", "bert")), str(Path(name) / "workspace"))
        try:
            report = measure(served, arguments, str(Path(name) / "model"))
        finally:
            served.close()
    print(json.dumps(report, indent=None if arguments.json else 1))
    return 0 if report["held"] else 1


def measure(served: Served, arguments: argparse.Namespace, model: str) -> dict[str, Any]:
    from tests.reliability.line import stand_in_line

    served.wait_until_idle()
    alone = crowd(served.address, 1, UNLOADED_MOVES)
    for person in alone:
        person.join()
    persons = people_of(served.address, arguments.people, arguments.moves, arguments.minutes)
    runner = Runner(served.address, arguments.beside)
    runner.start()
    curve = [served.memory()]
    for person in persons:
        person.start()
    computing = 0
    while any(person.is_alive() for person in persons):
        time.sleep(1 if arguments.minutes < 2 else 15)
        computing += runner.is_alive()
        curve.append(served.memory())
    seconds = len(curve) - 1
    runner.enough.set()
    runner.join(600)
    line = stand_in_line(served.address, model)
    time.sleep(CLOSED_SECONDS)
    times = [t for person in persons for t in person.seconds]
    wrong = [text for person in [*alone, *persons] for text in person.wrong]
    unloaded, loaded = p95(alone[0].seconds), p95(times)
    return {
        "people": arguments.people,
        "moves": len(times),
        "unloaded_ms": quantiles(alone[0].seconds),
        "loaded_ms": quantiles(times),
        "ratio_of_p95": round(loaded / unloaded, 2),
        "wrong_answers": len(wrong),
        "first_wrong": wrong[:1],
        "beside": arguments.beside,
        "beside_done": runner.done,
        "beside_ran_for": f"{computing} of {seconds} readings",
        "line": line,
        "memory_mib": {
            "start": round(curve[0]),
            "most": round(max(curve)),
            "end": round(curve[-1]),
            "all_closed": round(served.memory()),
        },
        "memory_curve_mib": [round(value) for value in curve[:: max(1, len(curve) // 30)]],
        "processors": os.cpu_count(),
        "load_average": [round(value, 1) for value in os.getloadavg()],
        "held": loaded <= MOST_RATIO * unloaded and not wrong and runner.done and line["held"],
    }


if __name__ == "__main__":
    raise SystemExit(main())
