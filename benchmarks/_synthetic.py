"""An analysis of any size, of made-up statistics: written as a run writes it, a matrix at a time, never held whole.

Every matrix is a stretch of one block of random numbers, with a scale and a spread of its own. The weights are normal
with heavy tails; Fisher information is lognormal over five decades; half of the gradients of both sides go together.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gaprune_viz.analysis.summaries import histogram_rows, save_histograms, scope_medians, summary_row
from gaprune_viz.calibration.statistics import (
    HISTOGRAM_FILE,
    SKETCH_FILE,
    SPEC_FILE,
    SUMMARY_FILE,
    MatrixInfo,
    MatrixStatistics,
)
from gaprune_viz.config import SIDES
from gaprune_viz.masking.from_statistics import ExactScope
from gaprune_viz.sketch.building import SketchBuilder
from gaprune_viz.storage.checksums import CHECKSUMS, seal
from gaprune_viz.storage.paths import assets

ROLES = {
    **dict.fromkeys(("query", "key", "value", "attention_output"), "attention"),
    **dict.fromkeys(("up", "down"), "mlp"),
}
# Layers and matrix sizes [out, in] of models with about so many target weights.
SIZES = {"tiny": (2, 64, 64), "10M": (6, 512, 544), "100M": (12, 1_184, 1_184), "1B": (28, 2_432, 2_448)}
# The summary and the histograms are drawn, not measured; they are taken of every so many-th row.
THINNED = 16
FIELDS = ("theta", "fisher_domain", "fisher_general", "grad_domain", "grad_general")


@dataclass
class Synthetic:
    """Statistics of a made-up model, made anew at each call."""

    matrices: tuple[MatrixInfo, ...]
    block: dict[str, Tensor]
    medians: dict[str, float]

    @property
    def weights(self) -> int:
        return sum(m.size for m in self.matrices)

    @property
    def scales(self) -> dict[str, float]:
        """As `Statistics.scales`, without what only estimates need."""
        return self.medians

    def samples(self, side: str) -> float:
        """As `Statistics.samples`."""
        return 128.0

    @property
    def gradients(self) -> dict[str, bool]:
        """As `Statistics.gradients`."""
        return {"domain": True, "general": True}

    @property
    def document(self) -> dict[str, Any]:
        """As `Statistics.document`, what is read of its two sides."""
        return {"data": {side: {"samples": self.samples(side), "mean_loss": 1.0} for side in SIDES}}

    def theta(self, name: str) -> Tensor:
        return self._values(name, "theta")

    def tensor(self, name: str, field: str) -> Tensor:
        """As `Statistics.tensor`."""
        return self._values(name, field) if field in FIELDS else torch.ones(self._info(name)[1].columns)

    def matrix(self, name: str, theta: Tensor) -> MatrixStatistics:
        """As `Statistics.matrix`."""
        act = torch.ones(theta.shape[1])
        return MatrixStatistics(theta, *(self._values(name, field) for field in FIELDS[1:]), act, act)

    def _info(self, name: str) -> tuple[int, MatrixInfo]:
        index = int(name.split(".")[0])
        return index, self.matrices[index]

    def _values(self, name: str, field: str) -> Tensor:
        index, info = self._info(name)
        rng = np.random.default_rng(index)
        start = int(rng.integers(len(self.block[field]) - info.size + 1))
        weight, gradient = (float(10**x) for x in rng.uniform(-0.5, 0.5, size=2))
        scale = weight if field == "theta" else gradient**2 if field.startswith("fisher") else gradient
        return (self.block[field][start : start + info.size] * scale).view(info.rows, info.columns)

    def pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        for m in self.matrices:
            yield self.theta(m.name), self._values(m.name, "fisher_domain")


def synthetic(size: str) -> Synthetic:
    """The model of a size of SIZES."""
    layers, rows, columns = SIZES[size]
    places = [(layer, role) for layer in range(layers) for role in ROLES]
    infos = tuple(
        MatrixInfo(f"{i}.layer.{layer}.{role}.weight", layer, role, ROLES[role], rows, columns)
        for i, (layer, role) in enumerate(places)
    )
    rng, n = np.random.default_rng(0), 3 * rows * columns
    normal = [rng.standard_normal(n, dtype=np.float32) for _ in range(5)]
    theta = 0.04 * normal[0] * np.exp(0.3 * normal[1])
    fisher = np.exp(2.3 * normal[1] - 20).astype(np.float32)
    general = fisher * np.exp(0.7 * normal[2])
    own = np.tanh(normal[3]) * 0.3
    other = np.where(normal[4] > 0, own, np.tanh(normal[4]) * 0.3)
    values = (theta, fisher, general, own * np.sqrt(fisher), other * np.sqrt(general))
    block = {name: torch.from_numpy(v.astype(np.float32)) for name, v in zip(FIELDS, values, strict=True)}
    made = Synthetic(infos, block, {})
    made.medians = scope_medians(made.pairs, made.weights)
    return made


def write(made: Synthetic, folder: Path) -> Path:
    """Write the analysis as a run does, less the tensors."""
    folder.mkdir()
    builder, rows, histograms = SketchBuilder(made.matrices, 0, medians=made.medians), [], []
    for info in made.matrices:
        stats = made.matrix(info.name, made.theta(info.name))
        builder.add(stats)
        few = MatrixStatistics(*(getattr(stats, f)[::THINNED] for f in FIELDS), stats.act_domain, stats.act_general)
        rows.append(summary_row(info, few))
        histograms.append(histogram_rows(few))
    builder.build().save(folder / SKETCH_FILE)
    save_histograms(folder, histograms)
    pd.DataFrame(rows).to_parquet(folder / SUMMARY_FILE, index=False)
    document = json.loads((assets() / "demo" / SPEC_FILE).read_text(encoding="utf-8"))
    document |= {"matrices": [asdict(m) for m in made.matrices], "medians": made.medians, "key": folder.name}
    document["model"] |= {"label": "synthetic", "parameters": made.weights}
    document.pop(CHECKSUMS, None)
    sealed = seal(document, folder, (SKETCH_FILE, HISTOGRAM_FILE, SUMMARY_FILE), {})
    (folder / SPEC_FILE).write_text(json.dumps(sealed), encoding="utf-8")
    return folder


def exact(made: Synthetic) -> ExactScope:
    """Exact masks of the made-up model."""
    return ExactScope(made, made.theta)  # type: ignore[arg-type]
