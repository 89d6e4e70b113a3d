"""The samples of a run: which triplets, or plain texts, of each side are used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gaprune_viz.calibration.batching import Given, texts_in
from gaprune_viz.calibration.description import ALIGNMENT_OFF
from gaprune_viz.calibration.distributed import Workers
from gaprune_viz.config import RunSpec
from gaprune_viz.data.sampling import choose
from gaprune_viz.data.schema import TripletSet
from gaprune_viz.data.sources.joining import joined
from gaprune_viz.data.sources.naming import Source
from gaprune_viz.data.triplets import TextSet, calibration_sources
from gaprune_viz.models.encoder import EmbeddingModel


@dataclass(frozen=True)
class ChosenData:
    """The samples of one side of a run.

    Attributes:
        source: what they were chosen from; of several sources all together, one after another.
        chosen: their positions in it.
        parts: each of its sources.
    """

    source: TripletSet | TextSet
    chosen: tuple[int, ...]
    parts: tuple[Part, ...] = ()

    @property
    def samples(self) -> tuple[Given, ...]:
        return tuple(self.source.samples[i] for i in self.chosen)

    def describe(self, asked: int) -> tuple[dict[str, Any], list[str]]:
        """What goes into `spec.json`, and what a person should be told.

        Args:
            asked: samples of each source.
        """
        notes = [*self.source.report.remarks, *self.source.report.dropped]
        if isinstance(self.source, TextSet):
            notes.insert(0, f"{self.source.name}: {ALIGNMENT_OFF}")
        if len(self.chosen) < asked:
            notes.append(
                f"{self.source.name}: {asked} samples were asked for and {len(self.chosen)} are there; all are used."
            )
        queries = len({texts_in(sample)[0] for sample in self.samples})
        if queries < len(self.chosen):
            notes.append(
                f"{self.source.name}: {len(self.chosen)} samples are of {queries} queries; those of one query count as "
                "one where it matters how many there are."
            )
        document = {
            "name": self.source.name,
            "content_hash": self.source.content_hash,
            "available": len(self.source.samples),
            "samples": len(self.chosen),
            "queries": queries,
            "duplicates": self.source.report.duplicates,
            "dropped": len(self.source.report.dropped),
        }
        if len(self.parts) > 1:
            notes = [note for part in self.parts for note in part.data.describe(asked)[1]]
        return document, notes


@dataclass(frozen=True)
class Part:
    """One source of a side, and the samples that were chosen from it."""

    source: Source
    data: ChosenData


def choose_data(run: RunSpec, side: str, model: EmbeddingModel, peers: Workers | None = None) -> ChosenData:
    """Read one side's triplets or plain texts and choose the samples: from each of its sources as many as asked."""
    spec = run.calibration
    found = calibration_sources(spec, side, model.directions)
    chosen: list[int] = []
    parts: list[Part] = []
    before = 0
    for source, data in found:
        own = choose(data.samples, spec.samples, spec.sampling, spec.seed, model.directions)
        own = (peers or Workers()).share(own)
        parts.append(Part(source, ChosenData(data, tuple(own))))
        chosen += [before + place for place in own]
        before += len(data.samples)
    return ChosenData(joined(found), tuple(chosen), tuple(parts))
