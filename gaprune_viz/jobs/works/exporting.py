"""The pruned model as a folder, as one file, and beside the dense one against the clock."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.config import Settings
from gaprune_viz.criteria.registry import settled
from gaprune_viz.data.starter import starter_passages
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.evaluation.latency import TEXTS, measure_speed
from gaprune_viz.evaluation.timing.latency_curve import Curve, measure_curve
from gaprune_viz.jobs.watched_work import driven
from gaprune_viz.jobs.works.disk_cache import keep_curve
from gaprune_viz.jobs.works.memory_cache import KEPT
from gaprune_viz.jobs.works.work_context import Report, Stopped
from gaprune_viz.pruning.export import pruning
from gaprune_viz.storage.workspace import workspace


def exported(analysis: Analysis, settings: Settings, report: Report, stopped: Stopped) -> Path:
    """Write the pruned model of an analysis with all its tensors; its folder, where it is kept."""
    near = "" if analysis.statistics.exact else "-compact"
    place = workspace() / f"export-{analysis.key}-{settled(settings).key()}{near}"
    report("Writing the pruned model", 0, 0)
    driven(pruning(analysis.folder, settings, place, model=KEPT.dense(analysis)), report, stopped)
    return place


def packed(analysis: Analysis, settings: Settings, file: str, report: Report, stopped: Stopped) -> str:
    """The pruned model as one zip; its path.

    Args:
        file: where it goes, without `.zip`.
    """
    # What the page counts of the exact masks is known afterwards, as after a comparison.
    KEPT.masks(analysis, settings)
    place = exported(analysis, settings, report, stopped)
    report("Packing", 0, 0)
    return shutil.make_archive(file, "zip", place)


def speed(analysis: Analysis, settings: Settings, report: Report, stopped: Stopped) -> dict[str, Any]:
    """Encode the same texts with the dense and the pruned model, in turn; as `latency.measure_speed`."""
    place = exported(analysis, settings, report, stopped)
    texts = [passage.text for passage in starter_passages("general")[:TEXTS]]
    return measure_speed(place, texts, tick=_ticking(report, stopped))


def timing(analysis: Analysis, settings: Settings, report: Report, stopped: Stopped) -> Curve:
    """Time the model at a few widths of the settings' structure, and keep that.

    Raises:
        GapruneError: none of it can go.
    """
    units, dense = KEPT.outline(analysis).units[settings.structure.structure], KEPT.dense(analysis)
    if units.refusal is not None:
        raise GapruneError(*units.refusal)
    report("Making smaller models", 0, 0)
    curve = measure_curve(dense, units, _ticking(report, stopped))
    keep_curve(dense.weight_hash, analysis.run.model, curve)
    return curve


def _ticking(report: Report, stopped: Stopped) -> Callable[[int, int], None]:
    def tick(done: int, total: int) -> None:
        report("Encoding", done, total)
        if stopped():
            raise Cancelled

    return tick
