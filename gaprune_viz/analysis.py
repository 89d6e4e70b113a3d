"""A finished analysis, opened: its numbers, its model, its exact scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gaprune_viz.config import RunSpec
from gaprune_viz.core.arrays import DAMAGED
from gaprune_viz.core.checksums import check
from gaprune_viz.core.encoder import EmbeddingModel
from gaprune_viz.core.exact import ExactScope
from gaprune_viz.core.live import LiveScope
from gaprune_viz.core.loading import load_model
from gaprune_viz.core.sketch import Sketch
from gaprune_viz.core.statistics import HISTOGRAM_FILE, SKETCH_FILE, SUMMARY_FILE, Statistics
from gaprune_viz.core.targets import Target, inventory
from gaprune_viz.errors import GapruneError
from gaprune_viz.parts import read_histograms, read_summary

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Analysis:
    """A finished run, opened: everything but the model and the large tensors is in memory."""

    folder: Path
    statistics: Statistics
    summary: pd.DataFrame
    histograms: dict[str, np.ndarray]
    live: LiveScope

    @property
    def run(self) -> RunSpec:
        return self.statistics.run

    @property
    def key(self) -> str:
        return str(self.statistics.document["key"])


def open_analysis(folder: Path) -> Analysis:
    """Open a finished analysis.

    Raises:
        GapruneError: it is not there, or a part of it is damaged.
    """
    statistics = Statistics.open(folder)
    try:
        summary = read_summary(folder / SUMMARY_FILE, statistics.matrices)
        histograms = read_histograms(folder / HISTOGRAM_FILE, statistics.matrices)
    except DAMAGED as error:
        raise GapruneError(f"The analysis in {folder.name} is damaged: {error}.", "Run it again.") from error
    live = LiveScope(Sketch.load(folder / SKETCH_FILE, statistics.matrices), statistics.matrices, statistics.medians)
    return Analysis(folder, statistics, summary, histograms, live)


def verify_analysis(folder: Path) -> dict[str, int]:
    """Compare every byte of an analysis with its checksums, and open it.

    Returns:
        `files`, `tensors` and `bytes` that were compared.

    Raises:
        GapruneError: a part is missing, damaged or altered; or there are no checksums.
    """
    statistics = open_analysis(folder).statistics
    sums = statistics.document.get("checksums")
    if sums is None:
        raise GapruneError(f"The analysis in {folder.name} is from a version without checksums.", "Run it again.")
    check(statistics.document, folder, whole=True)
    size = sum(record["bytes"] for record in sums["files"].values())
    return {"files": len(sums["files"]), "tensors": len(sums["tensors"]), "bytes": size}


def load_dense(statistics: Statistics) -> EmbeddingModel:
    """The dense model of an analysis.

    Raises:
        GapruneError: it is gone, or its weights are no longer those that were analysed.
    """
    model = load_model(statistics.run.model)
    refuse_other_weights(statistics, model)
    return model


def refuse_other_weights(statistics: Statistics, model: EmbeddingModel) -> None:
    """Refuse a model whose weights are not those that were analysed.

    Raises:
        GapruneError: they have changed.
    """
    if model.weight_hash != statistics.document["model"]["weight_hash"]:
        raise GapruneError(
            f"The weights of {model.label} have changed since the analysis was made.", "Run the analysis again."
        )


def exact_scope(statistics: Statistics, model: EmbeddingModel) -> tuple[ExactScope, tuple[Target, ...]]:
    """Scores over all weights of an analysis, and the targets in the model that its masks go on."""
    wanted = {m.name for m in statistics.matrices}
    targets = tuple(t for t in inventory(model).targets if t.name in wanted)
    if len(targets) != len(wanted):
        raise GapruneError("The model does not have the weights that were analysed.", "Run the analysis again.")
    if not statistics.has_tensors:
        raise GapruneError("This analysis holds a sketch only.", "Run it to get the exact mask.")
    by_name = {t.name: t for t in targets}

    def theta_of(name: str) -> Any:
        return by_name[name].weight.float().cpu().contiguous()

    return ExactScope(statistics, theta_of), targets
