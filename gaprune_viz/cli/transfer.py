"""The `transfer` command: calibrated on one source, measured on every one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gaprune_viz.cli.base import Flags, Json, app, build, print_json, spec_flags, with_progress
from gaprune_viz.cli.studies import show_foreseen, whole_numbers
from gaprune_viz.cli.sweep_flags import numbers, split
from gaprune_viz.config import CalibrationSpec, ExecutorSpec, ModelSpec, RefitSpec, TransferSpec

INSIDE = ("model", "calibration", "refit")
ASIDE = ("domain", "domain_columns", "general_columns")
LISTS = ("sources", "criteria", "sparsities", "seeds")


@app.command()
@spec_flags(ModelSpec, CalibrationSpec, TransferSpec, ExecutorSpec, leave_out=(*INSIDE, *ASIDE), refit=RefitSpec)
def transfer(
    out: Annotated[Path, typer.Option("--out", help="Folder of the map: texts, analyses, cells, transfer.json.")],
    flags: Flags,
    model: Annotated[str | None, typer.Option("--model", help="As for analyze.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Write what it says to this file.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write every score to this file.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what it will take.")] = False,
    json_: Json = False,
) -> None:
    """Calibrate on each source and measure on every one: does pruning for a domain differ? Run it again to go on."""
    from gaprune_viz.experiments.transfer.findings import findings
    from gaprune_viz.experiments.transfer.markdown import transfer_markdown
    from gaprune_viz.experiments.transfer.runner import run_transfer
    from gaprune_viz.experiments.transfer.tables import frame
    from gaprune_viz.storage.csv_tables import csv_text
    from gaprune_viz.storage.workspace import write_whole

    spec, executor = transfer_spec({**flags, **({"model": model} if model else {})}), build(ExecutorSpec, flags)
    if plan:
        from gaprune_viz.experiments.transfer.cost_estimate import foresee_transfer

        show_foreseen(foresee_transfer(spec), executor, json_)
        return
    document = with_progress(run_transfer(spec, out, executor=executor))
    if markdown is not None:
        write_whole(markdown, transfer_markdown(document))
    if csv is not None:
        write_whole(csv, csv_text(frame(document)))
    if json_:
        print_json(document)
        return
    print("\n".join(findings(document)))
    print(f"Written to {out}.")


def transfer_spec(flags: Flags) -> TransferSpec:
    """A transfer map from flags; lists are separated by commas.

    Raises:
        GapruneError: a flag makes no sense.
    """
    usual = TransferSpec()
    readers = {"sources": split, "criteria": split, "sparsities": numbers, "seeds": whole_numbers}
    lists = {name: read(flags[name], name) for name, read in readers.items() if name in flags}
    own = {k: v for k, v in flags.items() if k in TransferSpec.model_fields and k not in (*LISTS, *INSIDE)}
    return TransferSpec.parse(
        {
            "model": build(ModelSpec, flags, usual.model),
            "calibration": build(CalibrationSpec, flags, usual.calibration),
            "refit": build(RefitSpec, flags, usual.refit, prefix="refit"),
            **own,
            **lists,
        }
    )
