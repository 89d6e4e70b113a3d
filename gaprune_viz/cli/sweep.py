"""Commands that evaluate many settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gaprune_viz.cli.base import Flags, Json, Preset, app, build, print_json, settings_of, spec_flags, with_progress
from gaprune_viz.config import (
    IDENTICAL_IDS_HELP,
    SWEEP_KINDS,
    ExecutorSpec,
    MaskSpec,
    RefitSpec,
    ScoreSpec,
    StructureSpec,
)

TASK_HELP = f"Task of the domain: starter name, ontology:chebi, or BEIR folder. {IDENTICAL_IDS_HELP}"


def _list(flag: str, kind: str, *, column: bool = False) -> Any:
    """A flag that takes values separated by commas."""
    axes = SWEEP_KINDS[kind]
    where, usual = (f"Columns: {axes.column_label}", axes.columns) if column else (axes.row_label, axes.rows)
    text = f"{where}, of a sweep over {kind}, separated by commas."
    return typer.Option(f"--{flag}", help=text, show_default=usual.replace(" ", ""), metavar="LIST")


@app.command()
@spec_flags(ScoreSpec, MaskSpec, ExecutorSpec, refit=RefitSpec, structure=StructureSpec)
def sweep(
    analysis: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of an analysis.")],
    flags: Flags,
    kind: Annotated[str, typer.Option("--kind", help=f"What is swept: {', '.join(SWEEP_KINDS)}.")] = "criteria",
    criteria: Annotated[str | None, _list("criteria", "criteria")] = None,
    alphas: Annotated[str | None, _list("alphas", "alpha")] = None,
    sparsities: Annotated[str | None, _list("sparsities", "criteria", column=True)] = None,
    kappas: Annotated[str | None, _list("kappas", "kappa")] = None,
    betas: Annotated[str | None, _list("betas", "kappa", column=True)] = None,
    samples: Annotated[str | None, _list("samples", "samples")] = None,
    seeds: Annotated[str | None, _list("seeds", "samples", column=True)] = None,
    task: Annotated[str, typer.Option("--task", help=TASK_HELP)] = "chemistry",
    general: Annotated[str, typer.Option("--general", help="General task, of the same kinds.")] = "general",
    preset_name: Preset = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write the cells to this file.")] = None,
    json_: Json = False,
) -> None:
    """Evaluate many settings, domain beside general. Finished cells are kept: run it again to go on."""
    from gaprune_viz.cli import sweep_flags
    from gaprune_viz.experiments.sweep import sweep as cells

    lists = {"criteria": criteria, "alphas": alphas, "sparsities": sparsities}
    lists |= {"kappas": kappas, "betas": betas, "samples": samples, "seeds": seeds}
    plan = sweep_flags.make_plan(kind, lists, (task, general), settings_of(flags, preset_name), set(flags))
    frame = with_progress(cells(analysis, plan, executor=build(ExecutorSpec, flags)))
    if csv:
        sweep_flags.write_csv(frame, csv)
    if json_:
        print_json(sweep_flags.document(plan, frame))
    elif csv:
        print(f"{len(frame)} rows written to {csv}.")
    else:
        sweep_flags.print_table(frame)
