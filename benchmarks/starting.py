"""How long it takes to refuse what is wrong, and to begin, beside the import of sentence-transformers.

Every figure is a process of its own, in turn with one that only imports sentence-transformers; medians over the rounds,
given as shares of that import. Bad data, paths, flags and folders are refused before torch is loaded: at most 0.15.
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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FLOOR = "import sentence_transformers"
LARGEST_SHARE = 0.15
GOOD = '{"query": "a", "positive": "b", "negative": "c"}\n'


def main() -> None:
    """Measure, and print one JSON object or a few lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(ways(Path(folder)), options.repeats)
    if options.json:
        print(json.dumps({"benchmark": "starting", "load_average": os.getloadavg()[0], **found}))
        return
    for name, share in found["shares"].items():
        print(f"{name:30} {share:.3f} of the import of sentence-transformers ({found['seconds'][name]:.2f} s)")


def ways(folder: Path) -> dict[str, list[str]]:
    """What is run, as arguments of an interpreter; all but the floor are refused."""
    broken, good, empty = folder / "broken.jsonl", folder / "good.jsonl", folder / "empty"
    broken.write_text('{"query": 7}\n' + GOOD)
    good.write_text(GOOD * 8)
    empty.mkdir(exist_ok=True)
    run = ["-m", "gaprune_viz", "plan", "--general", str(good)]
    return {
        FLOOR: ["-c", FLOOR],
        "bad data": [*run, "--domain", str(broken)],
        "bad path": [*run, "--domain", str(folder / "nowhere.jsonl")],
        "bad flag": [*run, "--domain", str(good), "--samples", "0"],
        "bad folder": [*run, "--domain", str(good), "--model", str(empty)],
    }


def measure(commands: Mapping[str, Sequence[str]], repeats: int) -> dict[str, Any]:
    """Median seconds of each command, and its share of the floor; one round warms up."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(repeats + 1):
        for name, arguments in commands.items():
            seconds = run(arguments, 0 if name == FLOOR else 2)
            if number:
                times[name].append(seconds)
    median = {name: statistics.median(values) for name, values in times.items()}
    shares = {name: seconds / median[FLOOR] for name, seconds in median.items() if name != FLOOR}
    return {"seconds": median, "shares": shares, "largest": max(shares.values()), "target": LARGEST_SHARE}


def run(arguments: Sequence[str], status: int) -> float:
    """Processor seconds of one process.

    Raises:
        RuntimeError: it ended with another status.
    """
    began, before = time.perf_counter(), os.times()
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
    after = os.times()
    if done.returncode != status:
        raise RuntimeError(f"{arguments} ended with {done.returncode}: {done.stderr[-300:]}")
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    # Where the system does not count it, the clock on the wall is all there is.
    return spent or time.perf_counter() - began


if __name__ == "__main__":
    main()
