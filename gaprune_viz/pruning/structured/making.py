"""Which units of an analysed model go, and the model without them, finished as the settings ask."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from math import nan
from typing import Any

import torch
from torch import Tensor

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import SIDES, Evidence, Settings
from gaprune_viz.criteria.registry import settled
from gaprune_viz.masking.from_statistics import ExactScope
from gaprune_viz.masking.masks import MaskResult
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import inventory
from gaprune_viz.pruning.refit.from_analysis import memory_of
from gaprune_viz.pruning.structured.cutting import Cut, kept_units, masks_of, plan_cut
from gaprune_viz.pruning.structured.finishing import Tried, finished, refuse_unfinishable, smaller
from gaprune_viz.pruning.structured.holdout_choice import split_texts
from gaprune_viz.pruning.structured.preconditions import refuse_settings, refuse_unanalysed
from gaprune_viz.pruning.structured.units import unit_sums


@dataclass(frozen=True)
class Planned:
    """A cut of an analysed model: which units go is decided, nothing is cut yet.

    Attributes:
        settings: settled.
        scores: of every unit, float64 [units] for each group; higher means keep.
        kept: bool [units] for each group.
    """

    statistics: Statistics
    settings: Settings
    cut: Cut
    scores: list[Tensor]
    kept: list[Tensor]

    def masks(self) -> MaskResult:
        """What goes of each matrix of the scope, as a mask: whole rows and columns. There is no threshold of weights.

        Of layers, all of a matrix or nothing.
        """
        touched = masks_of(self.cut, self.kept)
        masks = {
            matrix.name: touched.get(matrix.name, torch.ones(matrix.rows, matrix.columns, dtype=torch.bool))
            for matrix in self.statistics.matrices
        }
        return MaskResult(masks, dict.fromkeys(masks, nan))

    def told(self, name: str, row: int, column: int) -> dict[str, Any]:
        """Why one weight goes or stays: the unit that it is a part of.

        Returns:
            `reason`, and where it is a part of one: `rank` of the unit among its `group_size`, 1 going first, `kept`.
        """
        noun, going = self.cut.noun, self.cut.before - self.cut.after
        for group, scores, kept in zip(self.cut.groups, self.scores, self.kept, strict=True):
            for slab in group.slabs:
                if slab.target.name != name:
                    continue
                unit = int(slab.owner[row if slab.rows else column])
                rank = int((scores < scores[unit]).sum()) + 1
                stays = bool(kept[unit])
                if unit in group.fixed:
                    reason = f"Kept: {noun[:-1]} {unit} stays always."
                else:
                    reason = (
                        f"{'Kept' if stays else 'Cut out'}: it is part of {noun[:-1]} {unit} of {group.label}, number "
                        f"{rank:,} from the lowest of {group.units:,} by the sum of all their scores, and {going:,} go."
                    )
                return {"reason": reason, "rank": rank, "group_size": group.units, "kept": stays}
        return {"reason": f"Kept: nothing of this matrix goes with whole {noun}.", "kept": True}

    def made(self, dense: EmbeddingModel) -> Generator[Progress, None, Made]:
        """The model without these units, finished as the settings ask.

        Args:
            dense: the model of the plan; it stays as it is.

        Yields:
            Progress.

        Raises:
            GapruneError: as `split_texts` and `finished`.
        """
        settings = self.settings
        if not settings.refit.refit and not settings.structure.steps:
            return Made(Tried(smaller(dense, self.cut, self.kept), "as cut"), 0)
        hashes = {side: self.statistics.document["data"][side]["content_hash"] for side in SIDES}
        texts = split_texts(self.statistics.run, hashes, dense)
        room, targets = memory_of(self.statistics.run, dense), inventory(dense).targets
        tried = yield from finished(dense, targets, self.cut, self.kept, settings, texts, room)
        return Made(tried, texts.queries)


@dataclass(frozen=True)
class Made:
    """A smaller model.

    Attributes:
        tried: the model, and how ways to finish it compare.
        queries: held-out queries that decided between them; 0 where nothing was tried.
    """

    tried: Tried
    queries: int


def plan(statistics: Statistics, dense: EmbeddingModel, scope: ExactScope, settings: Settings) -> Planned:
    """Decide which units go.

    Args:
        scope: as `exact_scope` gives it for the model.
        settings: with a structure.

    Raises:
        GapruneError: whatever cannot be cut.
    """
    refuse_settings(settings, statistics)
    settings = settled(settings)
    cut = plan_cut(dense, inventory(dense).targets, settings.structure, settings.mask.sparsity)
    refuse_unfinishable(dense, settings)
    scores = scores_of(cut, scope, settings)
    return Planned(statistics, settings, cut, scores, kept_units(cut, scores))


def scores_of(cut: Cut, scope: ExactScope, settings: Settings) -> list[Tensor]:
    """The score of every unit, float64 [units] for each group; higher means keep.

    Raises:
        GapruneError: the analysis lacks what they are made of.
    """
    if settings.structure.evidence is Evidence.SAMPLES:
        return _from_samples(cut, scope.statistics)
    found = []
    for group in cut.groups:
        names = dict.fromkeys(slab.target.name for slab in group.slabs)
        refuse_unanalysed(settings, list(names), scope.statistics)
        there = [name for name in names if name in scope.index]
        total = torch.zeros(group.units, dtype=torch.float64)
        for name in there:
            total += unit_sums(group, {name: scope.scores(name, settings.score)})
        found.append(total)
    return found


def _from_samples(cut: Cut, statistics: Statistics) -> list[Tensor]:
    """Both sides' squared changes of the loss, each over its mean over all units."""
    sides = []
    for side in SIDES:
        values = [statistics.tensor(group.down, f"cut_{side}").double() for group in cut.groups]
        mean = torch.cat(values).mean().clamp_min(torch.finfo(torch.float64).tiny)
        sides.append([value / mean for value in values])
    return [torch.stack(parts).sum(0) for parts in zip(*sides, strict=True)]
