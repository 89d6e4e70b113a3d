"""A finished analysis, opened: its numbers, its model, its exact scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gaprune_viz.analysis.summaries import read_histograms, read_summary
from gaprune_viz.calibration.statistics import HISTOGRAM_FILE, SKETCH_FILE, SUMMARY_FILE, Statistics
from gaprune_viz.config import RunSpec
from gaprune_viz.errors import GapruneError
from gaprune_viz.sketch.sample import Sketch
from gaprune_viz.sketch.tuning import LiveScope
from gaprune_viz.storage.array_files import DAMAGED
from gaprune_viz.storage.checksums import check

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

    @property
    def weights(self) -> str:
        """What tells the weights of the analysed model from others."""
        return str(self.statistics.document["model"]["weight_hash"])


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
    sketch = Sketch.load(folder / SKETCH_FILE, statistics.matrices)
    several = "sources" in statistics.document
    live = LiveScope(sketch, statistics.matrices, statistics.scales, statistics.gradients, several)
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
