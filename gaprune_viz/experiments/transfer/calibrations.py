"""The calibrations of a transfer map: their texts, drawn once for each arm, and their analyses on disk."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gaprune_viz.analysis.exact_scores import exact_scope
from gaprune_viz.analysis.making import analyze_once
from gaprune_viz.calibration.progress import Progress
from gaprune_viz.calibration.statistics import SPEC_FILE, Statistics
from gaprune_viz.config import CalibrationSpec, RunSpec, Sampling, TransferSpec
from gaprune_viz.data.schema import Triplet, TripletSet, content_hash
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.cells import content_key
from gaprune_viz.experiments.transfer.plan import Cell
from gaprune_viz.experiments.transfer.sources import Drawn, Source, as_lines, drawn, shuffled
from gaprune_viz.masking.from_statistics import ExactScope
from gaprune_viz.models.encoder import EmbeddingModel
from gaprune_viz.models.targets import Target
from gaprune_viz.storage.workspace import write_whole


@dataclass(frozen=True)
class Arm:
    """A draw of the calibration texts: its seed, and whether they are shuffled between the sources."""

    seed: int
    shuffled: bool


def arm_of(cell: Cell) -> Arm:
    """The draw behind a cell's masks."""
    return Arm(cell.seed, cell.shuffled)


Scoped = tuple[ExactScope, tuple[Target, ...]]


class Calibrations:
    """What masks are made of, for each arm and source.

    Args:
        folder: of the map; texts and analyses are kept in it.
    """

    def __init__(
        self, spec: TransferSpec, folder: Path, model: EmbeddingModel, sources: tuple[Source, ...], general: TripletSet
    ) -> None:
        self.spec, self.folder, self.model, self.sources, self.general = spec, folder, model, sources, general
        self._texts: dict[Arm, Drawn] = {}
        self._keys: dict[tuple[Arm, int], str] = {}
        self._open: dict[str, Scoped] = {}

    def texts(self, arm: Arm) -> Drawn:
        """The calibration triplets of an arm, by source, those of the general side at the end."""
        if arm not in self._texts:
            real = drawn(self.sources, self.general, self.spec, arm.seed, self.model.directions)
            self._texts |= {Arm(arm.seed, False): real, Arm(arm.seed, True): shuffled(real, arm.seed)}
        return self._texts[arm]

    def key(self, arm: Arm, place: int) -> str:
        """A hash of all that determines the analysis of a source."""
        if (arm, place) not in self._keys:
            texts = self.texts(arm)
            data = {"domain": content_hash(texts[place]), "general": content_hash(texts[-1])}
            content = {**self._calibration(arm).determining(), "weights": self.model.weight_hash, "data": data}
            self._keys[arm, place] = content_key(content)
        return self._keys[arm, place]

    def scope(self, arm: Arm, place: int) -> Generator[Progress, None, Scoped]:
        """Exact scores of the analysis that is calibrated on a source, which is made where it is not on disk yet."""
        key = self.key(arm, place)
        if key not in self._open:
            folder = yield from self.analysed(arm, place)
            # Tensors are memory-mapped: those of one arm are open together.
            if len(self._open) >= len(self.sources):
                self._open.clear()
            self._open[key] = exact_scope(Statistics.open(folder), self.model)
        return self._open[key]

    def _calibration(self, arm: Arm) -> CalibrationSpec:
        # Samples are drawn here, and an analysis takes all of them.
        own = {"sampling": Sampling.ALL, "seed": arm.seed, "domain_columns": None, "general_columns": None}
        return self.spec.calibration.with_(**own)

    def folder_of(self, arm: Arm, place: int) -> Path:
        """Where the analysis that is calibrated on a source is kept."""
        return self.folder / f"analysis-{self.key(arm, place)}"

    def is_made(self, arm: Arm, place: int) -> bool:
        """Whether that analysis is there."""
        folder = self.folder_of(arm, place)
        if not (folder / SPEC_FILE).is_file():
            return False
        made = Statistics.open(folder).run.calibration
        # A refit reads the texts anew from where the analysis says: in a map that was moved they are elsewhere.
        return [Path(made.domain).resolve(), Path(made.general).resolve()] == self._files(arm, place)

    def analysed(self, arm: Arm, place: int) -> Generator[Progress, None, Path]:
        """The analysis that is calibrated on a source: made where it is not there, by one process at a time."""

        def run() -> RunSpec:
            domain, general = map(str, self._files(arm, place))
            calibration = self._calibration(arm).with_(domain=domain, general=general)
            return RunSpec(model=self.spec.model, calibration=calibration)

        return (yield from analyze_once(self.folder_of(arm, place), partial(self.is_made, arm, place), run, self.model))

    def _files(self, arm: Arm, place: int) -> list[Path]:
        """The texts of both sides of an analysis."""
        texts = self.texts(arm)
        return [self._file(texts[place]), self._file(texts[-1])]

    def _file(self, triplets: tuple[Triplet, ...]) -> Path:
        """Calibration triplets as a file, named by content."""
        place = self.folder.resolve() / "texts" / f"{content_hash(triplets)[:16]}.jsonl"
        if not place.is_file():
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise GapruneError(
                    f"{place.parent} cannot be made: {error.strerror}.", "Choose a folder you own with --out."
                ) from error
            write_whole(place, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in as_lines(triplets)))
        return place
