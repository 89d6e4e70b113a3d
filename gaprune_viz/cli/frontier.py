"""The `frontier` command: quality against time and size, beside what people would use instead."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gaprune_viz.cli.base import Flags, Json, app, build, print_json, spec_flags, with_progress
from gaprune_viz.cli.sweep_flags import split
from gaprune_viz.config import ExecutorSpec, FrontierSpec, MaskSpec, RefitSpec, ScoreSpec, Settings


@app.command()
@spec_flags(FrontierSpec, ScoreSpec, ExecutorSpec, leave_out=("settings",), refit=RefitSpec)
def frontier(
    analysis: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of an analysis.")],
    flags: Flags,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of models and cells; RUN/frontier where it is not given.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Write the table to this file, and a picture beside it.")
    ] = None,
    json_: Json = False,
) -> None:
    """Measure smaller models beside int8, fewer layers and static vectors. Run it again to go on."""
    from gaprune_viz.experiments.frontier.markdown import frontiers_markdown, write_frontiers
    from gaprune_viz.experiments.frontier.runner import run_frontier

    usual = FrontierSpec()
    settings = Settings(
        score=build(ScoreSpec, flags, usual.settings.score),
        mask=MaskSpec(),
        refit=build(RefitSpec, flags, usual.settings.refit, prefix="refit"),
    )
    own = {name: value for name, value in flags.items() if name in FrontierSpec.model_fields}
    if "rows" in own:
        own["rows"] = split(own["rows"], "rows")
    spec = FrontierSpec.parse({**own, "settings": settings})
    place, executor = out or analysis / "frontier", build(ExecutorSpec, flags)
    document = with_progress(run_frontier(analysis, spec, place, executor=executor))
    if markdown is not None:
        write_frontiers([document], markdown)
    if json_:
        print_json(document)
        return
    lines = frontiers_markdown([document], "").splitlines()
    print("\n".join(line for line in lines if line.startswith("|")))
    if markdown is not None:
        print(f"Written to {markdown}.")


@app.command()
def frontier_report(
    frontiers: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Folders of frontiers; times and the picture are those of the first."),
    ],
    markdown: Annotated[Path, typer.Option("--markdown", help="Write the tables to this file, a picture beside it.")],
) -> None:
    """Set several frontiers, of other data or other calibration seeds, into one Markdown file."""
    from gaprune_viz.experiments.frontier.document import open_frontier
    from gaprune_viz.experiments.frontier.markdown import write_frontiers

    write_frontiers([open_frontier(folder) for folder in frontiers], markdown)
    print(f"Written to {markdown}.")
