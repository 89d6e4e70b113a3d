"""Runs a transfer map: missing cells are measured and kept one by one, then the map is made of all of them."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.config import ExecutorSpec, TransferSpec
from gaprune_viz.experiments.executors.from_address import opened
from gaprune_viz.experiments.executors.serial import done_in_turn
from gaprune_viz.experiments.executors.tasks import refuse_other
from gaprune_viz.experiments.transfer.bench import Bench
from gaprune_viz.experiments.transfer.by_workers import Whole, measured_by_workers, share, tasks_of
from gaprune_viz.experiments.transfer.calibrations import Arm
from gaprune_viz.experiments.transfer.document import TRANSFER_FILE, TRANSFER_FORMAT, check_transfer
from gaprune_viz.experiments.transfer.plan import cells
from gaprune_viz.experiments.transfer.sources import word_overlap
from gaprune_viz.experiments.transfer.tables import transfer_numbers
from gaprune_viz.storage.workspace import write_whole
from gaprune_viz.versions import versions

HERE = ExecutorSpec()


def run_transfer(
    spec: TransferSpec, folder: Path, *, executor: ExecutorSpec = HERE
) -> Generator[Progress, None, dict[str, Any]]:
    """Measure what is missing, then write `transfer.json`. Closing the generator keeps the cells that are finished.

    Args:
        spec: what to compare.
        folder: of the map; cells that are there already are not measured again.
        executor: where analyses are made and cells are measured.

    Yields:
        Progress, in texts to encode.

    Returns:
        what is in `transfer.json`: the same whether or not the map was stopped in between.

    Raises:
        GapruneError: whatever a person can put right; also, workers gave up on a cell: what is finished is kept.
    """
    refuse_other(folder, "a transfer map")
    planned = cells(spec)
    with opened(executor, (folder,)) as team:
        yield Progress("Reading the sources and the model", 0, 1, 0.0)
        bench = Bench(spec, folder)
        if team is not None:
            yield from measured_by_workers(team, bench, planned)
        yield from done_in_turn(Whole(bench), tasks_of(bench, planned), share)
    found = {cell: kept for cell in planned if (kept := bench.store.read(bench.key(cell))) is not None}
    document = {
        "format": TRANSFER_FORMAT,
        "spec": spec.model_dump(mode="json"),
        "model": {"label": bench.model.label, "weight_hash": bench.model.weight_hash},
        "versions": versions(),
        "words": {
            name: word_overlap(bench.calibrations.texts(Arm(spec.calibration.seed, shuffled)))
            for name, shuffled in (("real", False), ("shuffled", True))
        },
        **transfer_numbers(spec, found, bench.sources),
    }
    write_whole(folder / TRANSFER_FILE, json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n")
    return check_transfer(document)
