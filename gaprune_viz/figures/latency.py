"""Latency and file size of a pruned model beside the dense one, as a table and plain sentences."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from gaprune_viz.figures.kit.formatting import percent
from gaprune_viz.figures.kit.panels import sentence_list
from gaprune_viz.figures.weights.structures import milliseconds_html

LABELS = {"dense": "Dense", "pruned": "Pruned", "shrunk": "Pruned, silent neurons taken out"}


def speed_html(found: Mapping[str, Any]) -> str:
    """What `gaprune_viz.speed.measure_speed` found."""
    dense = found["dense"]
    rows = "".join(_row(label, found[name], dense, found["texts"]) for name, label in LABELS.items() if name in found)
    return (
        '<section class="gv-plain-table"><h3>Speed and size on this machine</h3>'
        f'<p class="gv-sub">Median over the rounds, the models in turn, {found["texts"]} passages a round.</p>'
        "<table><thead><tr><th scope='col'>Model</th><th scope='col'>Milliseconds a text</th>"
        "<th scope='col'>Time, of dense</th><th scope='col'>Weights, MiB</th><th scope='col'>Size, of dense</th></tr>"
        f"</thead><tbody>{rows}</tbody></table></section>{_loads(found)}{sentence_list(found['sentences'])}"
    )


def _loads(found: Mapping[str, Any]) -> str:
    """Short and long texts, one at a time and many, where they were timed."""
    return milliseconds_html(found["milliseconds"], LABELS) if "milliseconds" in found else ""


def _row(label: str, row: Mapping[str, Any], dense: Mapping[str, Any], texts: int) -> str:
    cells = (
        f"{1000 * row['seconds'] / texts:.2f}",
        percent(row["seconds"] / dense["seconds"]),
        f"{row['bytes'] / 2**20:.1f}",
        percent(round(row["bytes"] / dense["bytes"], 4)),
    )
    return f"<tr><th scope='row'>{escape(label)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
