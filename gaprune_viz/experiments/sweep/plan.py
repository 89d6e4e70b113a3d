"""What is swept, and on which tasks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gaprune_viz.config import (
    SWEEP_KINDS,
    CalibrationSpec,
    Evidence,
    MaskSpec,
    RunSpec,
    ScoreSpec,
    Settings,
    Spec,
    SweepKind,
)
from gaprune_viz.criteria.registry import criterion, settled
from gaprune_viz.errors import GapruneError

Value = str | float
Place = tuple[Value, Value]


@dataclass(frozen=True)
class SweepPlan:
    """A grid of settings, and the tasks that every one of them is measured on.

    Attributes:
        kind: a key of SWEEP_KINDS, which says what rows and columns are.
        rows: values of the kind's row setting: criteria, alphas, values of kappa or sample counts.
        columns: values of its column setting: sparsities, betas or seeds.
        tasks: starter name, `ontology:...` or BEIR folder of the domain's task and of the general one.
        base: all that is not swept.

    Raises:
        GapruneError: a row, a column or the base makes no sense here.
    """

    kind: str
    rows: tuple[Value, ...]
    columns: tuple[Value, ...]
    tasks: tuple[str, str]
    base: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        if self.kind not in SWEEP_KINDS:
            raise GapruneError(f"There is no sweep over {self.kind!r}.", f"Use one of: {', '.join(SWEEP_KINDS)}.")
        for name, values in ((self.axes.row_label, self.rows), (self.axes.column_label, self.columns)):
            if not values:
                raise GapruneError(f"The list of {name} is empty.", "Give at least one value.")
            if len(set(values)) < len(values):
                raise GapruneError(f"A value of {name} is given twice.", "Give each value once.")
        self._check_base()
        for row, column in self.places():
            criterion(self.settings(row, column).score.criterion)
            self.run(RunSpec(), row, column)

    def _check_base(self) -> None:
        chosen, pattern = criterion(self.base.score.criterion), self.base.mask.pattern
        if self.axes.column == "sparsity":
            if pattern != "unstructured":
                raise GapruneError(
                    f"The pattern {pattern} sets the sparsity itself; there is nothing to sweep.",
                    "Use the pattern unstructured.",
                )
            for value in self.columns:
                if isinstance(value, float | int) and value > 1:
                    raise GapruneError(
                        f"sparsity: {value:g} is no fraction.", f"Write {value / 100:g} for {value:g} %."
                    )
        structure = self.base.structure
        if structure.whole and structure.evidence is Evidence.SAMPLES and self.axes.row != "samples":
            raise GapruneError(
                "Changes of the loss by sample rank the neurons whatever the criterion: every row would be the same.",
                "Leave out --structure-evidence, or sweep over samples.",
            )
        swept = {self.axes.row, self.axes.column} & {"alpha", "beta", "fisher_scale"}
        if missing := sorted(swept - set(chosen.knobs)):
            raise GapruneError(
                f"The criterion {chosen.name} has no {missing[0].replace('_', '-')} in its formula.",
                "Use --criterion dai.",
            )
        if self.kind == "samples" and not set(chosen.needs) - {"theta"}:
            raise GapruneError(
                f"The criterion {chosen.name} reads no calibration data: every cell would be the same.",
                "Use --criterion dai, or another that reads gradients.",
            )

    @property
    def axes(self) -> SweepKind:
        return SWEEP_KINDS[self.kind]

    def places(self) -> Iterator[Place]:
        """(row, column) of every cell, in the order in which they are computed."""
        return ((row, column) for row in self.rows for column in self.columns)

    def settings(self, row: Value, column: Value) -> Settings:
        """The settings of one cell."""
        return settled(
            Settings(
                score=self.base.score.with_(**self._of(ScoreSpec, row, column)),
                mask=self.base.mask.with_(**self._of(MaskSpec, row, column)),
                refit=self.base.refit,
                structure=self.base.structure,
            )
        )

    def run(self, base: RunSpec, row: Value, column: Value) -> RunSpec:
        """The analysis of one cell: that of the base, or one with other samples and another seed."""
        if self.kind != "samples":
            return base
        whole = {name: _whole(name, value) for name, value in self._of(CalibrationSpec, row, column).items()}
        return RunSpec(model=base.model, calibration=base.calibration.with_(**whole))

    def _of(self, spec: type[Spec], row: Value, column: Value) -> dict[str, Any]:
        """What the cell changes in one kind of spec. `seed` of a sample sweep is not that of the random criterion."""
        if (self.kind == "samples") is not (spec is CalibrationSpec):
            return {}
        pairs = ((self.axes.row, row), (self.axes.column, column))
        return {name: value for name, value in pairs if name in spec.model_fields}

    def document(self) -> dict[str, Any]:
        """Plain values, ready for JSON and for `of`."""
        return {
            "kind": self.kind,
            "rows": list(self.rows),
            "columns": list(self.columns),
            "tasks": list(self.tasks),
            "base": self.base.model_dump(mode="json"),
        }

    @classmethod
    def of(cls, document: dict[str, Any]) -> SweepPlan:
        """The plan of a document."""
        domain, general = document["tasks"]
        base = Settings.parse(document["base"])
        return cls(document["kind"], tuple(document["rows"]), tuple(document["columns"]), (domain, general), base)


def _whole(name: str, value: Value) -> int:
    if isinstance(value, str) or int(value) != value:
        raise GapruneError(f"{name}: {value} is no whole number.", "Write for example 32, 128.")
    return int(value)
