"""One cell: a mask from one source, measured on that source and on general texts. Kept on disk by its content."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from _robust_sources import Source, thinned

from gaprune_viz.analysis.exact import exact_scope
from gaprune_viz.analysis.making import analyze
from gaprune_viz.calibration.progress import drain
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import CalibrationSpec, ModelSpec, RunSpec, Scope, Settings
from gaprune_viz.criteria.registry import settled
from gaprune_viz.evaluation.retrieval import evaluate
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import RetrievalTask, encode_task
from gaprune_viz.experiments.cells import CellStore
from gaprune_viz.masking.from_statistics import ExactScope
from gaprune_viz.masking.neurons import waking_count
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.applying import masked

FORMAT = 1
LONGEST = 256
Scores = dict[str, list[float]]


@dataclass
class Bench:
    """The model, the sources and what was measured of them.

    Attributes:
        folder: of the analyses and the cells.
    """

    folder: Path
    model: EmbeddingModel = field(default_factory=lambda: load_model(ModelSpec(max_length=LONGEST)))

    def __post_init__(self) -> None:
        (self.folder / "cells").mkdir(parents=True, exist_ok=True)
        self.store = CellStore(self.folder / "cells", FORMAT, 6)
        self._opened: tuple[Path, ExactScope, tuple[Target, ...]] | None = None

    def dense(self, source: Source) -> Scores:
        """nDCG@10 of every query under the dense model, by side."""
        return self._scores(source, {"dense": True}, lambda: {})["scores"]

    def cell(self, source: Source, samples: int, seed: int, settings: Settings) -> dict[str, Any]:
        """nDCG@10 of every query under a mask, by side; and how many neurons it wakes."""
        calibration = CalibrationSpec(
            domain=source.calibration, general=source.general, samples=samples, seed=seed, scope=Scope.LINEAR
        )
        content = {
            "calibration": calibration.determining(),
            "texts": [source.name, source.general],
            "settings": settled(settings).content(),
        }

        def masks() -> dict[str, Any]:
            scope, targets = self._scope(source, calibration)
            found = scope.masks(settings).masks
            return {"masks": found, "targets": targets, "waking": waking_count(found, scope.statistics.matrices)}

        return self._scores(source, content, masks)

    def _scores(self, source: Source, content: dict[str, Any], masks: Any) -> dict[str, Any]:
        tasks = tasks_of(source)
        content = {
            **content,
            "weights": self.model.weight_hash,
            "tasks": {side: t.content_hash for side, t in tasks.items()},
        }
        key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]
        kept = self.store.read(key, "scores")
        if kept is not None:
            return kept
        began, made = time.monotonic(), masks()
        with masked(self.model, made.get("targets", ()), made.get("masks", {})):
            scores = {
                side: evaluate(task, *encode_task(self.model, task)).scores["ndcg_at_10"].tolist()
                for side, task in tasks.items()
            }
        took = round(time.monotonic() - began, 2)
        return self.store.write(key, {"scores": scores, "waking": made.get("waking", 0), "seconds": took})

    def _scope(self, source: Source, calibration: CalibrationSpec) -> tuple[ExactScope, tuple[Target, ...]]:
        name = f"{source.name}-{source.general}-{calibration.samples}-{calibration.seed}-{calibration.key()[:8]}"
        place = self.folder / name
        if self._opened is None or self._opened[0] != place:
            if not (place / "spec.json").is_file():
                print(f"calibrating {name}", file=sys.stderr, flush=True)
                drain(
                    analyze(
                        RunSpec(model=ModelSpec(max_length=LONGEST), calibration=calibration), place, model=self.model
                    )
                )
            self._opened = (place, *exact_scope(Statistics.open(place), self.model))
        return self._opened[1], self._opened[2]


def tasks_of(source: Source) -> dict[str, RetrievalTask]:
    """What a cell is measured on: the source, and general texts (of the source `general`: finance)."""
    return {"domain": source.task, "general": _general_task(source.general)}


@cache
def _general_task(name: str) -> RetrievalTask:
    return thinned(load_task(name))


def grid(
    bench: Bench,
    chosen: Sequence[Source],
    sizes: Sequence[int],
    seeds: Sequence[int],
    sparsities: Sequence[float],
    settings: dict[str, Settings],
) -> Iterator[dict[str, Any]]:
    """Every cell, analysis by analysis: what it is, percent of dense by side, and the scores of its queries."""
    for source in chosen:
        dense = bench.dense(source)
        for samples in sizes:
            for seed in seeds:
                for name, at in settings.items():
                    for sparsity in sparsities:
                        mask = at.mask.with_(sparsity=sparsity)
                        found = bench.cell(source, samples, seed, at.with_(mask=mask))
                        kept = {
                            side: 100 * float(np.mean(found["scores"][side])) / float(np.mean(dense[side]))
                            for side in dense
                        }
                        row = {"source": source.name, "samples": samples, "seed": seed, "settings": name}
                        yield {**row, "sparsity": sparsity, "kept": kept, **found, "dense": dense}
