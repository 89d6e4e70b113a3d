"""Runs a study: missing cells are measured and kept one by one, then the tables and the report are written."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

from gaprune_viz.calibration.progress import Phases, Progress, relayed
from gaprune_viz.config import SIDES, StudySpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.study.bench import Bench
from gaprune_viz.experiments.study.document import STUDY_FILE, STUDY_FORMAT, check_study
from gaprune_viz.experiments.study.plan import Cell, cells
from gaprune_viz.experiments.study.tables import study_document
from gaprune_viz.experiments.training import TRAINING, texts_of, training_texts
from gaprune_viz.storage.workspace import write_whole
from gaprune_viz.versions import versions


def run_study(spec: StudySpec, folder: Path, *, partial: bool = False) -> Generator[Progress, None, dict[str, Any]]:
    """Measure what is missing, then write `study.json`. Closing the generator keeps the cells that are finished.

    Args:
        spec: what to compare.
        folder: of the study; cells that are there already are not measured again.
        partial: measure nothing; write what the cells on disk give.

    Yields:
        Progress, in cells.

    Returns:
        what is in `study.json`: the same whether or not the study was stopped in between.

    Raises:
        GapruneError: whatever a person can put right.
    """
    _refuse_other(folder)
    yield Progress("Loading the model", 0, 1, 0.0)
    bench = Bench(spec, folder)
    planned = cells(spec)
    found = {i: cell for i in range(len(planned)) if (cell := bench.store.read(bench.key(planned[i]))) is not None}
    job = Phases({} if partial else {str(i): cost(bench, cell) for i, cell in enumerate(planned) if i not in found})
    for i, cell in enumerate(planned):
        if i in found or partial:
            continue
        # Cells that another row shares, such as the base of an ablation, are on disk by now.
        found[i] = bench.store.read(bench.key(cell)) or (yield from _measured(bench, cell, job, str(i)))
        yield job.at(str(i), cell.label, 1.0)
    if 0 not in found:
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
        **study_document(spec, [(planned[i], found[i]) for i in sorted(found)], bench.tasks, len(planned)),
    }
    write_whole(folder / STUDY_FILE, json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n")
    return check_study(document)


def cost(bench: Bench, cell: Cell) -> float:
    """What a cell costs, in texts that are encoded in the same time."""
    texts = sum(map(texts_of, bench.tasks.values()))
    return texts + (0 if cell.retrain is None else training_texts(cell.retrain, {}))


def _measured(bench: Bench, cell: Cell, job: Phases, name: str) -> Generator[Progress, None, dict[str, Any]]:
    """Measure a cell; progress within it is shown in words, and on the bar where the cell is a training."""

    texts = sum(map(texts_of, bench.tasks.values()))

    def told(step: Progress) -> Progress:
        inner = f", {step.fraction:.0%}" if step.total > 1 else ""
        stage = cell.label if step.stage == cell.label else f"{cell.label}: {step.stage.lower()}{inner}"
        within = step.fraction if cell.retrain is not None and step.stage == TRAINING and step.total > 1 else 0.0
        return job.at(name, stage, within * (1 - texts / job.costs[name]))

    return (yield from relayed(bench.measure(cell), told))


def _refuse_other(folder: Path) -> None:
    """Leave alone a folder that holds something else."""
    if not folder.exists():
        return
    if not folder.is_dir() or (any(folder.iterdir()) and not (folder / "cells").is_dir()):
        raise GapruneError(f"{folder} exists and is not a study.", "Choose another folder with --out.")
