"""A slider move: the server's time whatever the model's size, the preview's error, and key press to repaint.

The server's time is that of the page's own handlers: `refresh` (score, thresholds, diagnostics, headline, heatmap) and
`follow` (the charts and tables of the open tab). Analyses are made up, in blocks. The floor is one read of what a score
needs of the sketch: five float32 of each of its weights. The preview is compared with the exact mask, whose scores are
computed anew at each pass.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import redirect_stdout
from itertools import product
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._chromium import chromium, key_to_repaint
from benchmarks._synthetic import SIZES, exact, synthetic, write
from gaprune_viz.analysis.exact_scores import exact_scope, load_dense
from gaprune_viz.app.page import Page, compose
from gaprune_viz.app.session.access import visitor
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View
from gaprune_viz.calibration.progress import drain
from gaprune_viz.config import SKETCH_CAP, Settings
from gaprune_viz.config.presets import preset

WARM_UP = 8
PRESETS = ("paper", "balanced", "magnitude", "obd")
# Three passes over every score take minutes at the largest size.
PRESETS_AT_1B = ("paper", "balanced")


def main() -> None:
    """Measure, and print one JSON object or a few lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--sizes", nargs="*", choices=list(SIZES), default=["10M", "100M", "1B"])
    parser.add_argument("--moves", type=int, default=120, help="slider moves at each size")
    parser.add_argument("--presses", type=int, default=60, help="key presses in the browser; 0 for no browser")
    parser.add_argument("--no-default-model", action="store_true", help="leave out the default model's preview error")
    options = parser.parse_args()
    found: dict[str, Any] = {
        "benchmark": "live",
        "load_average": os.getloadavg()[0],
        "floor": "20 bytes read for each weight of the sketch",
        "floor_bytes": 20 * SKETCH_CAP,
        "sizes": {},
    }
    if options.presses:
        found["browser"] = repaint(options.presses)
    with tempfile.TemporaryDirectory() as folder:
        if not options.no_default_model:
            found["default_model"] = default_model(Path(folder) / "analysis-default")
        for size in options.sizes:
            found["sizes"][size] = measure(size, Path(folder), options.moves)
    if {"10M", "1B"} <= set(found["sizes"]):
        rows = found["sizes"]
        found["ratio_1b_to_10m"] = rows["1B"]["refresh_ms"]["p95"] / rows["10M"]["refresh_ms"]["p95"]
        found["ratio_1b_to_10m_median"] = rows["1B"]["refresh_ms"]["p50"] / rows["10M"]["refresh_ms"]["p50"]
    print(json.dumps(found, indent=2) if options.json else found)


def measure(size: str, folder: Path, moves: int) -> dict[str, Any]:
    """Times and preview error at one size."""
    began = time.perf_counter()
    made = synthetic(size)
    place = write(made, folder / f"analysis-{size}")
    _say(f"{size}: written in {time.perf_counter() - began:.0f} s")
    times = moved(place, moves)
    _say(f"{size}: moved")
    chosen = PRESETS_AT_1B if size == "1B" else PRESETS
    scope = exact(made)
    errors = {name: preview_error(place, scope, preset(name).settings) for name in chosen}
    return {"weights": made.weights, "matrices": len(made.matrices), **times, "preview": errors}


def moves_of(count: int) -> list[Settings]:
    """Slider moves as a person makes them: sparsity, then alpha and gamma, each step settings never seen before."""
    base = Settings()
    found = []
    for i, name in zip(range(count), _cycle(("sparsity", "sparsity", "alpha", "beta", "gamma")), strict=False):
        step = 0.002 * i
        if name == "sparsity":
            base = base.with_(mask=base.mask.with_(sparsity=round(0.3 + step, 3)))
        else:
            base = base.with_(score=base.score.with_(**{name: round(0.2 + step, 3)}))
        found.append(base)
    return found


def _cycle(names: tuple[str, ...]) -> list[str]:
    return [name for _, name in product(range(1_000), names)]


def moved(place: Path, count: int) -> dict[str, Any]:
    """Milliseconds of the handlers at each move."""
    with gr.Blocks():
        page = compose()
    following, view = page.following, View(analysis=visitor().admit(place))
    times: dict[str, list[float]] = {"refresh": [], "follow": []}
    for i, settings in enumerate(moves_of(count + WARM_UP)):
        values = held(page, view, settings)
        began = time.perf_counter()
        following.refresh(values)
        between = time.perf_counter()
        following.follow(values)
        ended = time.perf_counter()
        if i >= WARM_UP:
            times["refresh"].append(between - began)
            times["follow"].append(ended - between)
    return {
        "moves": count,
        **{f"{name}_ms": _quantiles(1000 * np.array(values)) for name, values in times.items()},
        "sketch": len(STORE.analysis(view.analysis).live.sketch.scattered),
    }


def held(page: Page, view: View, settings: Settings) -> dict[Any, Any]:
    """What a page with the Atlas open holds, as its handlers get it."""
    frame, following = page.frame, page.following
    read = {*following.refreshing["inputs"], *following.following["inputs"]}
    fresh = {part: getattr(part, "value", None) for part in read}
    return {**fresh, frame.view: view.model_dump(), frame.active: "atlas", **frame.tuning.set(settings)}


def preview_error(place: Path, scope: Any, settings: Settings) -> dict[str, float]:
    """Percentage points between the preview's pruned fraction of each matrix and the exact mask's."""
    live = STORE.analysis(visitor().admit(place)).live
    began = time.perf_counter()
    masks = scope.masks(settings).masks
    seconds = time.perf_counter() - began
    true = np.array([1 - int(masks[m.name].count_nonzero()) / m.size for m in live.matrices])
    off = 100 * (live.preview(settings).pruned_fraction - true)
    sizes = live.sizes
    return {
        "largest": float(np.abs(off).max()),
        "root_mean_square": float(np.sqrt((off**2).mean())),
        "share_under_half_a_point": float((np.abs(off) < 0.5).mean()),
        "whole_scope": float(abs((off * sizes).sum() / sizes.sum())),
        "exact_s": seconds,
    }


def default_model(place: Path) -> dict[str, Any]:
    """Preview error on the default model, all its linear weights, 64 samples a side."""
    from gaprune_viz.analysis.making import analyze
    from gaprune_viz.config import CalibrationSpec, RunSpec, Scope

    drain(analyze(RunSpec(calibration=CalibrationSpec(samples=64, scope=Scope.LINEAR)), place))
    statistics = STORE.analysis(visitor().admit(place)).statistics
    scope, _ = exact_scope(statistics, load_dense(statistics))
    _say("default model analysed")
    return {name: preview_error(place, scope, preset(name).settings) for name in PRESETS}


def repaint(presses: int) -> dict[str, Any]:
    """Milliseconds from key press to repaint, on the page as a newcomer opens it."""
    from gaprune_viz.app import launch

    # Gradio tells of its MCP server on standard output, which is the JSON's.
    with redirect_stdout(sys.stderr):
        _, address, _ = launch(port=0, prevent_thread_lock=True, quiet=True)
    with chromium() as browser:
        times = key_to_repaint(browser, str(address), presses)
    _say("browser measured")
    return {"presses": presses, "repaint_ms": _quantiles(np.array(times))}


def _quantiles(values: np.ndarray) -> dict[str, float]:
    return {"p50": float(np.quantile(values, 0.5)), "p95": float(np.quantile(values, 0.95)), "max": float(values.max())}


def _say(text: str) -> None:
    print(f"{time.process_time():.0f} s of processor time: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
