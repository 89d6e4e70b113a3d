"""Moving a slider while something heavy computes: its p95 beside each kind of work, as a ratio to an idle page's.

The page is served as for one person, from a process of its own, on the bundled example. A session moves the sparsity
and waits for the answer; another keeps one kind of work going meanwhile, each time with settings never seen before, and
stops it at the end. Idle is measured again between the kinds, so that both are of the same minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.app.served import Caller, open_tab
from tests.reliability.load import Served, check_answer, p95, slider_value

SERVER = """
import sys
from gaprune_viz.app import launch
_, local, _ = launch(port=0, warm=True, prevent_thread_lock=True, quiet=True)
print("AT", local, flush=True)
sys.stdin.read()
"""
TARGET = 1.5
# Between two moves, seconds: nobody moves faster than a picture is drawn.
PAUSE = (0.05, 0.25)
# A work that ends at once is begun again; so long nobody has to wait for its end.
PATIENCE = 120


@dataclass(frozen=True)
class Kind:
    """A kind of work: the buttons that begin and stop it, and what else the page holds, by element id."""

    button: str
    stop: str
    values: dict[str, Any] = field(default_factory=dict)


KINDS = {
    "compare": Kind("gv-compare", "gv-stop-retrieval", {"gv_query": "why does ice float"}),
    "all queries": Kind("gv-measure", "gv-stop-retrieval"),
    "retraining": Kind("gv-train-run", "gv-train-stop", {"gv_train_steps": 2_000}),
    "benchmark": Kind("gv-bench-run", "gv-bench-stop"),
    "look inside": Kind("gv-inside-look", "gv-inside-stop"),
    "export": Kind("gv-export", "gv-stop-export"),
    "speed": Kind("gv-measure-speed", "gv-stop-export"),
    "analysis": Kind("gv-run", "gv-cancel", {"gv_samples": 256}),
}


class Busy(threading.Thread):
    """A session that keeps one kind of work going."""

    def __init__(self, address: str, kind: Kind) -> None:
        super().__init__(daemon=True)
        self.caller, self.kind = Caller(address, f"busy-{os.urandom(8).hex()}"), kind
        self.draw, self.enough = random.Random(7), threading.Event()
        self.begun = 0

    def run(self) -> None:
        event = self.caller.event(self.kind.button, "click")
        with open_tab(self.caller.address, self.caller.session):
            while not self.enough.is_set():
                sparsity = round(self.draw.uniform(0.2, 0.9), 4)
                self.begun += 1
                values = {**self.kind.values, "gv_sparsity": sparsity, "gv_seed": self.begun}
                self.caller.call(event, self.caller.values(event, **values))

    def end(self) -> None:
        """Stop what it does; comes back when it has ended."""
        self.enough.set()
        other = Caller(self.caller.address, self.caller.session)
        until = time.monotonic() + PATIENCE
        while self.is_alive() and time.monotonic() < until:
            other.join(other.event(self.kind.stop, "click"), []).raise_for_status()
            self.join(2)


def moved(mover: Caller, moves: int, draw: random.Random) -> list[float]:
    """Seconds from a move to its answer, which is checked."""
    event, seconds = mover.event("gv-sparsity", "input"), []
    for _ in range(moves):
        time.sleep(draw.uniform(*PAUSE))
        sparsity = slider_value(draw)
        began = time.monotonic()
        seen = mover.call(event, mover.values(event, gv_sparsity=sparsity))["seen"]
        seconds.append(time.monotonic() - began)
        wrong = check_answer(seen, sparsity)
        assert not wrong, wrong
    return seconds


def beside(address: str, mover: Caller, kind: Kind, moves: int, draw: random.Random) -> dict[str, Any]:
    """One kind of work: p95 just before it and beside it, and their ratio."""
    idle = moved(mover, moves, draw)
    busy = Busy(address, kind)
    busy.start()
    # Not the click itself, but what it has begun.
    time.sleep(1)
    times = moved(mover, moves, draw)
    begun = busy.begun
    busy.end()
    return {
        "idle_ms": 1_000 * p95(idle),
        "busy_ms": 1_000 * p95(times),
        "ratio_of_p95": p95(times) / p95(idle),
        "ratio_of_median": statistics.median(times) / statistics.median(idle),
        "works_begun": begun,
    }


def measure(names: list[str], moves: int) -> dict[str, Any]:
    """Every kind, one after another, on one page."""
    draw, found = random.Random(3), {}
    with tempfile.TemporaryDirectory(prefix="gaprune-busy-") as folder:
        served = Served("", folder, SERVER)
        try:
            served.wait_until_idle()
            mover = Caller(served.address, f"mover-{os.urandom(8).hex()}")
            with open_tab(mover.address, mover.session):
                moved(mover, 10, draw)
                for name in names:
                    found[name] = beside(served.address, mover, KINDS[name], moves, draw)
                    print(f"{name}: {found[name]['ratio_of_p95']:.2f}", file=sys.stderr)
        finally:
            served.close()
    return found


def main() -> None:
    """Measure, and print one JSON object or a few lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--moves", type=int, default=80, help="of the slider, idle and beside each kind")
    parser.add_argument("--kinds", nargs="*", choices=list(KINDS), default=list(KINDS))
    options = parser.parse_args()
    found: dict[str, Any] = {"benchmark": "page_busy", "load_average": os.getloadavg()[0], "target": TARGET}
    found["kinds"] = measure(options.kinds, options.moves)
    found["worst"] = max(kind["ratio_of_p95"] for kind in found["kinds"].values())
    found["held"] = found["worst"] <= TARGET
    print(json.dumps(found, indent=2) if options.json else found)


if __name__ == "__main__":
    main()
