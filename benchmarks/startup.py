"""How long it takes to begin: import, help, a page that answers, and the first chart in a browser.

Every figure is a process of its own, in turn with one that only imports gradio: no page of gradio's can be there before
that, so it is the floor of a served page; an interpreter that imports nothing is the floor of the other two.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._chromium import chromium, first_chart

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 120.0
COMMANDS = {
    "python": ["-c", ""],
    "import": ["-c", "import gaprune_viz"],
    "help": ["-m", "gaprune_viz", "--help"],
    "gradio": ["-c", "import gradio"],
}


def main() -> None:
    """Measure, and print one JSON object or a few lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-browser", action="store_true", help="leave out the first chart")
    options = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in (*COMMANDS, "served", "first_chart")}
    for name in COMMANDS:
        run(name)
    for _ in range(options.repeats):
        for name in COMMANDS:
            times[name].append(run(name))
        with served() as (seconds, _address):
            times["served"].append(seconds)
    if not options.no_browser:
        with served() as (_, address), chromium() as browser:
            first_chart(browser, address)
            times["first_chart"] = [first_chart(browser, address) for _ in range(options.repeats)]
    median = {name: statistics.median(values) for name, values in times.items() if values}
    found: dict[str, Any] = {
        "benchmark": "startup",
        "load_average": os.getloadavg()[0],
        "repeats": options.repeats,
        "floor": "an empty interpreter for import and help; importing gradio for a served page",
        **{f"{name}_s": value for name, value in median.items()},
        **{f"{name}_over_gradio": value / median["gradio"] for name, value in median.items() if name != "gradio"},
        "all_s": {name: [round(v, 3) for v in values] for name, values in times.items()},
    }
    print(json.dumps(found, indent=2) if options.json else found)


def run(name: str) -> float:
    """Seconds that a command takes."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *COMMANDS[name]], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


@contextmanager
def served() -> Iterator[tuple[float, str]]:
    """Start the page; gives the seconds until it answered, and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not _answers(address):
            if process.poll() is not None or time.perf_counter() - began > PATIENCE:
                raise SystemExit(f"The page did not answer (exit status {process.returncode}).")
            time.sleep(0.02)
        yield time.perf_counter() - began, address
    finally:
        process.terminate()
        process.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE) as reply:
            return reply.status == 200
    except OSError:
        return False


if __name__ == "__main__":
    main()
