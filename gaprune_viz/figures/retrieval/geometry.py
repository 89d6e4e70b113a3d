"""How far pruning moved the embeddings: the measures of `gaprune_viz.evaluation.geometry` as figures and a table."""

from __future__ import annotations

import math
from html import escape

import pandas as pd

from gaprune_viz.figures.kit.formatting import MINUS, MISSING, percent, signed
from gaprune_viz.figures.kit.panels import Card, stat_cards
from gaprune_viz.figures.kit.protocols import Geometry

COLUMNS = ("Measure", "Dense", "Pruned", "Difference", "How to read it")
TITLE = "Shape of the embedding space"
# Attribute of `SpaceMeasures`, label, help, decimals.
MEASURES = (
    ("uniformity", "Uniformity", "lower: passages are spread more evenly", 3),
    ("alignment", "Alignment", "lower: queries are closer to their passages", 3),
    ("effective_rank", "Effective rank", "how many directions the passages use", 1),
)


def geometry_html(geometry: Geometry, title: str = TITLE) -> str:
    """How far the passages moved, and what their space is like before and after.

    Args:
        geometry: of one task.
        title: plain text; escaped here.
    """
    drift = geometry.drift
    cards = stat_cards(
        [
            Card("Mean drift", _fixed(drift.mean, 3), "1 − cosine of a passage before and after; 0: did not move"),
            Card("Drift, 95th percentile", _fixed(drift.p95, 3), "19 of 20 passages moved less than this"),
            Card(
                "Neighbours kept",
                percent(geometry.neighbour_overlap_at_10),
                "of the ten nearest passages of each passage",
            ),
        ]
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS[:4])
    body = "".join(_row(label, help, *cells) for label, help, cells in _spaces(geometry))
    return (
        f'<section class="gv-panel gv-metric-geometry"><h3>{escape(title)}</h3>{cards}'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></section>"
    )


def geometry_table(geometry: Geometry) -> pd.DataFrame:
    """The table beside `geometry_html`; a dash where a measure is of both models together."""
    rows = [(label, *cells, help) for label, help, cells in _spaces(geometry)]
    together = (
        ("Mean drift", _fixed(geometry.drift.mean, 3), "1 − cosine before and after; 0: did not move"),
        ("Drift, 95th percentile", _fixed(geometry.drift.p95, 3), "19 of 20 passages moved less than this"),
        ("Neighbours kept", percent(geometry.neighbour_overlap_at_10), "of the ten nearest passages"),
    )
    rows += [(label, MISSING, value, MISSING, help) for label, value, help in together]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _spaces(geometry: Geometry) -> list[tuple[str, str, tuple[str, str, str]]]:
    """Label, help and the cells (dense, pruned, difference) of each measure of one space."""
    rows = []
    for key, label, help, digits in MEASURES:
        before, after = float(getattr(geometry.dense, key)), float(getattr(geometry.pruned, key))
        rows.append((label, help, (_fixed(before, digits), _fixed(after, digits), signed(after - before, digits))))
    return rows


def _row(label: str, help: str, dense: str, pruned: str, difference: str) -> str:
    return (
        f'<tr><th scope="row">{label}<small>{help}</small></th>'
        f'<td data-label="Dense">{dense}</td><td data-label="Pruned">{pruned}</td>'
        f'<td data-label="Difference">{difference}</td></tr>'
    )


def _fixed(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", MINUS) if math.isfinite(value) else MISSING
