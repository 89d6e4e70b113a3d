"""A run over several sources: a pass for each, then the mixtures that its two sides are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaprune_viz.analysis.samples import ChosenData
from gaprune_viz.calibration.collecting import Side, SideResult
from gaprune_viz.calibration.sources.mixing import Share, mix_results, mix_tensors
from gaprune_viz.calibration.sources.source_statistics import SOURCES_FILE
from gaprune_viz.calibration.statistics import TENSOR_FILE
from gaprune_viz.data.sources.overlap import refuse_overlap
from gaprune_viz.models.targets import Target


@dataclass(frozen=True)
class Passed:
    """One source that a run of several goes through.

    Attributes:
        name: of the source.
        share: its side, and its weight there: what a person gave, else its share of the side's samples, so that the
            parts of one set of data weigh together as the set does.
        data: its samples.
    """

    name: str
    share: Share
    data: ChosenData


def passes_of(sides: Mapping[str, ChosenData]) -> tuple[Passed, ...]:
    """The sources of a run of several; none where each side is one source.

    Raises:
        GapruneError: two of them share texts.
    """
    if all(len(data.parts) <= 1 for data in sides.values()):
        return ()
    refuse_overlap({part.source.name: part.data.source for data in sides.values() for part in data.parts})
    found = []
    for side, data in sides.items():
        given = [len(p.data.chosen) if p.source.weight is None else p.source.weight for p in data.parts]
        for part, weight in zip(data.parts, given, strict=True):
            found.append(Passed(part.source.name, Share(side, weight / math.fsum(given)), part.data))
    return tuple(found)


def texts_of(sides: Mapping[str, ChosenData], passes: Sequence[Passed]) -> tuple[dict[str, Side], str]:
    """What goes through the model, a pass each, and the file for the statistics of it."""
    if passes:
        return {str(n): Side(one.name, one.data.samples) for n, one in enumerate(passes)}, SOURCES_FILE
    return {side: Side(data.source.name, data.samples) for side, data in sides.items()}, TENSOR_FILE


def mixed(
    folder: Path,
    targets: Sequence[Target],
    passes: Sequence[Passed],
    results: Mapping[str, SideResult],
    asked: int,
) -> tuple[dict[str, SideResult], list[dict[str, Any]]]:
    """The sides of a run of several sources, whose statistics are in its folder.

    Args:
        results: of each source by its number.
        asked: samples of each.

    Returns:
        what each side leaves, and what `spec.json` says of the sources.
    """
    shares = [one.share for one in passes]
    masses = mix_tensors(folder, targets, shares)
    told = []
    for number, (one, mass) in enumerate(zip(passes, masses, strict=True)):
        result = results[str(number)]
        told.append(
            {
                **one.data.describe(asked)[0],
                "name": one.name,
                "side": one.share.side,
                "weight": one.share.weight,
                "mean_loss": result.loss if math.isfinite(result.loss) else None,
                "tokens": result.tokens,
                "effective_samples": round(result.effective, 3),
                "mass": mass,
            }
        )
    return mix_results(results, shares), told
