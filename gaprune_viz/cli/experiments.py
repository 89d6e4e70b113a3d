"""Commands that evaluate many settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gaprune_viz.cli.base import Flags, Json, Preset, app, print_json, settings_of, spec_flags, with_progress
from gaprune_viz.config import MaskSpec, ScoreSpec


@app.command()
@spec_flags(ScoreSpec, MaskSpec)
def sweep(
    analysis: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of an analysis.")],
    flags: Flags,
    kind: Annotated[str, typer.Option("--kind", help="What the rows are: criteria or alpha.")] = "criteria",
    criteria: Annotated[str, typer.Option("--criteria", help="Rows of a criteria sweep.")] = "magnitude,dai,obd_joint",
    alphas: Annotated[str, typer.Option("--alphas", help="Rows of an alpha sweep.")] = "0,0.2,0.5,1",
    sparsities: Annotated[str, typer.Option("--sparsities", help="Fractions to prune.")] = "0.3,0.5,0.7",
    task: Annotated[str, typer.Option("--task", help="Task of the domain: starter name or BEIR folder.")] = "chemistry",
    general: Annotated[str, typer.Option("--general", help="General task, of the same kinds.")] = "general",
    preset_name: Preset = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write the cells to this file.")] = None,
    json_: Json = False,
) -> None:
    """Evaluate many settings, domain beside general. Finished cells are kept: run it again to go on."""
    from gaprune_viz.cli import sweeps
    from gaprune_viz.sweep import sweep as cells

    lists = {"criteria": criteria, "alphas": alphas, "sparsities": sparsities}
    plan = sweeps.make_plan(kind, lists, (task, general), settings_of(flags, preset_name), set(flags))
    frame = with_progress(cells(analysis, plan))
    if csv:
        sweeps.write_csv(frame, csv)
    if json_:
        print_json(sweeps.document(plan, frame))
    elif csv:
        print(f"{len(frame)} rows written to {csv}.")
    else:
        sweeps.print_table(frame)
