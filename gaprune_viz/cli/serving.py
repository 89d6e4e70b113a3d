"""Commands that open the page, and make what it opens with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gaprune_viz.cli.base import app, with_progress
from gaprune_viz.config import RunSpec


@app.command(name="app")
def serve(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port to listen on.", min=0, max=65_535)] = 7860,
) -> None:
    """Open the page."""
    from gaprune_viz.app import launch

    launch(host=host, port=port)


@app.command(hidden=True)
def demo(out: Annotated[Path, typer.Option("--out", help="Folder of the bundled analysis.")]) -> None:
    """Make the analysis that the page shows before anything was run."""
    from gaprune_viz import pipeline

    place = with_progress(pipeline.analyze(RunSpec(), out, sketch_cap=pipeline.DEMO_SKETCH_CAP, keep_tensors=False))
    print(f"Written to {place}.")
