"""What the folder of an analysis holds: its description, tensors, sketch, histograms, summary and checksums."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gaprune_viz.analysis.loss_check import guessing_note
from gaprune_viz.analysis.samples import ChosenData
from gaprune_viz.analysis.score_scales import scales_of
from gaprune_viz.analysis.summaries import histogram_rows, save_histograms, scope_medians, summary_row
from gaprune_viz.calibration.collecting import SideResult
from gaprune_viz.calibration.description import resting_on
from gaprune_viz.calibration.sources.source_statistics import SOURCES_FILE, infos_of, read_sources, source_digests
from gaprune_viz.calibration.statistics import (
    FORMAT,
    HISTOGRAM_FILE,
    SKETCH_FILE,
    SPEC_FILE,
    SUMMARY_FILE,
    TENSOR_FILE,
    MatrixInfo,
    fields_of,
    read_matrix,
    read_tensor,
)
from gaprune_viz.config import SIDES, RunSpec
from gaprune_viz.criteria.sources.source_moments import over_sources
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Inventory, Target
from gaprune_viz.sketch.building import SketchBuilder
from gaprune_viz.storage.checksums import seal, tensor_digest
from gaprune_viz.versions import versions

if TYPE_CHECKING:
    from torch import Tensor

# Of `write` on one core of a usual machine: medians, the fit of a matrix's part of the sketch, its summary, and what is
# done with all of them at last.
MEDIANS_A_WEIGHT, FIT_A_MATRIX, SUMMARY_A_WEIGHT, CLOSING_A_WEIGHT = 8e-8, 0.09, 9e-8, 1.2e-7


def describe(
    run: RunSpec,
    model: EmbeddingModel,
    found: Inventory,
    targets: Sequence[Target],
    sides: dict[str, ChosenData],
    results: Mapping[str, SideResult],
    key: str,
) -> dict[str, Any]:
    """What `spec.json` says of a run, but for what `write` adds: medians, seconds and checksums."""
    data, notes = {}, [*model.notes, *found.notes]
    for side, chosen in sides.items():
        data[side], said = chosen.describe(run.calibration.samples)
        notes += [*said, *filter(None, [guessing_note(data[side]["name"], results[side].losses, chosen.samples)])]
        loss = results[side].loss
        # Plain texts have none.
        data[side] |= {"mean_loss": loss if math.isfinite(loss) else None, "tokens": results[side].tokens}
    infos = [MatrixInfo(t.name, t.layer, t.role, t.scope, *t.shape) for t in targets]
    return {
        "format": FORMAT,
        "key": key,
        "run": run.model_dump(mode="json"),
        "model": {
            "label": model.label,
            "weight_hash": model.weight_hash,
            "pooling": model.pooling.value,
            "query_prompt": model.query_prompt,
            "passage_prompt": model.passage_prompt,
            "prompts_from": model.prompts_from,
            "max_length": model.max_length,
            "parameters": sum(p.numel() for p in model.backbone.parameters()),
            **model.determining(),
        },
        "data": data,
        "gradients": {side: told["mean_loss"] is not None for side, told in data.items()},
        "effective_samples": {side: round(result.effective, 3) for side, result in results.items()},
        "matrices": [asdict(info) for info in infos],
        "refused": found.refused,
        "notes": notes,
        "versions": versions(),
    }


def writing_seconds(targets: Sequence[Target]) -> list[float]:
    """What `write` takes, about, on one usual core: before the first matrix, each of them, and after the last."""
    sizes = [target.weight.numel() for target in targets]
    each = [FIT_A_MATRIX + SUMMARY_A_WEIGHT * size for size in sizes]
    return [MEDIANS_A_WEIGHT * sum(sizes), *each, CLOSING_A_WEIGHT * sum(sizes)]


def write(
    folder: Path,
    document: dict[str, Any],
    targets: Sequence[Target],
    seed: int,
    sketch_cap: int,
    began: float,
) -> Iterator[float]:
    """Write everything but the tensors, which calibration has put into the folder already.

    Args:
        folder: of the analysis.
        document: what `describe` gives; the rest is added.
        targets: the weights that were calibrated, in the order of the description.
        seed: of the sketch.
        sketch_cap: most weights of the sketch.
        began: when the run did, on the monotonic clock.

    Yields:
        the share of the time that is over, about.
    """
    import pandas as pd

    infos = [MatrixInfo(**row) for row in document["matrices"]]
    aligned = all(document["gradients"].values())
    sources = infos_of(document, {}) if "sources" in document else ()

    def pairs() -> Iterator[tuple[Tensor, Tensor]]:
        for target in targets:
            yield target.weight.float().cpu().contiguous(), read_tensor(folder, target.name, "fisher_domain")

    medians = scope_medians(pairs, sum(info.size for info in infos))
    samples = {side: resting_on(document, side) for side in SIDES}
    builder, rows, histograms = SketchBuilder(infos, seed, sketch_cap, medians, samples), [], []
    totals: dict[str, float] = dict.fromkeys(SIDES, 0.0)
    over = np.cumsum(seconds := writing_seconds(targets)) / sum(seconds)
    for target, info, share in zip(targets, infos, over[:-2], strict=True):
        yield float(share)
        stats = read_matrix(folder, target.name, target.weight.float().cpu().contiguous())
        rows.append(summary_row(info, stats, aligned))
        histograms.append(histogram_rows(stats, aligned))
        builder.add(stats, over_sources(*read_sources(folder, target.name, sources)) if sources else {})
        for side in SIDES:
            totals[side] += float(getattr(stats, f"fisher_{side}").double().sum())
    yield float(over[-2])
    names = ((info.name, field) for info in infos for field in fields_of(info.role))
    digests = {f"{name}:{field}": tensor_digest(read_tensor(folder, name, field)) for name, field in names}
    if sources:
        digests |= source_digests(folder, {info.name: info.role for info in infos}, len(sources))
    sketch = builder.build()
    sketch.save(folder / SKETCH_FILE)
    document["scales"] = scales_of(sketch, totals, sum(info.size for info in infos))
    save_histograms(folder, histograms)
    pd.DataFrame(rows).to_parquet(folder / SUMMARY_FILE, index=False)
    document |= {"medians": medians, "seconds": round(time.monotonic() - began, 2)}
    parts = (TENSOR_FILE, SOURCES_FILE, SKETCH_FILE, HISTOGRAM_FILE, SUMMARY_FILE)
    text = json.dumps(seal(document, folder, parts, digests), indent=2, ensure_ascii=False)
    (folder / SPEC_FILE).write_text(text + "\n", encoding="utf-8")
