"""An analysis with compact statistics in place of its tensors, and how far its masks are then from the exact ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

from torch import Tensor

from gaprune_viz.analysis.exact_scores import exact_scope
from gaprune_viz.calibration.compact.file import COMPACT_FILE, STEPS, write_compact
from gaprune_viz.calibration.progress import Progress
from gaprune_viz.calibration.statistics import (
    CUT_FIELDS,
    HISTOGRAM_FILE,
    SKETCH_FILE,
    SPEC_FILE,
    SUMMARY_FILE,
    Statistics,
    fields_of,
)
from gaprune_viz.config import ScoreSpec, Settings
from gaprune_viz.config.presets import PRESETS
from gaprune_viz.criteria.registry import CRITERIA
from gaprune_viz.criteria.sources.source_moments import OVER_SOURCES
from gaprune_viz.masking.from_statistics import ExactScope
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.storage.checksums import CHECKSUMS, seal
from gaprune_viz.storage.workspace import whole_folder

SPARSITIES = (0.1, 0.3, 0.5, 0.7, 0.9)
KEPT = (SKETCH_FILE, HISTOGRAM_FILE, SUMMARY_FILE)


def compacted(source: Path, out: Path, model: EmbeddingModel) -> Generator[Progress, None, float]:
    """Write an analysis anew with compact statistics, and measure what that does to its masks.

    Args:
        source: folder of an analysis with its tensors.
        out: folder of the result.
        model: the analysed one.

    Yields:
        Progress.

    Returns:
        the largest share of the pruned weights that differ from those of the exact mask, over every criterion and
        preset and `SPARSITIES`; `spec.json` says it as `compact.largest_difference`.

    Raises:
        GapruneError: the analysis is damaged, or of another model.
    """
    statistics = Statistics.open(source)
    scope, _ = exact_scope(statistics, model)
    shapes = {info.name: (info.rows, info.columns) for info in statistics.matrices}
    plain = {m.name: tuple(f for f in fields_of(m.role) if f not in (*STEPS, *CUT_FIELDS)) for m in statistics.matrices}
    with whole_folder(out, marker=SPEC_FILE) as folder:
        yield Progress("Packing", 0, 1, 0.0)
        for name in KEPT:
            shutil.copyfile(source / name, folder / name)
        write_compact(folder / COMPACT_FILE, shapes, statistics.tensor, plain)
        document = {key: value for key, value in statistics.document.items() if key != CHECKSUMS}
        _seal(folder, document)
        near = ExactScope(Statistics.open(folder), scope.theta_of)
        chosen = list(_settings(several="sources" in document))
        largest = 0.0
        for place, settings in enumerate(chosen):
            yield Progress("Comparing masks", place, len(chosen), 0.0)
            largest = max(largest, difference(scope.masks(settings).masks, near.masks(settings).masks))
        _seal(folder, {**document, "compact": {"largest_difference": round(largest, 6), "masks": len(chosen)}})
    return largest


def difference(exact: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Share of the pruned weights that another mask of the same sparsity keeps."""
    pruned = sum(int((~mask).sum()) for mask in exact.values())
    kept = sum(int((~mask & other[name]).sum()) for name, mask in exact.items())
    return kept / pruned if pruned else 0.0


def _settings(several: bool) -> Iterator[Settings]:
    """Every preset and every criterion, at every sparsity, once.

    Args:
        several: whether the run has several sources: what is theirs alone is not kept, and no criterion on it.
    """
    bases = [preset.settings for preset in PRESETS.values()]
    served = [name for name, one in CRITERIA.items() if not (several and set(one.needs) & set(OVER_SOURCES))]
    bases += [Settings(score=ScoreSpec(criterion=name)) for name in served]
    seen = set()
    for settings in (base.at(sparsity) for base in bases for sparsity in SPARSITIES):
        if settings.key() not in seen:
            seen.add(settings.key())
            yield settings


def _seal(folder: Path, document: dict[str, object]) -> None:
    text = json.dumps(seal(document, folder, (*KEPT, COMPACT_FILE), {}), indent=2, ensure_ascii=False)
    (folder / SPEC_FILE).write_text(text + "\n", encoding="utf-8")
