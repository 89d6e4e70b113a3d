"""The cells of a sweep one by one: what each is called, and where it is kept."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from gaprune_viz.analysis.making import analyze
from gaprune_viz.calibration.progress import Progress
from gaprune_viz.config import digits
from gaprune_viz.experiments.sweep.bench import Bench
from gaprune_viz.experiments.sweep.plan import Place, SweepPlan, Value
from gaprune_viz.storage.workspace import workspace


def place_label(plan: SweepPlan, row: Value, column: Value) -> str:
    """A cell for people: `magnitude, sparsity 50 %`, `κ = auto, β = 0.3`, `128 samples, seed 2`."""
    axes = plan.axes
    if plan.kind == "samples":
        return f"{_plain(row)} samples, seed {_plain(column)}" if not isinstance(row, str) else f"{row}, {column}"
    first = f"{axes.row_symbol} = {_plain(row)}" if axes.row_symbol else str(row)
    second = (
        f"sparsity {100 * float(column):g} %"
        if axes.column == "sparsity"
        else f"{axes.column_symbol} = {_plain(column)}"
    )
    return f"{first}, {second}"


def _plain(value: Value) -> str:
    return value if isinstance(value, str) else digits(value)


def bench_of(analysis_folder: Path, plan: SweepPlan, place: Place) -> Bench | None:
    """Where the cells of a place are kept; None where its analysis is not known yet."""
    if plan.kind != "samples":
        return Bench(analysis_folder)
    bench = Bench(analysis_folder)
    document = bench.store.read(_pointer(bench, plan, place), "analysis")
    # The name alone: what lies outside the workspace is no analysis of ours.
    folder = workspace() / Path(str(document["analysis"])).name if document else None
    return Bench(folder) if folder and folder.is_dir() else None


def analysed(plan: SweepPlan, bench: Bench, place: Place) -> Generator[Progress, None, Path]:
    """The analysis of one place of a sweep over samples: found in the workspace, or made there."""
    folder = yield from analyze(plan.run(bench.statistics.run, *place), model=bench.loaded())
    bench.store.write(_pointer(bench, plan, place), {"analysis": folder.name})
    return folder


def _pointer(bench: Bench, plan: SweepPlan, place: Place) -> str:
    """Under which key the name of a place's analysis is kept, so that its cells are found without the model."""
    return f"analysis-{plan.run(bench.statistics.run, *place).calibration.key()}"
