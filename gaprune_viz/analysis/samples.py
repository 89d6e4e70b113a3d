"""The samples of a run: which triplets of each side are used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gaprune_viz.calibration.processes import Workers
from gaprune_viz.config import RunSpec
from gaprune_viz.data.sampling import choose
from gaprune_viz.data.schema import Triplet, TripletSet
from gaprune_viz.data.triplets import calibration_triplets
from gaprune_viz.models.encoder import EmbeddingModel


@dataclass(frozen=True)
class ChosenData:
    """The samples of one side of a run."""

    source: TripletSet
    chosen: tuple[int, ...]

    @property
    def triplets(self) -> tuple[Triplet, ...]:
        return tuple(self.source.triplets[i] for i in self.chosen)

    def describe(self, asked: int) -> tuple[dict[str, Any], list[str]]:
        """What goes into `spec.json`, and what a person should be told."""
        notes = list(self.source.report.dropped)
        if len(self.chosen) < asked:
            notes.append(
                f"{self.source.name}: {asked} samples were asked for and {len(self.chosen)} are there; all are used."
            )
        document = {
            "name": self.source.name,
            "content_hash": self.source.content_hash,
            "available": len(self.source.triplets),
            "samples": len(self.chosen),
            "duplicates": self.source.report.duplicates,
            "dropped": len(self.source.report.dropped),
        }
        return document, notes


def choose_data(run: RunSpec, side: str, model: EmbeddingModel, peers: Workers | None = None) -> ChosenData:
    """Read one side's triplets and choose the samples."""
    spec = run.calibration
    source = calibration_triplets(spec, side, model.encode)
    chosen = choose(source.triplets, spec.samples, spec.sampling, spec.seed, model.encode)
    return ChosenData(source, tuple((peers or Workers()).share(chosen)))
