"""A study as one HTML file that needs nothing beside it, and as CSV."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.study.comparisons import verdicts
from gaprune_viz.experiments.study.findings import all_steps, findings
from gaprune_viz.experiments.study.plan import ABLATION_BASES
from gaprune_viz.experiments.study.tables import frame
from gaprune_viz.figures.experiments.study import ablation_figure, loss_figure, samples_figure, study_curves
from gaprune_viz.figures.kit import scales
from gaprune_viz.figures.kit.panels import sentence_list
from gaprune_viz.storage.csv_tables import csv_text
from gaprune_viz.storage.workspace import write_whole

REPORT_FILE = "report.html"
CSV_FILE = "study.csv"
_COLORS = {scheme: f"color: {ink}; background: {ground};" for scheme, (ink, ground) in scales.PAGES.items()}
STYLE = f"""
:root {{ color-scheme: light dark; }}
body {{ margin: 0 auto; max-width: 72rem; padding: 1.5rem; font: 16px/1.55 system-ui, "Segoe UI", Roboto, sans-serif;
  {_COLORS["light"]} }}
h1 {{ font-size: 1.6rem; margin: 0 0 .5rem; }} h2 {{ font-size: 1.2rem; margin: 2.2rem 0 .5rem; }}
p, li {{ max-width: 46rem; }}
.pair {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr)); gap: 1rem; }}
.scroll {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }}
th, td {{ padding: .3rem .7rem; border-bottom: 1px solid #8883; text-align: right; white-space: nowrap; }}
th:first-child, td:first-child {{ text-align: left; }}
@media (prefers-color-scheme: dark) {{ body {{ {_COLORS["dark"]} }} }}
@media (max-width: 30rem) {{ .pair {{ grid-template-columns: 1fr; }} body {{ padding: 1rem; }} }}
"""
COLUMNS = {
    "row": "Row",
    "sparsity": "Sparsity",
    "steps": "Steps",
    "side": "Side",
    "ndcg_at_10": "nDCG@10",
    "of_dense": "% of dense",
    "low": "Low",
    "high": "High",
    "p_dense": "p, against dense",
    "over_magnitude_points": "Points over magnitude",
    "over_magnitude_p": "p",
}


def write_report(document: Mapping[str, Any], folder: Path) -> None:
    """Write `report.html` and `study.csv` into the folder of a study.

    Raises:
        GapruneError: they cannot be written.
    """
    table = frame(document)
    write_whole(folder / CSV_FILE, csv_text(table))
    write_whole(folder / REPORT_FILE, report_html(document, table))


def report_html(document: Mapping[str, Any], table: pd.DataFrame) -> str:
    """The report. Plotly's code is in it, so that it opens with no network."""
    tasks = document["tasks"]
    cells = document["cells"]
    parts = [
        f"<h1>What pruning keeps: {escape(tasks['domain']['name'])}</h1>",
        f"<p>{escape(document['model']['label'])}, {tasks['domain']['queries']:,} domain queries beside "
        f"{tasks['general']['queries']:,} general ones ({escape(tasks['general']['name'])}). "
        f"{cells['measured']} of {cells['planned']} cells. Percent of the dense model's nDCG@10; intervals are 95 % "
        "paired bootstrap over the queries of one run.</p>",
        *_failed(document),
        f"<h2>What it says</h2>{sentence_list([*findings(document), *verdicts(document)])}",
    ]
    first = True
    for title, figures in _sections(document, table):
        drawn = []
        for figure in figures:
            drawn.append(f'<div class="figure">{_embedded(figure, first)}</div>')
            first = False
        parts.append(f'<h2>{escape(title)}</h2><div class="pair">{"".join(drawn)}</div>')
    parts.append(f'<h2>Every number</h2><div class="scroll">{_table_html(table)}</div>')
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>gaprune_viz study: {escape(tasks['domain']['name'])}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _failed(document: Mapping[str, Any]) -> list[str]:
    """What could not be measured, and why."""
    found = document.get("failed", ())
    told = [f"{cell['label']}: {cell['error']}" for cell in found]
    return [f"<h2>Not measured</h2>{sentence_list(told)}"] if told else []


def _sections(document: Mapping[str, Any], table: pd.DataFrame) -> list[tuple[str, list[go.Figure]]]:
    found = []
    for steps in all_steps(document):
        title = "One-shot" if steps == 0 else f"After {steps} steps of retraining"
        found.append((title, [study_curves(table, side, steps) for side in document["tasks"]]))
    if any(row["curve"] for row in document["rows"]):
        sparsities = sorted({r["sparsity"] for r in document["rows"] if r["curve"] and r["row"] != "dense"})
        found.append(("Retraining", [loss_figure(document["rows"], s) for s in sparsities]))
    if (table["part"] == "ablation").any():
        found.append(("Ablation", [ablation_figure(table, base) for base in ABLATION_BASES]))
    if (table["part"] == "samples").any():
        found.append(("Calibration samples", [samples_figure(table)]))
    return found


def _embedded(figure: go.Figure, with_code: bool) -> str:
    return figure.to_html(
        full_html=False, include_plotlyjs=with_code, config={"displaylogo": False, "responsive": True}
    )


def _table_html(table: pd.DataFrame) -> str:
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise GapruneError(f"The study lacks {', '.join(missing)}.", "Run the study again: finished cells are kept.")
    shown = table[list(COLUMNS)].rename(columns=COLUMNS)
    return shown.to_html(index=False, border=0, na_rep="–", float_format=lambda x: f"{x:.4g}")
