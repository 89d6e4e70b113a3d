"""An analysis beside a busy neighbour, as ratios to the same analysis alone: processor seconds and wall time.

Every run is a process of its own that makes the same analysis from the command line. In turn: alone, beside a process
that computes on two threads, and both once more with threads that spin while they wait, as OpenMP has it by default:
what a person's own setting of `OMP_WAIT_POLICY` would give. Medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

ROOT = Path(__file__).resolve().parents[1]
NEIGHBOUR = "import torch\ntorch.set_num_threads(2)\na = torch.rand(1500, 1500)\nwhile True: a = (a @ a) / 1e3"
ACTIVE = {"OMP_WAIT_POLICY": "ACTIVE", "KMP_BLOCKTIME": "200"}
# The name, what is set by hand, and whether somebody else computes.
WAYS: dict[str, tuple[dict[str, str], bool]] = {
    "alone": ({}, False),
    "beside": ({}, True),
    "alone, spinning": (ACTIVE, False),
    "beside, spinning": (ACTIVE, True),
}
TARGETS = {"processor": 1.25, "wall": 2.2, "alone": 1.05}


def main() -> None:
    """Measure, and print one JSON object or a few lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--samples", type=int, default=32, help="triplets a side")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found = measure(options.samples, options.rounds)
    if options.json:
        print(json.dumps({"benchmark": "neighbours", "load_average": os.getloadavg()[0], **found}))
        return
    for name, one in found["seconds"].items():
        print(f"{name:18} {one['wall']:6.1f} s, {one['processor']:6.1f} processor seconds")
    print(", ".join(f"{name} {value:.2f} (target {TARGETS[name]:g})" for name, value in found["ratios"].items()))


def measure(samples: int, rounds: int, ways: tuple[str, ...] = tuple(WAYS)) -> dict[str, Any]:
    """Medians of each way, and the ratios that have a target."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in ways:
            settings, busy = WAYS[name]
            with neighbour(busy):
                times[name].append(analysis(samples, settings))
            print(f"round {number + 1}, {name}: {times[name][-1]}", file=sys.stderr, flush=True)
    kinds = ("wall", "processor")
    seconds = {
        name: {kind: statistics.median(one[at] for one in values) for at, kind in enumerate(kinds)}
        for name, values in times.items()
    }
    ratios = {kind: seconds["beside"][kind] / seconds["alone"][kind] for kind in kinds}
    if "alone, spinning" in seconds:
        ratios["alone"] = seconds["alone"]["wall"] / seconds["alone, spinning"]["wall"]
    return {"samples": samples, "rounds": rounds, "seconds": seconds, "ratios": ratios, "targets": TARGETS}


def analysis(samples: int, settings: dict[str, str]) -> tuple[float, float]:
    """Wall and processor seconds of one analysis, the start of its process with it.

    Raises:
        RuntimeError: it failed.
    """
    with tempfile.TemporaryDirectory(prefix="gaprune-neighbours-") as folder:
        command = [sys.executable, "-m", "gaprune_viz", "analyze", "--samples", str(samples), "--out", f"{folder}/made"]
        environment = {**os.environ, **settings, "PYTHONPATH": str(ROOT), "GAPRUNE_VIZ_WORKSPACE": folder}
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        told = process.stderr.read() if process.stderr is not None else b""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(told.decode(errors="replace")[-1_000:])
        return time.perf_counter() - began, used.ru_utime + used.ru_stime


@contextmanager
def neighbour(busy: bool) -> Iterator[None]:
    """Somebody who computes on two threads, for as long as it takes."""
    if not busy:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", NEIGHBOUR]) as process:
        time.sleep(3)
        try:
            yield
        finally:
            process.kill()


if __name__ == "__main__":
    main()
