"""The `convert` command: pickled weights as safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gaprune_viz.cli.base import Json, app, print_json


@app.command(name="convert")
def convert_command(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Model folder that holds pytorch_model.bin.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New folder of the same model with safetensors weights.")],
    json_: Json = False,
) -> None:
    """Convert a model's pickled weights to safetensors, in a process of its own that runs no code in them."""
    from gaprune_viz.models.files.converting import convert

    written = convert(folder, out)
    if json_:
        print_json({"out": str(out), "written": written})
        return
    print(f"{', '.join(written)} written to {out}.")


@app.command()
def unpack(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a packed model: `prune --packed`.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the plain model.")],
    json_: Json = False,
) -> None:
    """Make a plain folder of a packed one."""
    from gaprune_viz.pruning.packing import unpack as unpacked

    size = unpacked(source, out)
    if json_:
        print_json({"out": str(out), "bytes": size})
        return
    print(f"{size:,} bytes of weights. Written to {out}.")
