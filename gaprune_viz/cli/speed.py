"""The `speed` command: latency and size of a pruned model on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gaprune_viz.cli.base import Json, app, print_json


@app.command()
def speed(
    model_dir: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="Folder of a pruned model.")],
    rounds: Annotated[int, typer.Option("--rounds", help="Times each model encodes the texts.", min=1)] = 5,
    out: Annotated[
        Path | None, typer.Option("--out", help="Keep the model without its silent neurons in this folder.")
    ] = None,
    json_: Json = False,
) -> None:
    """Measure latency and file size, dense against pruned, and say what would make them better."""
    from gaprune_viz.data.starter import starter_passages
    from gaprune_viz.evaluation.latency import TEXTS, measure_speed

    texts = [passage.text for passage in starter_passages("general")[:TEXTS]]
    found = measure_speed(model_dir, texts, rounds=rounds, shrunk=out)
    if json_:
        print_json(found)
        return
    for name in ("dense", "pruned", "shrunk"):
        if name in found:
            row = found[name]
            print(f"{name:<8}{1000 * row['seconds'] / found['texts']:8.2f} ms a text{row['bytes'] / 2**20:10.1f} MiB")
    for load in found.get("milliseconds", {}).get("dense", {}):
        dense, pruned = (found["milliseconds"][name][load] for name in ("dense", "pruned"))
        print(f"{load:<9}{pruned:7.2f} ms a text, dense {dense:.2f} ms ({dense / pruned:.2f} times as fast)")
    for sentence in found["sentences"]:
        print(sentence)
