"""The `sources` command: how the sources of an analysis agree, and what they should weigh."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gaprune_viz.cli.base import Json, app, print_json

if TYPE_CHECKING:
    from gaprune_viz.analysis.sources.alignment import SourceAlignment

SourceWeights = Annotated[
    Path | None,
    typer.Option(
        "--source-weights",
        help="Weigh the sources of each side by how their gradients agreed with the domain's in this analysis of the "
        "same sources; `sources DIR` shows it.",
    ),
]


@app.command()
def sources(
    analysis: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of an analysis.")], json_: Json = False
) -> None:
    """Say how the sources of an analysis agree with the domain and with each other, and what they would weigh by that.

    `analyze --source-weights DIR` runs the same sources with these weights.
    """
    from gaprune_viz.analysis.opening import open_analysis
    from gaprune_viz.analysis.sources.alignment import source_alignment

    found = source_alignment(open_analysis(analysis))
    if json_:
        print_json(alignment_document(found))
        return
    _print(found)


def alignment_document(found: SourceAlignment) -> dict[str, Any]:
    """How sources agree, as plain values, ready for JSON."""
    columns = zip(found.sources, found.to_domain.tolist(), found.weights.tolist(), strict=True)
    rows = [
        {
            "name": source.name,
            "side": source.side,
            "samples": source.samples,
            "weight": source.weight,
            "cosine_with_domain": cosine,
            "weight_by_alignment": weight,
        }
        for source, cosine, weight in columns
    ]
    layers = {str(layer): table.tolist() for layer, table in zip(found.layers, found.by_layer, strict=True)}
    return {"sources": rows, "cosines": found.whole.tolist(), "cosines_by_layer": layers}


def _print(found: SourceAlignment) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Mean gradients of the sources, over all weights of the scope")
    heads = ("", "side", "samples", "weight", "with the domain", "weight by that", *found.names)
    for head in heads:
        table.add_column(head, justify="left" if head in ("", "side") else "right")
    for place, source in enumerate(found.sources):
        numbers = (source.weight, found.to_domain[place], found.weights[place], *found.whole[place])
        table.add_row(source.name, source.side, f"{source.samples:.0f}", *(f"{number:.3f}" for number in numbers))
    Console().print(table)
