"""Which cells a transfer map has: calibrations by tasks, and pairs of masks held against each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from gaprune_viz.config import Sampling, Settings, TransferSpec
from gaprune_viz.criteria.registry import criterion
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.study.plan import row_settings


@dataclass(frozen=True)
class Cell:
    """One measurement.

    Attributes:
        kind: `dense`, `score` or `overlap`.
        calibrated: places of the sources behind the mask, or of the two behind two masks; none for the dense model.
        task: place of the source that is measured; None for an overlap.
        row: a criterion or preset; empty for the dense model.
        sparsity: 0 for the dense model.
        refit: whether the kept weights are fitted anew.
        seed: of the draw of the calibration texts.
        shuffled: whether the calibration texts of all sources were shuffled between them.
    """

    kind: str
    calibrated: tuple[int, ...] = ()
    task: int | None = None
    row: str = ""
    sparsity: float = 0.0
    refit: bool = False
    seed: int = 0
    shuffled: bool = False

    def label(self, names: tuple[str, ...]) -> str:
        """The cell in words, for the progress."""
        if self.kind == "dense":
            return f"dense on {names[self.task or 0]}"
        kept = ", refitted" if self.refit else ""
        how = f"{self.row}, {100 * self.sparsity:g} %{kept}{', shuffled' if self.shuffled else ''}, seed {self.seed}"
        on = " and ".join(names[i] for i in self.calibrated)
        return f"{how}: {on}" + (", masks" if self.task is None else f" on {names[self.task]}")


NO_TEXTS = {"theta"}
"""What a criterion may need and still choose the same weights whatever the texts."""


def seeds_of(spec: TransferSpec) -> tuple[int, ...]:
    """Every seed, that of the calibration first.

    Raises:
        GapruneError: it is given twice.
    """
    if spec.calibration.seed in spec.seeds:
        raise GapruneError(
            f"{spec.calibration.seed} is the seed of the map itself.", "Leave this number out of --seeds."
        )
    return (spec.calibration.seed, *spec.seeds)


def settings_of(spec: TransferSpec, row: str, sparsity: float, *, refit: bool) -> Settings:
    """The settings of a row of the map.

    A criterion with an update reads the texts that a refit would read.

    Raises:
        GapruneError: neither a preset nor a criterion.
    """
    settings = row_settings(row, sparsity)
    if refit:
        return settings.with_(refit=spec.refit)
    if criterion(settings.score.criterion).update is not None:
        return settings.with_(refit=spec.refit.with_(refit=False))
    return settings


def reads_texts(spec: TransferSpec, cell: Cell) -> bool:
    """Whether what is pruned in a cell, or what is refitted, depends on the texts; else the weights alone decide.

    Args:
        cell: of a row; the dense model has no settings.

    Raises:
        GapruneError: as `settings_of`.
    """
    chosen = criterion(settings_of(spec, cell.row, cell.sparsity, refit=cell.refit).score.criterion)
    return cell.refit or chosen.update is not None or not set(chosen.needs) <= NO_TEXTS


def arms_of(spec: TransferSpec) -> list[tuple[bool, bool]]:
    """Shuffled, refitted: what every row is measured as. The control is of masks alone, which a refit does not move."""
    refitted = [(False, True)] if spec.refit.refit else []
    return [(False, False), *refitted, *([(True, False)] if spec.control else [])]


def draws_of(spec: TransferSpec, *, shuffled: bool) -> tuple[int, ...]:
    """The seeds that a map is the mean of: all, or that of the calibration for the control."""
    return seeds_of(spec)[: 1 if shuffled else None]


def cells(spec: TransferSpec) -> list[Cell]:
    """Every cell, in an order in which masks and analyses are made once.

    Raises:
        GapruneError: as `seeds_of` and `settings_of`; or sampling is `all`.
    """
    if spec.calibration.sampling is Sampling.ALL:
        raise GapruneError(
            "All sources give equally many samples, and with sampling `all` they would not.",
            "Use --sampling random or kmeans.",
        )
    for row in spec.criteria:
        settings_of(spec, row, spec.sparsities[0], refit=False)
    found = [Cell("dense", task=task) for task in range(len(spec.sources))]
    for shuffled in (False, True) if spec.control else (False,):
        for seed in draws_of(spec, shuffled=shuffled):
            for sparsity in spec.sparsities:
                for row in spec.criteria:
                    found += _group(spec, row, sparsity, seed, shuffled)
    return found


def _group(spec: TransferSpec, row: str, sparsity: float, seed: int, shuffled: bool) -> Iterator[Cell]:
    """All cells of one row at one sparsity: each mask measured everywhere, then every two masks."""
    places = range(len(spec.sources))
    for one in places:
        for refit in (refit for own, refit in arms_of(spec) if own == shuffled):
            for task in places:
                yield Cell("score", (one,), task, row, sparsity, refit, seed, shuffled)
    for pair in combinations(places, 2):
        yield Cell("overlap", pair, None, row, sparsity, False, seed, shuffled)
