"""Runs a frontier: rows that are missing are measured and kept one by one, then all are timed in turn."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from gaprune_viz.calibration.progress import Progress, relayed
from gaprune_viz.config import SIDES, FrontierSpec
from gaprune_viz.experiments.frontier.bench import FrontierBench
from gaprune_viz.experiments.frontier.rows import rows_of
from gaprune_viz.versions import versions


def run_frontier(analysis: Path, spec: FrontierSpec, folder: Path) -> Generator[Progress, None, dict[str, Any]]:
    """Measure what is missing. Closing the generator keeps the rows that are finished.

    Args:
        analysis: folder of a finished analysis.
        folder: where models and cells are kept.

    Yields:
        Progress, in rows.

    Returns:
        plain values: `rows`, each with `ndcg_at_10` and `of_dense` by side, `milliseconds`, `speed` (how many times
        as fast as dense) and `bytes`; and what they were measured with.

    Raises:
        GapruneError: whatever a person can put right.
    """
    yield Progress("Loading the model", 0, 1, 0.0)
    bench, rows, began = FrontierBench(analysis, spec, folder), rows_of(spec), time.monotonic()
    cells = []
    for done, row in enumerate(rows):
        yield Progress(row.label, done, len(rows) + 1, time.monotonic() - began)

        def told(step: Progress, done: int = done) -> Progress:
            return Progress(step.stage, done, len(rows) + 1, time.monotonic() - began)

        cells.append(bench.store.read(bench.key(row)) or (yield from relayed(bench.measure(row), told)))
    yield Progress("Timing all of them in turn", len(rows), len(rows) + 1, time.monotonic() - began)
    times = bench.store.read(bench.times_key(rows)) or bench.times(rows)
    dense, dense_times = cells[0], times["milliseconds"]["dense"]
    return {
        "format": 1,
        "spec": spec.model_dump(mode="json"),
        "model": bench.dense.label,
        "analysis": bench.statistics.document["key"],
        "data": {side: bench.statistics.document["data"][side]["name"] for side in SIDES},
        "tasks": {
            side: {"name": task.name, "queries": len(task.queries), "passages": len(task.corpus)}
            for side, task in bench.tasks.items()
        },
        "rows": [
            {
                **{key: value for key, value in cell.items() if key != "format"},
                "of_dense": {side: cell["ndcg_at_10"][side] / max(dense["ndcg_at_10"][side], 1e-9) for side in SIDES},
                "milliseconds": mine,
                "speed": {key: dense_times[key] / max(value, 1e-9) for key, value in mine.items()},
            }
            for cell, mine in ((cell, times["milliseconds"][cell["row"]]) for cell in cells)
        ],
        "threads": times["threads"],
        "rounds": times["rounds"],
        "versions": versions(),
    }
