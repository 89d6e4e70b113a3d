"""Measures the cells of a transfer map; analyses and masks are made when the first missing cell asks for them.

A cell depends on the spec and on the content of texts, weights and settings, and on no other cell.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.calibration.statistics import MatrixInfo
from gaprune_viz.config import Settings, TransferSpec
from gaprune_viz.evaluation.retrieval import evaluate
from gaprune_viz.evaluation.tasks import encode_task
from gaprune_viz.experiments.cells import content_key, study_cells
from gaprune_viz.experiments.transfer.calibrations import Calibrations, arm_of
from gaprune_viz.experiments.transfer.plan import Cell, reads_texts, settings_of
from gaprune_viz.experiments.transfer.sources import open_sources, open_tasks
from gaprune_viz.masking.masks import MaskResult
from gaprune_viz.models.loading import load_model
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.applying import census, masked
from gaprune_viz.pruning.mask_and_refit import Latest, Pruned, pruned


class Bench:
    """Everything that the cells of one map share.

    Args:
        spec: the map.
        folder: where its texts, analyses and cells are kept.

    Raises:
        GapruneError: whatever a person can put right.
    """

    def __init__(self, spec: TransferSpec, folder: Path) -> None:
        self.spec, self.folder = spec, folder
        tasks = open_tasks(spec)
        self.model = load_model(spec.model)
        self.sources, self.general = open_sources(spec, tasks, self.model.directions)
        self.labels = tuple(source.names.label for source in self.sources)
        self.store = study_cells(folder)
        self.calibrations = Calibrations(spec, folder, self.model, self.sources, self.general)
        self._made = Latest()
        self._masks: tuple[str, MaskResult] | None = None
        self._packed: OrderedDict[str, dict[str, np.ndarray]] = OrderedDict()

    def key(self, cell: Cell) -> str:
        """The name of a cell on disk: a hash of weights, texts, settings and task."""
        content: dict[str, Any] = {
            "transfer": cell.kind,
            "weights": self.model.weight_hash,
            "reading": [
                self.model.pooling.value,
                self.model.query_prompt,
                self.model.passage_prompt,
                self.model.max_length,
                self.spec.model.dtype.value,
            ],
            **self.model.determining(),
        }
        if cell.task is not None:
            content["task"] = self.sources[cell.task].task.content_hash
        if cell.kind != "dense":
            content["settings"] = self.settings(cell).content()
            content["calibrated"] = sorted(self._texts_of(cell, place) for place in cell.calibrated)
        return content_key(content)

    def settings(self, cell: Cell) -> Settings:
        """What a cell is pruned with."""
        return settings_of(self.spec, cell.row, cell.sparsity, refit=cell.refit)

    def _texts_of(self, cell: Cell, place: int) -> str:
        """What a mask, and a refit, take from the texts; nothing where the weights alone decide."""
        return self.calibrations.key(arm_of(cell), place) if reads_texts(self.spec, cell) else ""

    def measured(self, cell: Cell) -> Generator[Progress, None, dict[str, Any]]:
        """Measure one cell.

        Returns:
            `of`: what it is a cell of, for people; of a score: `ndcg_at_10` and `rank` (that of the first relevant
            passage, from 1; None where there is none) of each judged query in the order of the task, `zeros`,
            `scope_weights`; of an overlap: `places`, [layer, role, pruned by both, pruned by either] for each layer
            and role.
        """
        yield Progress(cell.label(self.labels), 0, 0, 0.0)
        if cell.kind == "overlap":
            found = yield from self._overlap(cell)
        elif cell.kind == "dense":
            found = self._score(cell)
        else:
            made, targets = yield from self._pruned(cell, cell.calibrated[0])
            found = self._score(cell, made, targets)
        return {"of": self._told(cell), **found}

    def _told(self, cell: Cell) -> dict[str, Any]:
        # What the weights alone decide is one cell whatever it is calibrated on.
        places = cell.calibrated if cell.kind != "dense" and reads_texts(self.spec, cell) else ()
        return {
            **{name: getattr(cell, name) for name in ("row", "sparsity", "refit", "seed", "shuffled")},
            "calibrated": [self.labels[place] for place in places],
            "task": None if cell.task is None else self.labels[cell.task],
        }

    def _score(self, cell: Cell, made: Pruned | None = None, targets: tuple[Target, ...] = ()) -> dict[str, Any]:
        assert cell.task is not None
        task = self.sources[cell.task].task
        masks: Mapping[str, Tensor] = {} if made is None else made.masks
        with masked(self.model, targets, masks, None if made is None else made.weights):
            evaluation = evaluate(task, *encode_task(self.model, task))
        counted = census(self.model, masks)
        return {
            "ndcg_at_10": evaluation.scores["ndcg_at_10"].tolist(),
            "rank": [None if pd.isna(rank) else int(rank) for rank in evaluation.first_relevant],
            **{name: counted[name] for name in ("zeros", "scope_weights")},
        }

    def _pruned(self, cell: Cell, place: int) -> Generator[Progress, None, tuple[Pruned, tuple[Target, ...]]]:
        """What is calibrated on a source: the mask of a cell and, where the cell asks for it, the refit."""
        arm = arm_of(cell)
        scope, targets = yield from self.calibrations.scope(arm, place)
        settings, plain = (
            settings_of(self.spec, cell.row, cell.sparsity, refit=refit) for refit in (cell.refit, False)
        )
        of = self.calibrations.key(arm, place)
        key = f"{plain.key()}-{of}"
        # A refit goes over the mask that was made before it.
        if self._masks is None or self._masks[0] != key:
            self._masks = (key, scope.masks(plain))
        work = partial(pruned, scope.statistics, self.model, scope, targets, settings, self._masks[1])
        made = yield from self._made.of(f"{settings.key()}-{of}", work)
        self._pack(key, made.masks)
        return made, targets

    def _pack(self, key: str, masks: Mapping[str, Tensor]) -> None:
        """Keep the last masks, as many as there are sources, a bit a weight."""
        if key not in self._packed:
            self._packed[key] = {name: np.packbits(~mask.numpy()) for name, mask in masks.items()}
            while len(self._packed) > len(self.sources):
                self._packed.popitem(last=False)

    def _overlap(self, cell: Cell) -> Generator[Progress, None, dict[str, Any]]:
        arm, bits = arm_of(cell), []
        for place in cell.calibrated:
            key = f"{self.settings(cell).key()}-{self.calibrations.key(arm, place)}"
            if key not in self._packed:
                yield from self._pruned(cell, place)
            bits.append(self._packed[key])
        scope, _ = yield from self.calibrations.scope(arm, cell.calibrated[0])
        return {"places": shared_by_place(bits[0], bits[1], scope.statistics.matrices)}


def shared_by_place(
    one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray], matrices: tuple[MatrixInfo, ...]
) -> list[list[Any]]:
    """What two masks prune, by layer and role.

    Args:
        one, other: uint8, the pruned weights of each matrix as packed bits.

    Returns:
        [layer, role, pruned by both, pruned by either], in the order of the matrices.
    """
    counts: dict[tuple[int, str], list[int]] = {}
    for info in matrices:
        a, b = one[info.name], other[info.name]
        found = counts.setdefault((info.layer, info.role), [0, 0])
        for i, bits in enumerate((np.bitwise_and(a, b), np.bitwise_or(a, b))):
            found[i] += int(np.count_nonzero(np.unpackbits(bits)))
    return [[layer, role, *found] for (layer, role), found in counts.items()]
