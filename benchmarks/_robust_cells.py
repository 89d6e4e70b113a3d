"""One cell: a mask from one source, measured on that source and on general texts. Kept on disk by its content."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._robust_sources import Source, thinned
from gaprune_viz.analysis.exact_scores import exact_scope
from gaprune_viz.analysis.making import analyze
from gaprune_viz.calibration.progress import drain
from gaprune_viz.calibration.statistics import SPEC_FILE, Statistics
from gaprune_viz.config import CalibrationSpec, ModelSpec, RunSpec, Scope, Settings
from gaprune_viz.criteria.registry import settled
from gaprune_viz.evaluation.retrieval import evaluate
from gaprune_viz.evaluation.task_sources import load_task
from gaprune_viz.evaluation.tasks import RetrievalTask, encode_task
from gaprune_viz.experiments.cells import CellStore
from gaprune_viz.masking.from_statistics import ExactScope
from gaprune_viz.masking.neuron_masks import waking_count
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.applying import masked
from gaprune_viz.pruning.mask_and_refit import pruned

FORMAT = 1
LONGEST = 256
Scores = dict[str, list[float]]
Changes = Mapping[str, Any]
NOTHING: Changes = {}


@dataclass
class Bench:
    """The model, the sources and what was measured of them.

    Attributes:
        folder: of the analyses and the cells.
        model: dense.
        again: measure cells that are on disk once more, as after a change of what makes the masks.
    """

    folder: Path
    model: EmbeddingModel = field(default_factory=lambda: load_model(ModelSpec(max_length=LONGEST)))
    again: bool = False

    def __post_init__(self) -> None:
        (self.folder / "cells").mkdir(parents=True, exist_ok=True)
        self.store = CellStore(self.folder / "cells", FORMAT, 6)
        self._opened: tuple[Path, ExactScope, tuple[Target, ...]] | None = None

    def dense(self, source: Source) -> Scores:
        """nDCG@10 of every query under the dense model, by side."""
        key = self._key(source, {"dense": True})
        found = self.store.read(key, "scores") or self._measure(source, key, lambda: {})
        return found["scores"]

    def known(
        self, source: Source, samples: int, seed: int, settings: Settings, changes: Changes = NOTHING
    ) -> dict[str, Any] | None:
        """A cell that is on disk; None where there is none."""
        calibration = _calibration(source, samples, seed, changes)
        return self.store.read(self._key(source, _content(source, calibration, settings)), "scores")

    def cell(
        self, source: Source, samples: int, seed: int, settings: Settings, changes: Changes = NOTHING
    ) -> dict[str, Any]:
        """A cell, from disk where it is there.

        Args:
            changes: what differs in the calibration.

        Returns:
            `scores`: nDCG@10 of every query under the mask, by side; `waking`: how many neurons it wakes; `seconds`:
            of the mask and its evaluation.
        """
        if not self.again and (found := self.known(source, samples, seed, settings, changes)) is not None:
            return found
        calibration = _calibration(source, samples, seed, changes)
        scope, targets = self._scope(source, calibration)

        def masks() -> dict[str, Any]:
            made = drain(pruned(scope.statistics, self.model, scope, targets, settings))
            waking = waking_count(made.masks, scope.statistics.matrices)
            return {"masks": made.masks, "weights": made.weights, "targets": targets, "waking": waking}

        return self._measure(source, self._key(source, _content(source, calibration, settings)), masks)

    def _key(self, source: Source, content: dict[str, Any]) -> str:
        tasks = {side: task.content_hash for side, task in tasks_of(source).items()}
        content = {**content, "weights": self.model.weight_hash, "tasks": tasks}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]

    def _measure(self, source: Source, key: str, masks: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        began, made = time.monotonic(), masks()
        with masked(self.model, made.get("targets", ()), made.get("masks", {}), made.get("weights")):
            scores = {
                side: evaluate(task, *encode_task(self.model, task)).scores["ndcg_at_10"].tolist()
                for side, task in tasks_of(source).items()
            }
        took = round(time.monotonic() - began, 2)
        return self.store.write(key, {"scores": scores, "waking": made.get("waking", 0), "seconds": took})

    def _scope(self, source: Source, calibration: CalibrationSpec) -> tuple[ExactScope, tuple[Target, ...]]:
        name = f"{source.name}-{source.general}-{calibration.samples}-{calibration.seed}-{calibration.key()[:8]}"
        place = self.folder / name
        if self._opened is None or self._opened[0] != place:
            if not (place / SPEC_FILE).is_file():
                began, run = time.monotonic(), RunSpec(model=self.model.spec, calibration=calibration)
                drain(analyze(run, place, model=self.model))
                print(f"calibrated {name} in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
            self._opened = (place, *exact_scope(Statistics.open(place), self.model))
        return self._opened[1], self._opened[2]


def _calibration(source: Source, samples: int, seed: int, changes: Changes) -> CalibrationSpec:
    return CalibrationSpec(
        domain=source.calibration, general=source.general, samples=samples, seed=seed, scope=Scope.LINEAR, **changes
    )


def _content(source: Source, calibration: CalibrationSpec, settings: Settings) -> dict[str, Any]:
    return {
        "calibration": calibration.determining(),
        "texts": [source.name, source.general],
        "settings": settled(settings).content(),
    }


def tasks_of(source: Source) -> dict[str, RetrievalTask]:
    """What a cell is measured on: the source, and general texts (of the source `general`: finance)."""
    return {"domain": source.task, "general": _general(source.general)}


@functools.cache
def _general(name: str) -> RetrievalTask:
    return thinned(load_task(name))


def grid(
    bench: Bench,
    chosen: Sequence[Source],
    sizes: Sequence[int],
    seeds: Sequence[int],
    sparsities: Sequence[float],
    settings: Mapping[str, Settings],
    calibrated: Mapping[str, Changes] = NOTHING,
    *,
    kept_only: bool = False,
) -> Iterator[dict[str, Any]]:
    """Every cell, analysis by analysis: what it is, percent of dense by side, and the scores of its queries.

    Args:
        calibrated: what differs in the calibration of some settings.
        kept_only: measure nothing but the dense model; leave out what is not on disk.
    """
    for source in chosen:
        dense = {side: float(np.mean(scores)) for side, scores in bench.dense(source).items()}
        places = itertools.product(sizes, seeds, settings.items(), sparsities)
        for samples, seed, (name, at), sparsity in places:
            wanted = at.with_(mask=at.mask.with_(sparsity=sparsity))
            found = (bench.known if kept_only else bench.cell)(
                source, samples, seed, wanted, calibrated.get(name, NOTHING)
            )
            if found is None:
                continue
            kept = {side: 100 * float(np.mean(found["scores"][side])) / dense[side] for side in dense}
            row = {"source": source.name, "samples": samples, "seed": seed, "settings": name, "sparsity": sparsity}
            yield {**row, "kept": kept, "scores": found["scores"], **{k: found[k] for k in ("waking", "seconds")}}
