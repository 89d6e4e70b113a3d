"""The model that some settings give, to read texts with: dense, under a mask, or without its structures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.config import Settings
from gaprune_viz.evaluation.embedding_cache import CachedEncoder
from gaprune_viz.jobs.works.memory_cache import KEPT
from gaprune_viz.jobs.works.work_context import Report, Stopped
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.pruning.applying import masked


def encoder_of(analysis: Analysis, settings: Settings | None, report: Report, stopped: Stopped) -> CachedEncoder:
    """What encodes under some settings, and keeps what it encoded; the dense model where they are None.

    Raises:
        GapruneError: the settings cannot be met.
        Cancelled: `stopped` says so.
    """
    if settings is None:
        return CachedEncoder(KEPT.dense(analysis), KEPT.disk)
    _announce(settings, report)
    if settings.structure.whole:
        return CachedEncoder(KEPT.smaller(analysis, settings, report, stopped), KEPT.disk)
    made = KEPT.pruned(analysis, settings, report, stopped)
    return CachedEncoder(KEPT.dense(analysis), KEPT.disk, KEPT.scope(analysis)[1], made.masks, made.weights)


@contextmanager
def reading(analysis: Analysis, settings: Settings, report: Report, stopped: Stopped) -> Iterator[EmbeddingModel]:
    """The model under some settings, for as long as the block runs.

    Raises:
        GapruneError, Cancelled: as `encoder_of`.
    """
    _announce(settings, report)
    if settings.structure.whole:
        yield KEPT.smaller(analysis, settings, report, stopped)
        return
    made, model = KEPT.pruned(analysis, settings, report, stopped), KEPT.dense(analysis)
    with masked(model, KEPT.scope(analysis)[1], made.masks, made.weights):
        yield model


def _announce(settings: Settings, report: Report) -> None:
    report("Cutting the model" if settings.structure.whole else "Making the exact mask", 0, 0)
