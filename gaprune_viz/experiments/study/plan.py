"""Which cells a study has: rows by sparsity, one-shot and retrained; ablations; sample sizes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from gaprune_viz.config import CalibrationSpec, MaskSpec, RefitSpec, RetrainSpec, ScoreSpec, Settings, StudySpec
from gaprune_viz.config.presets import PRESETS
from gaprune_viz.criteria.registry import criterion, settled
from gaprune_viz.errors import GapruneError

DENSE = "dense"
ABLATED = {"alpha": (0.0, 0.2, 0.5, 1.0), "beta": (0.0, 0.3, 0.6, 1.0), "gamma": (0.25, 0.5, 1.0, 2.0)}
ABLATION_BASES = ("paper", "balanced")
ABLATION_SPARSITY = 0.5
REFITTED = " + refit"
SAMPLE_ROWS = ("obd_joint", "paper", "balanced")
HEADLINE = ("magnitude", "sparsegpt", "paper", "balanced", "robust")
"""Rows that are also measured with more seeds."""


@dataclass(frozen=True)
class Cell:
    """One measurement of a study.

    Attributes:
        part: `main`, `ablation`, `samples` or `seeds`.
        row: name of a criterion or preset, `dense`, the same with ` + refit`, or what an ablation moves, such as
            `paper, alpha 0.5`.
        sparsity: 0 for the dense model.
        settings: None for the dense model.
        retrain: None for one-shot.
        samples: triplets a side behind the mask; 0 for the dense model.
        seed: of the calibration, in the part `seeds`; None for that of the study.
    """

    part: str
    row: str
    sparsity: float
    settings: Settings | None
    retrain: RetrainSpec | None
    samples: int
    seed: int | None = None

    @property
    def label(self) -> str:
        """The cell in words, for the progress."""
        where = "" if self.settings is None else f", {100 * self.sparsity:g} %"
        how = "" if self.retrain is None else f", {self.retrain.steps} steps"
        few = f", {self.samples} samples" if self.part == "samples" else ""
        other = "" if self.seed is None else f", seed {self.seed}"
        return f"{self.row}{where}{few}{other}{how}"


def row_settings(row: str, sparsity: float) -> Settings:
    """The settings of a row at a sparsity.

    A preset keeps its way to choose weights and gives up its sparsity and pattern. Every criterion is compared in the
    group that its authors use.

    Raises:
        GapruneError: neither a preset nor a criterion.
    """
    if row in PRESETS:
        return settled(PRESETS[row].settings.at(sparsity))
    return settled(Settings(score=ScoreSpec(criterion=row), mask=MaskSpec(sparsity=sparsity)))


def cells(spec: StudySpec) -> list[Cell]:
    """Every cell, in the order in which they are measured: what costs least and says most comes first."""
    samples = spec.calibration.samples
    one_shot = [Cell("main", DENSE, 0.0, None, None, 0)]
    one_shot += [
        Cell("main", row, sparsity, _reading(row_settings(row, sparsity), spec.refit), None, samples)
        for sparsity in spec.sparsities
        for row in spec.rows
    ]
    if spec.refit.refit:
        one_shot += [_refitted(cell, spec.refit) for cell in one_shot if cell.settings is not None]
    found = [*one_shot, *_seeds(spec, one_shot), *_ablation(spec), *_sample_sizes(spec)]
    if spec.retrained:
        found += [dataclasses.replace(cell, retrain=spec.retrain) for cell in one_shot]
    return found


def calibration_of(spec: StudySpec, cell: Cell) -> CalibrationSpec:
    """That of the analysis behind a cell."""
    seed = spec.calibration.seed if cell.seed is None else cell.seed
    return spec.calibration.with_(samples=cell.samples, seed=seed)


def _reading(settings: Settings, refit: RefitSpec) -> Settings:
    """A criterion with an update reads the texts that a refit would read."""
    if criterion(settings.score.criterion).update is None:
        return settings
    return settings.with_(refit=RefitSpec(domain_share=refit.domain_share, samples=refit.samples))


def _seeds(spec: StudySpec, one_shot: list[Cell]) -> Iterator[Cell]:
    """The headline's cells with every other seed; all of one seed together, which share an analysis."""
    if spec.calibration.seed in spec.seeds:
        raise GapruneError(
            f"{spec.calibration.seed} is the seed of the study itself.", "Leave this number out of --seeds."
        )
    for seed in spec.seeds:
        for cell in one_shot:
            if cell.row.removesuffix(REFITTED) in HEADLINE:
                yield dataclasses.replace(cell, part="seeds", seed=seed)


def _refitted(cell: Cell, refit: RefitSpec) -> Cell:
    assert cell.settings is not None
    return dataclasses.replace(cell, row=f"{cell.row}{REFITTED}", settings=cell.settings.with_(refit=refit))


def _ablation(spec: StudySpec) -> Iterator[Cell]:
    if not spec.ablation:
        return
    for base in ABLATION_BASES:
        settings = row_settings(base, ABLATION_SPARSITY)
        for name, values in ABLATED.items():
            for value in values:
                moved = Settings(score=settings.score.with_(**{name: value}), mask=settings.mask)
                row = f"{base}, {name} {value:g}"
                yield Cell("ablation", row, ABLATION_SPARSITY, moved, None, spec.calibration.samples)


def _sample_sizes(spec: StudySpec) -> Iterator[Cell]:
    for samples in spec.sample_sizes:
        if samples == spec.calibration.samples:
            raise GapruneError(
                f"{samples} samples are those of the study itself.", "Leave this number out of --sample-sizes."
            )
        for row in SAMPLE_ROWS:
            settings = row_settings(row, ABLATION_SPARSITY)
            yield Cell("samples", row, ABLATION_SPARSITY, settings, None, samples)
