"""How the sources of an analysis agree, layer by layer, and a run with the weights that follow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gaprune_viz.analysis.opening import Analysis, open_analysis
from gaprune_viz.calibration.description import ALIGNMENT_OFF
from gaprune_viz.calibration.sources.source_statistics import SourceInfo, SourceStatistics
from gaprune_viz.config import SIDES, SOURCE_SHARPNESS, RunSpec
from gaprune_viz.criteria.sources.source_weights import cosines_of, cosines_with, inner_products, weights_by_alignment
from gaprune_viz.data.sources.naming import sides_of, written
from gaprune_viz.errors import GapruneError


@dataclass(frozen=True)
class SourceAlignment:
    """How the mean gradients of S sources lie to each other.

    Attributes:
        sources: what they are, in the order of all arrays.
        layers: of the model, in their order.
        by_layer: float64 [layers, S, S], cosines over all weights of a layer.
        whole: float64 [S, S], over all weights of the scope.
        to_domain: float64 [S], cosine of each with the domain's gradient, without its own part in it.
        weights: float64 [S], what they would weigh in their sides by that (`weights_by_alignment`).
    """

    sources: tuple[SourceInfo, ...]
    layers: tuple[int, ...]
    by_layer: np.ndarray
    whole: np.ndarray
    to_domain: np.ndarray
    weights: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(source.name for source in self.sources)

    @property
    def sides(self) -> tuple[str, ...]:
        return tuple(source.side for source in self.sources)


def source_alignment(analysis: Analysis) -> SourceAlignment:
    """How the sources of an analysis agree; of one with a source on each side, domain and general data.

    Reads the mean gradients of all sources, one matrix at a time.

    Raises:
        GapruneError: a source has no gradients, or the analysis does not hold them.
    """
    statistics = analysis.statistics
    kept = SourceStatistics(statistics)
    if not kept.aligned:
        plain = next(info.name for info in kept.infos if not info.aligned)
        raise GapruneError(f"{plain}: {ALIGNMENT_OFF}", "Give triplets for every source.")
    if not statistics.has_tensors:
        raise GapruneError("This analysis holds a sketch only.", "Run it to see how its sources agree.")
    layers = tuple(sorted({matrix.layer for matrix in statistics.matrices}))
    products = np.zeros((len(layers), len(kept.infos), len(kept.infos)))
    for matrix in statistics.matrices:
        products[layers.index(matrix.layer)] += inner_products(kept.tensors(matrix.name, "grad"))
    whole = products.sum(0)
    weights = np.array([info.weight for info in kept.infos])
    shares = np.where([info.side == SIDES[0] for info in kept.infos], weights, 0.0)
    to_domain = cosines_with(whole, shares)
    return SourceAlignment(
        sources=kept.infos,
        layers=layers,
        by_layer=cosines_of(products),
        whole=cosines_of(whole),
        to_domain=to_domain,
        weights=weights_by_alignment(to_domain, weights, [info.side for info in kept.infos], SOURCE_SHARPNESS),
    )


def reweighed(run: RunSpec, folder: Path) -> RunSpec:
    """A run whose sources weigh what an analysis of the same sources says of their alignment with the domain.

    Args:
        folder: of that analysis.

    Raises:
        GapruneError: as `source_alignment`; or it is of other sources, or each side has one, which weighs all.
    """
    sides = sides_of(run.calibration)
    if all(len(sources) == 1 for sources in sides.values()):
        raise GapruneError(
            "Each side of this run has one source, which weighs all.", "Give several: --domain a --domain b."
        )
    found = source_alignment(open_analysis(folder))
    weights = dict(zip(zip(found.sides, found.names, strict=True), found.weights.tolist(), strict=True))
    texts = {}
    for side, sources in sides.items():
        if unknown := [source.name for source in sources if (side, source.name) not in weights]:
            raise GapruneError(
                f"{folder.name} has no {side} source {unknown[0]!r}.", f"It has: {', '.join(found.names)}."
            )
        texts[side] = written([replace(source, weight=weights[side, source.name]) for source in sources])
    return run.with_(calibration=run.calibration.with_(**texts).model_dump())
