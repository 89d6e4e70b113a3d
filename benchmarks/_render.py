"""From the JSON of the benchmarks to docs/performance.md: target, floor, measurement, and whether it held."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._document_parts import power, table

Row = tuple[str, str, str, str, str]
Found = dict[str, Any]
HEAD = ("figure", "target", "measured", "held", "floor")


def main() -> None:
    """Read a folder of JSON files, write the document."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
    notes = folder / "notes.md"
    out.write_text(document(found, notes.read_text(encoding="utf-8") if notes.is_file() else ""), encoding="utf-8")


def document(found: Found, notes: str = "") -> str:
    """The whole text; `notes` say under what conditions these files were measured."""
    parts = [
        "# Performance",
        f"Measured on a machine with {os.cpu_count()} processor cores ({platform.machine()}), no GPU; written by "
        "`make bench` from `docs/benchmarks`. The load average says what else ran when a script began. A figure that "
        "did not hold is listed as such.",
        *([notes.strip()] if notes else []),
    ]
    for name, (title, rows, more) in SECTIONS.items():
        if name not in found:
            parts += [f"## {title}", f"Not measured: run `benchmarks/{name}.py`."]
            continue
        parts += [f"## {title}", f"`benchmarks/{name}.py`, load {found[name]['load_average']:.1f}."]
        parts += [table(HEAD, rows(found[name])), *more(found[name])]
    return "\n\n".join(parts) + "\n"


def row(name: str, value: float, target: float, unit: str, floor: str, *, least: bool = False) -> Row:
    """One line: `target` is the most that `value` may be, or the least."""
    held = value >= target if least else value <= target
    sign = "≥" if least else "≤"
    return name, f"{sign} {_number(target)}{unit}", f"{_number(value)}{unit}", "yes" if held else "**no**", floor


def _number(value: float) -> str:
    return power(value) if 0 < abs(value) < 0.01 else f"{value:,.3g}" if abs(value) < 1_000 else f"{value:,.0f}"


def _calibration(found: Found) -> Iterator[Row]:
    least = {"short": {"published": 20, "naive": 2}, "long": {"published": 3}}
    for kind, text in found["texts"].items():
        label = f"{kind} texts ({text['tokens_per_text']:.0f} tokens)"
        floor = f"{text['floor_gflop']['ours']:,.0f} GFLOP: {text['gflop_per_s']['ours']:.0f} GFLOP/s"
        yield row(f"{label}: ours / plain backward", text["ours_over_plain"], 1.35, "", floor)
        for other, target in least[kind].items():
            yield row(f"{label}: {other} / ours", text[f"{other}_over_ours"], target, "", "", least=True)
        yield row(f"{label}: largest relative error", text["exactness"]["worst"], 1e-4, "", "naive loop in float64")


def _time_split(found: Found) -> Iterator[str]:
    kinds = found["texts"]
    parts = list(next(iter(kinds.values()))["time_split"]["share"])
    yield "Where the time of ours goes (one more run, with clocks on its parts):"
    yield table(
        ("texts", *parts),
        [(kind, *(f"{100 * text['time_split']['share'][p]:.0f} %" for p in parts)) for kind, text in kinds.items()],
    )
    for kind, text in kinds.items():
        yield (
            f"{kind.capitalize()}: {text['samples']} triplets, {text['tokens']:,} tokens. Ours {text['ours_s']:.2f} s, "
            f"plain {text['plain_s']:.2f} s, published {text['published_s']:.1f} s (timed over "
            f"{text['published_samples']} samples, all padded alike), naive {text['naive_s']:.2f} s (over "
            f"{text['naive_samples']} samples)."
        )


def _live(found: Found) -> Iterator[Row]:
    floor = f"{found['floor_bytes'] / 2**20:.0f} MiB read"
    for size, one in found["sizes"].items():
        yield row(f"{size}: slider move on the server, p95", one["refresh_ms"]["p95"], 30, " ms", floor)
    if "ratio_1b_to_10m" in found:
        yield row("p95 at 1B / 10M", found["ratio_1b_to_10m"], 1.2, "", "1: the sketch is as large")
    previews = {size: one["preview"] for size, one in found["sizes"].items()}
    if "default_model" in found:
        previews = {"default model": found["default_model"], **previews}
    for size, settings in previews.items():
        for name, one in settings.items():
            label = f"{size}, `{name}`: preview error of a matrix, largest"
            yield row(label, one["largest"], 0.5, " points", f"root mean square {one['root_mean_square']:.2f}")
    if "browser" in found:
        yield row("key press to repaint, p95", found["browser"]["repaint_ms"]["p95"], 150, " ms", "two frames: 33 ms")


def _live_more(found: Found) -> Iterator[str]:
    yield "Milliseconds of the page's handlers at each move; every move asks for settings never seen before:"
    yield table(
        ("target weights", "matrices", "refresh p50", "p95", "open tab's charts p50", "p95"),
        [
            (
                f"{one['weights']:,}",
                str(one["matrices"]),
                *(f"{one[f'{h}_ms'][q]:.0f}" for h in ("refresh", "follow") for q in ("p50", "p95")),
            )
            for one in found["sizes"].values()
        ],
    )
    yield (
        "The preview's error is sampling error. A matrix gives as few as about 1,000 weights to the sketch; drawn "
        "blindly these would leave 1.6 points of standard error at 50 %. They are drawn along an order in which "
        "neighbours are alike in all that the criteria read, and weighted so that they add up to the matrix below "
        "every level of the usual scores, which takes most of it away. The exact mask is made on Compare and Export."
    )
    if "browser" in found:
        times = found["browser"]["repaint_ms"]
        yield f"Key press to repaint: median {times['p50']:.0f} ms over {found['browser']['presses']} presses."


def _masks(found: Found) -> Iterator[Row]:
    held, streamed = found["held"], found["streamed"]
    floor = f"{held['floor_bytes'] / 1e6:.0f} MB read and written"
    yield row("10M weights: mask / numpy partition", held["mask_over_partition"], 3, "", floor)
    size = f"{streamed['weights']:,} weights, streamed: memory"
    yield row(size, streamed["peak_bytes"] / 2**30, 8, " GiB", f"{streamed['floor_bytes'] / 2**30:.2f} GiB of mask")
    same = held["streamed_is_the_same"]
    yield ("streamed mask bit for bit as held", "yes", "yes" if same else "no", "yes" if same else "**no**", "")


def _masks_more(found: Found) -> Iterator[str]:
    yield f"The streamed mask took {found['streamed']['seconds']:.0f} s."


def _memory(found: Found) -> Iterator[Row]:
    for name, one in found["models"].items():
        for label, peak in ((name, one["peak"]), (f"{name}, less memory", one["with_less"]["peak"])):
            off = abs(peak["predicted_over_measured"] - 1)
            floor = f"planned {peak['predicted'] / 1e6:,.0f} MB, taken {peak['measured'] / 1e6:,.0f} MB"
            yield row(f"{label}: plan off by", 100 * off, 15, " %", floor)


def _startup(found: Found) -> Iterator[Row]:
    gradio = f"importing gradio: {found['gradio_s']:.2f} s"
    python = f"an empty interpreter: {found['python_s']:.2f} s"
    yield row("`import gaprune_viz`", found["import_s"], 0.3, " s", python)
    yield row("`gaprune-viz --help`", found["help_s"], 1, " s", python)
    yield row("page served after start", found["served_s"], 6, " s", gradio)
    if "first_chart_s" in found:
        yield row("first chart after opening", found["first_chart_s"], 2, " s", "")


def _startup_more(found: Found) -> Iterator[str]:
    ratios = ", ".join(
        f"{name.replace('_', ' ')} {found[f'{name}_over_gradio']:.2f}"
        for name in ("import", "help", "served", "first_chart")
        if f"{name}_over_gradio" in found
    )
    yield f"As ratios to importing gradio alone: {ratios}."


def _busy(found: Found) -> Iterator[Row]:
    for name, one in found["kinds"].items():
        idle = f"idle: {one['idle_ms']:.0f} ms"
        yield row(f"slider beside {name}: p95 / idle", one["ratio_of_p95"], found["target"], "", idle)


def _crowd(found: Found) -> Iterator[Row]:
    for name, one in found["kinds"].items():
        alone = f"one person, idle: {one['unloaded_ms']['p95']} ms"
        yield row(f"{one['people']} people beside {name}: p95 / idle", one["ratio_of_p95"], found["target"], "", alone)


def _first_click(found: Found) -> Iterator[Row]:
    for kind, one in found["kinds"].items():
        place = "alone" if kind == "alone" else "beside a process on two threads"
        visits = f"{found['visits']} visits, each of a new server"
        yield row(f"opening to the first ranking, {place}, p95", one["first_p95"], one["target"], " s", visits)
        moves = f"{len(one['follow'])} moves; either it follows within that, or it is marked as old and then follows"
        yield row(
            f"a move to the old ranking marked, {place}, p95", one["marked_p95"], found["follow_target"], " s", moves
        )
        yield (f"a move to its own ranking, {place}, p95", "", f"{one['follow_p95']:.2f} s", "marked till then", "")


def _neighbours(found: Found) -> Iterator[Row]:
    seconds, targets = found["seconds"], found["targets"]
    alone = f"alone: {seconds['alone']['wall']:.1f} s, {seconds['alone']['processor']:.1f} s of the processor"
    ratios = found["ratios"]
    yield row("beside two busy threads / alone: processor", ratios["processor"], targets["processor"], "", alone)
    yield row("beside two busy threads / alone: wall time", ratios["wall"], targets["wall"], "", "2: half the machine")
    yield row("alone / alone with threads that spin: wall time", ratios["alone"], targets["alone"], "", "1")


def _neighbours_more(found: Found) -> Iterator[str]:
    yield "Seconds of the same analysis, medians:"
    yield table(
        ("way", "wall", "processor"),
        [(name, f"{one['wall']:.1f}", f"{one['processor']:.1f}") for name, one in found["seconds"].items()],
    )


def _encoding(found: Found) -> Iterator[Row]:
    floor = f"{found['floor_gflop']:,.0f} GFLOP: {found['gflop_per_s']:.0f} GFLOP/s"
    yield row("corpus encoding: ours / sentence-transformers", found["ours_over_theirs"], 1.1, "", floor)
    yield row("largest difference of an embedding's entry", found["largest_difference"], 1e-5, "", "")


def _scaling(found: Found) -> Iterator[Row]:
    for name, one in found["models"].items():
        taken = f"{one['peak_bytes'] / 1e9:.0f} GB memory, {one['disk_bytes'] / 1e9:.1f} GB disk"
        yield (f"{name}, planned", "", taken, "not run", f"{one['flops'] / 1e15:.1f} PFLOP")


def _refit(found: Found) -> Iterator[Row]:
    if "time" in found:
        time = found["time"]
        floor = f"{time['floor_gflop']:,.0f} GFLOP in products of these shapes alone: {time['products_s']:.1f} s"
        yield row("refit / the matrix products it needs", time["refit_over_products"], 1.5, "", floor)
        yield row("the same, seconds of the processor", time["refit_over_products_processor"], 1.5, "", "")
        hundred = f"{time['retraining_steps_timed']} steps timed, multiplied to a hundred"
        yield row("refit / 100 steps of retraining", time["refit_over_retraining"], 0.25, "", hundred)


def _refit_more(found: Found) -> Iterator[str]:
    if "time" in found:
        time = found["time"]
        yield f"{time['texts']:,} texts, {time['tokens']:,} tokens: {time['refit_s']:.1f} s."
    if "quality" in found:
        yield "Percent of dense nDCG@10, domain and general, one seed:"
        yield table(
            ("mask", "sparsity", "version", "domain", "general"),
            [
                (q["preset"], f"{q['sparsity']:.0%}", q["version"], *(f"{q[f'{s}_of_dense']:.1f}" for s in SIDES))
                for q in found["quality"]
            ],
        )


SIDES = ("domain", "general")


def _eta(found: Found) -> Iterator[Row]:
    for name, job in found["jobs"].items():
        if job["worst"] is not None:
            floor = f"{job['seconds']:.0f} s, asked {job['asked']} times"
            yield row(f"what is left, said / true: {name}", job["worst"], found["target"], "", floor)


def _sources(found: Found) -> Iterator[Row]:
    floor = f"{found['sources']} sources of {found['samples']} triplets, each a side of a plain analysis: "
    floor += f"{found['apart_s']:.1f} s; mixing {found['mixing_s']:.2f} s"
    yield row("several sources in one analysis / one after the other", found["ratio"], found["target"], "", floor)


def _nothing(found: Found) -> Iterator[str]:
    yield from ()


Section = tuple[str, Callable[[Found], Iterator[Row]], Callable[[Found], Iterator[str]]]
SECTIONS: dict[str, Section] = {
    "calibration": ("Calibration", _calibration, _time_split),
    "live": ("Live", _live, _live_more),
    "first_click": ("The first click", _first_click, _nothing),
    "page_busy": ("A slider beside heavy work", _busy, _nothing),
    "crowd": ("Many people beside heavy work", _crowd, _nothing),
    "neighbours": ("Beside a busy neighbour", _neighbours, _neighbours_more),
    "masks": ("Exact masks", _masks, _masks_more),
    "memory": ("Memory", _memory, _nothing),
    "startup": ("Start-up", _startup, _startup_more),
    "encoding": ("Encoding", _encoding, _nothing),
    "refit": ("Refit", _refit, _refit_more),
    "sources": ("Several sources", _sources, _nothing),
    "eta": ("How long it still takes", _eta, _nothing),
    "scaling": ("Larger models", _scaling, _nothing),
}

if __name__ == "__main__":
    main()
