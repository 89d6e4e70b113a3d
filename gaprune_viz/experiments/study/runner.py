"""Runs a study: missing cells are measured and kept one by one, then the tables and the report are written."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.config import SIDES, ExecutorSpec, StudySpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.executors.from_address import opened
from gaprune_viz.experiments.executors.serial import done_in_turn
from gaprune_viz.experiments.executors.tasks import Failure, refuse_other
from gaprune_viz.experiments.study.bench import Bench
from gaprune_viz.experiments.study.by_workers import Whole, measured_by_workers, share, tasks_of
from gaprune_viz.experiments.study.document import (
    LONGEST_ERROR,
    LONGEST_LABEL,
    STUDY_FILE,
    STUDY_FORMAT,
    check_study,
)
from gaprune_viz.experiments.study.plan import cells
from gaprune_viz.experiments.study.tables import study_document
from gaprune_viz.storage.workspace import write_whole
from gaprune_viz.versions import versions

HERE = ExecutorSpec()


def run_study(
    spec: StudySpec, folder: Path, *, partial: bool = False, executor: ExecutorSpec = HERE
) -> Generator[Progress, None, dict[str, Any]]:
    """Measure what is missing, then write `study.json`. Closing the generator keeps the cells that are finished.

    Args:
        spec: what to compare.
        folder: of the study; cells that are there already are not measured again.
        partial: measure nothing; write what the cells on disk give.
        executor: where cells are measured. Workers give up on a cell that fails again and again; the others are
            measured all the same, and `failed` tells of it.

    Yields:
        Progress, in cells.

    Returns:
        what is in `study.json`: the same whether or not the study was stopped in between.

    Raises:
        GapruneError: whatever a person can put right.
    """
    refuse_other(folder, "a study")
    planned, failed = cells(spec), dict[str, Failure]()
    with opened(HERE if partial else executor, (folder,)) as team:
        yield Progress("Loading the model", 0, 1, 0.0)
        bench = Bench(spec, folder)
        if team is not None:
            failed = yield from measured_by_workers(team, bench, planned)
        if not partial:
            tasks = [task for task in tasks_of(bench, planned) if task.name not in failed]
            yield from done_in_turn(Whole(bench), tasks, share)
    keys = [bench.key(cell) for cell in planned]
    found = {i: cell for i, key in enumerate(keys) if (cell := bench.store.read(key)) is not None}
    if 0 not in found:
        if keys[0] in failed:
            raise GapruneError(f"The dense model could not be measured: {failed[keys[0]].error}", "Run it again.")
        raise GapruneError("The dense model has not been measured yet.", "Run the study without --partial first.")
    document = {
        "format": STUDY_FORMAT,
        "spec": spec.model_dump(mode="json"),
        "model": {"label": bench.model.label, "weight_hash": bench.model.weight_hash},
        "tasks": {
            side: {"name": t.name, "queries": len(t.queries), "passages": len(t.corpus), "hash": t.content_hash}
            for side, t in bench.tasks.items()
        },
        "data": {
            side: {"source": getattr(spec.calibration, side), "hash": bench.calibration_hash[side]} for side in SIDES
        },
        "versions": versions(),
        **_told(failed, keys),
        **study_document(spec, [(planned[i], found[i]) for i in sorted(found)], bench.tasks, len(planned)),
    }
    write_whole(folder / STUDY_FILE, json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n")
    return check_study(document)


def _told(failed: dict[str, Failure], keys: list[str]) -> dict[str, Any]:
    """The cells that workers gave up on; nothing where there are none."""
    given_up = [failed[key] for key in dict.fromkeys(keys) if key in failed]
    told = [{"label": one.label[:LONGEST_LABEL], "error": one.error[:LONGEST_ERROR]} for one in given_up]
    return {"failed": told} if told else {}
