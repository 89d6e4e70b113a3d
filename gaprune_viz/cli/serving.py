"""Commands that open the page, and make what it opens with."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from gaprune_viz.cli.base import Flags, app, spec_flags, with_progress
from gaprune_viz.config import RunSpec, ServeSpec


@app.command(name="app")
@spec_flags(ServeSpec)
def serve(
    flags: Flags,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on.", envvar="GRADIO_SERVER_NAME")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            "--port",
            help="Port to listen on; 0 for any that is free.",
            min=0,
            max=65_535,
            envvar=["GRADIO_SERVER_PORT", "PORT"],
        ),
    ] = 7860,
) -> None:
    """Open the page; with --public, for strangers."""
    from gaprune_viz.app import launch

    launch(host=host, port=port, serve=ServeSpec.here(**flags), warm=True)


@app.command(hidden=True)
def demo(out: Annotated[Path, typer.Option("--out", help="Folder of the bundled analysis.")]) -> None:
    """Make the analysis that the page shows before anything was run."""
    from gaprune_viz.analysis.compacting import compacted
    from gaprune_viz.analysis.making import DEMO_SKETCH_CAP, analyze
    from gaprune_viz.models.loading import load_model

    model = load_model(RunSpec().model)
    with tempfile.TemporaryDirectory() as folder:
        exact = with_progress(analyze(RunSpec(), Path(folder) / "exact", model=model, sketch_cap=DEMO_SKETCH_CAP))
        off = with_progress(compacted(exact, out, model))
    print(f"Written to {out}: its masks differ from the exact ones in {off:.2%} of the pruned weights at most.")
