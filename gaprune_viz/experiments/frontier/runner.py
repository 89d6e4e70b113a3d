"""Runs a frontier: rows that are missing are measured and kept one by one, then all are timed in turn."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.config import SIDES, ExecutorSpec, FrontierSpec
from gaprune_viz.data.triplets import calibration_samples
from gaprune_viz.evaluation.significance import paired_bootstrap
from gaprune_viz.evaluation.tasks import RetrievalTask
from gaprune_viz.experiments.executors.from_address import opened
from gaprune_viz.experiments.executors.serial import done_in_turn
from gaprune_viz.experiments.frontier.bench import FrontierBench
from gaprune_viz.experiments.frontier.by_workers import Whole, measured_by_workers, tasks_of
from gaprune_viz.experiments.frontier.document import FRONTIER_FORMAT, write_document
from gaprune_viz.experiments.frontier.rows import rows_of
from gaprune_viz.experiments.learned import refuse_learned
from gaprune_viz.versions import versions

HERE = ExecutorSpec()


def run_frontier(
    analysis: Path, spec: FrontierSpec, folder: Path, *, executor: ExecutorSpec = HERE
) -> Generator[Progress, None, dict[str, Any]]:
    """Measure what is missing. Closing the generator keeps the rows that are finished.

    Args:
        analysis: folder of a finished analysis.
        folder: where models and cells are kept.
        executor: where models are made and their quality is measured; all are timed here.

    Yields:
        Progress over the rows, in texts that are encoded in the same time.

    Returns:
        plain values: `rows`, each with `ndcg_at_10`, `of_dense` and its 95 % `interval` by side (paired with dense
        over the queries; none for cells of before), `milliseconds`, `speed` (how many times as fast as dense) and
        `bytes`; and what they were measured with. The same is in the folder's `frontier.json`.

    Raises:
        GapruneError: whatever a person can put right.
    """
    with opened(executor, (analysis, folder)) as team:
        yield Progress("Loading the model", 0, 1, 0.0)
        bench = FrontierBench(analysis, spec, folder)
        rows = rows_of(spec, bench.dense.spec.dtype)
        if tasks_of(bench, rows):
            # Once, here, and not in every worker: the texts of a BEIR folder are found with the model.
            _refuse_learned(bench)
        if team is not None:
            yield from measured_by_workers(team, bench, rows)
    yield from done_in_turn(Whole(bench), tasks_of(bench, rows))
    # Cells of before may have another label than their row has now.
    found = [(bench.store.read(bench.key(row)), row.label) for row in rows]
    cells = [{**cell, "label": label} for cell, label in found if cell is not None]
    yield Progress("Timing all of them in turn", 0, 1, 0.0)
    times = bench.store.read(bench.times_key(rows)) or bench.times(rows)
    calibration = bench.statistics.document["run"]["calibration"]
    document = {
        "format": FRONTIER_FORMAT,
        "spec": spec.model_dump(mode="json"),
        "model": bench.dense.label,
        "analysis": bench.statistics.document["key"],
        "calibration": {key: calibration[key] for key in ("samples", "seed")},
        "data": {side: bench.statistics.document["data"][side]["name"] for side in SIDES},
        "tasks": {
            side: {"name": task.name, "queries": len(task.queries), "passages": len(task.corpus)}
            for side, task in bench.tasks.items()
        },
        "rows": [_row(cell, cells[0], times["milliseconds"], bench) for cell in cells],
        "threads": times["threads"],
        "rounds": times["rounds"],
        "versions": versions(),
    }
    write_document(document, folder)
    return document


def _refuse_learned(bench: FrontierBench) -> None:
    """Refuse queries that the analysis was calibrated on."""
    calibration = bench.statistics.run.calibration
    read = [(side, calibration_samples(calibration, side, bench.dense.directions)) for side in SIDES]
    refuse_learned(
        ((task.name, task) for task in bench.tasks.values()),
        [(f"the {side} side, {found.name}", found.samples) for side, found in read],
    )


def _row(
    cell: dict[str, Any], dense: dict[str, Any], times: dict[str, dict[str, float]], bench: FrontierBench
) -> dict[str, Any]:
    """A row of the document: a cell beside the dense model's."""
    mine = times[cell["row"]]
    row = {key: value for key, value in cell.items() if key not in ("format", "per_query")}
    row["of_dense"] = {side: cell["ndcg_at_10"][side] / max(dense["ndcg_at_10"][side], 1e-9) for side in SIDES}
    if "per_query" in cell and "per_query" in dense:
        row["interval"] = {side: _interval(cell, dense, side, bench.tasks[side]) for side in SIDES}
    row["milliseconds"] = mine
    row["speed"] = {key: times["dense"][key] / max(value, 1e-9) for key, value in mine.items()}
    return row


def _interval(cell: dict[str, Any], dense: dict[str, Any], side: str, task: RetrievalTask) -> list[float] | None:
    """Of a share of dense, paired over the queries; none where a single group of them says nothing about spread."""
    mine, reference = (np.asarray(found["per_query"][side]) for found in (cell, dense))
    ends = paired_bootstrap(mine - reference, clusters=task.clusters(task.judged))
    if not np.isfinite(ends).all():
        return None
    return [1 + end / max(reference.mean(), 1e-9) for end in ends]
