"""What some settings do to an analysed model: the exact mask, and what stays fitted anew where they ask for it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from math import nan

from torch import Tensor

from gaprune_viz.calibration.progress import Progress
from gaprune_viz.calibration.statistics import Statistics
from gaprune_viz.config import Settings
from gaprune_viz.criteria.registry import criterion, settled
from gaprune_viz.masking.from_statistics import ExactScope
from gaprune_viz.masking.masks import MaskResult
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target
from gaprune_viz.pruning.refit.from_analysis import Provenance, refit_analysed, updated_analysed
from gaprune_viz.pruning.refit.refit import Refit
from gaprune_viz.pruning.refit.sequential_pruning import Updated


@dataclass(frozen=True)
class Pruned:
    """An exact mask and what became of the weights that stay.

    Attributes:
        result: of the mask.
        refit: None where the kept weights are not refitted.
        updated: what a criterion with an update made; None of others. A refit goes over its mask, not its weights.
    """

    result: MaskResult
    refit: Refit | None = None
    updated: Updated | None = None

    @property
    def masks(self) -> dict[str, Tensor]:
        """bool [out, in] by target name, True = kept."""
        return self.result.masks

    @property
    def weights(self) -> Mapping[str, Tensor] | None:
        """Those that are not as they were, [out, in] by target name, 0 where the mask is; None where there are none."""
        made = self.refit or self.updated
        return None if made is None else made.weights


class Latest:
    """What was made last: cells that follow one another often want the same settings."""

    def __init__(self) -> None:
        self._made: tuple[str, Pruned] | None = None

    def of(self, key: str, work: Callable[[], Generator[Progress, None, Pruned]]) -> Generator[Progress, None, Pruned]:
        """What `work` gives, which is called where something else was made last.

        Args:
            key: of all that determines it.
        """
        if self._made is None or self._made[0] != key:
            self._made = (key, (yield from work()))
        return self._made[1]


def pruned(
    statistics: Statistics,
    model: EmbeddingModel,
    scope: ExactScope,
    targets: Sequence[Target],
    settings: Settings,
    masks: MaskResult | None = None,
) -> Generator[Progress, None, Pruned]:
    """The exact mask of some settings and, where they ask for it, the refit.

    Args:
        model: dense; it stays as it is.
        scope, targets: as `exact_scope` gives them for the model.
        masks: those of the scores, where they were made already.

    Yields:
        Progress of an update and of the refit; nothing where there is neither.

    Raises:
        GapruneError: the settings cannot be met; or as `refit_analysed` and `updated_analysed`.
    """
    settings = settled(settings)
    result, updated = masks or scope.masks(settings), None
    if made_by_update(settings):
        updated = yield from updated_analysed(Provenance.of(statistics), model, targets, result.masks, settings)
        result = MaskResult({name: updated.masks[name] for name in result.masks}, dict.fromkeys(result.masks, nan))
    if not settings.refit.refit:
        return Pruned(result, updated=updated)
    found = yield from refit_analysed(Provenance.of(statistics), model, targets, result.masks, settings.refit)
    return Pruned(result, found, updated)


def made_by_update(settings: Settings) -> bool:
    """Whether masks are made by a criterion's update, so that its scores alone only give a preview of them."""
    return criterion(settings.score.criterion).update is not None
