"""From opening the page to the first dense-beside-pruned ranking on screen, and from a move to its ranking.

Every visit has a server of its own with an empty workspace, which has come to rest as on a Space that waits for its
visitors. A visitor opens the page in Chromium with nothing in its cache, goes to Retrieval and clicks *Compare* as soon
as that can be clicked. Visits alternate: alone on the machine, and beside a process that computes on two threads. After
the first ranking the sparsity moves, and the seconds are told until the ranking says the new one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._chromium import chromium
from tests.reliability.load import Served, p95

SERVER = """
import sys
from gaprune_viz.app import launch
_, local, _ = launch(port=0, warm=True, prevent_thread_lock=True, quiet=True)
print("AT", local, flush=True)
sys.stdin.read()
"""
NEIGHBOUR = "import torch\ntorch.set_num_threads(2)\na = torch.rand(1500, 1500)\nwhile True: a = (a @ a) / 1e3"
TARGETS = {"alone": 5.0, "beside": 10.0}
FOLLOWS = 0.3
LISTS = "document.querySelectorAll('#gv-ranking ol').length >= 2"
PATIENCE = 120_000


def main() -> None:
    """Measure, and print one JSON object or a line for each kind of visit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--visits", type=int, default=10, help="alone, and as many beside another process")
    parser.add_argument("--moves", type=int, default=6, help="of the slider, in each visit")
    options = parser.parse_args()
    found = measure(options.visits, options.moves)
    if options.json:
        print(json.dumps({"benchmark": "first_click", "load_average": os.getloadavg()[0], **found}))
        return
    for kind, one in found["kinds"].items():
        print(f"{kind}: first ranking p95 {one['first_p95']:.2f} s (target {TARGETS[kind]:g} s), {one['first']}")
        print(f"{kind}: a move's ranking p95 {one['follow_p95']:.2f} s; marked after p95 {one['marked_p95']:.2f} s")


def measure(visits: int, moves: int) -> dict[str, Any]:
    """All visits, in turn."""
    first: dict[str, list[float]] = {kind: [] for kind in TARGETS}
    follow: dict[str, list[float]] = {kind: [] for kind in TARGETS}
    marked: dict[str, list[float]] = {kind: [] for kind in TARGETS}
    with chromium() as browser:
        for number in range(visits):
            for kind in TARGETS:
                seconds, times, marks = visit(browser, moves, busy=kind == "beside")
                first[kind].append(seconds)
                follow[kind] += times
                marked[kind] += marks
                print(f"visit {number + 1}, {kind}: {seconds:.2f} s, moves {times}", file=sys.stderr, flush=True)
    kinds = {
        kind: {
            "target": TARGETS[kind],
            "first_p95": p95(first[kind]),
            "first": [round(value, 2) for value in first[kind]],
            "follow_p95": p95(follow[kind]),
            "follow": [round(value, 2) for value in follow[kind]],
            "marked_p95": p95(marked[kind]),
        }
        for kind in TARGETS
    }
    return {"visits": visits, "moves": moves, "follow_target": FOLLOWS, "kinds": kinds}


def visit(browser: Any, moves: int, *, busy: bool) -> tuple[float, list[float], list[float]]:
    """One visitor of a fresh server: seconds to the first ranking; of each move, to its ranking and to its mark."""
    with tempfile.TemporaryDirectory(prefix="gaprune-first-") as workspace, neighbour(busy) as begin:
        served = Served("", workspace, SERVER)
        try:
            served.wait_until_idle()
            begin()
            context = browser.new_context(viewport={"width": 1400, "height": 950})
            page = context.new_page()
            began = time.monotonic()
            page.goto(served.address, wait_until="commit")
            page.get_by_role("tab", name="Retrieval", exact=True).click(timeout=PATIENCE)
            page.locator("#gv-compare").click(timeout=PATIENCE)
            page.wait_for_function(LISTS, timeout=PATIENCE)
            seconds = time.monotonic() - began
            # The page settles: the tour is offered, the charts of the tab are drawn.
            page.wait_for_timeout(2_000)
            times, marks = zip(*(moved(page, number) for number in range(moves)), strict=True) if moves else ((), ())
            context.close()
        finally:
            served.close()
    return seconds, [round(t, 2) for t in times], list(marks)


def moved(page: Any, number: int) -> tuple[float, float]:
    """One press of an arrow key: seconds until the ranking is of the new sparsity, and until it is marked as old."""
    page.focus("#gv-sparsity input[type=range]")
    page.evaluate(WATCH)
    page.keyboard.press("ArrowRight" if number % 2 else "ArrowLeft")
    page.wait_for_function("() => window.followed !== undefined", timeout=PATIENCE)
    page.wait_for_timeout(500)
    followed, mark = page.evaluate("[window.followed, window.marked]")
    return followed / 1_000, (followed if mark is None else mark) / 1_000


# A ranking of other settings is dimmed until its own is there.
WATCH = """() => {
  const ranking = document.querySelector('#gv-ranking');
  window.followed = undefined; window.marked = null;
  let pressed = 0;
  document.addEventListener('keydown', () => { pressed = performance.now(); }, { capture: true, once: true });
  const look = () => {
    if (pressed) {
      const now = performance.now() - pressed;
      const stale = !!ranking.querySelector('.gv-stale') || ranking.matches('.gv-stale');
      if (stale && window.marked === null) window.marked = now;
      if (!stale && window.marked !== null) { window.followed = now; return; }
    }
    requestAnimationFrame(look);
  };
  look();
}"""


@contextmanager
def neighbour(busy: bool) -> Iterator[Any]:
    """What begins a process on two threads; it ends with the visit."""
    begun: list[subprocess.Popen[bytes]] = []

    def begin() -> None:
        if busy:
            begun.append(subprocess.Popen([sys.executable, "-c", NEIGHBOUR]))
            time.sleep(3)

    try:
        yield begin
    finally:
        for process in begun:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
