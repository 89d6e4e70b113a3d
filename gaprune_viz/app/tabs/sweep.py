"""Sweep: criteria by sparsity and alpha by sparsity, the domain beside general data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from gaprune_viz.app.elements import html
from gaprune_viz.config import STARTER_DOMAINS, Settings
from gaprune_viz.core.scoring import criteria
from gaprune_viz.errors import GapruneError
from gaprune_viz.figures import panels
from gaprune_viz.pipeline import Analysis
from gaprune_viz.sweep import SweepPlan

KINDS = [("Criteria × sparsity", "criteria"), ("α × sparsity", "alpha")]
CRITERIA = ["magnitude", "dai", "obd_joint", "fisher_domain"]
SPARSITIES = "0.3, 0.5, 0.7"
ALPHAS = "0, 0.2, 0.5, 1"
MOST_CELLS = 80


@dataclass(frozen=True)
class SweepTab:
    """The components that handlers read and write."""

    kind: gr.Radio
    rows: gr.CheckboxGroup
    alphas: gr.Textbox
    sparsities: gr.Textbox
    run: gr.Button
    stop: gr.Button
    progress: gr.HTML
    domain: gr.Plot
    general: gr.Plot
    table: gr.Dataframe
    cells: gr.State


def build_sweep() -> SweepTab:
    """Lay the tab out; the figures appear when a sweep has run."""
    gr.Markdown(
        "Every cell is an exact mask, evaluated on the sample queries of the domain and of general data. What is not "
        "swept comes from the tuning bar. Finished cells are kept: a sweep that was stopped goes on where it was."
    )
    with gr.Row():
        kind = gr.Radio(KINDS, value="criteria", label="Sweep over", elem_id="gv-sweep-kind", min_width=220)
        sparsities = gr.Textbox(SPARSITIES, label="Sparsities", elem_id="gv-sweep-sparsities", min_width=150)
        alphas = gr.Textbox(
            ALPHAS, label="Alignment weights α", elem_id="gv-sweep-alphas", visible=False, min_width=150
        )
    rows = gr.CheckboxGroup(
        [(c.label, c.name) for c in criteria().values()], value=CRITERIA, label="Criteria", elem_id="gv-sweep-rows"
    )
    with gr.Row():
        run = gr.Button("Run the sweep", variant="primary", elem_id="gv-sweep-run", min_width=170)
        stop = gr.Button("Stop", variant="stop", elem_id="gv-sweep-stop", min_width=90)
    progress = html("", elem_id="gv-sweep-progress")
    with gr.Row():
        domain = gr.Plot(visible=False, show_label=False, elem_id="gv-sweep-domain", min_width=320)
        general = gr.Plot(visible=False, show_label=False, elem_id="gv-sweep-general", min_width=320)
    table = gr.Dataframe(
        visible=False, interactive=False, label="Click a row to load its settings", elem_id="gv-sweep-table"
    )
    html(
        panels.notice("Each cell makes an exact mask and encodes both collections, which takes some seconds."),
        elem_id="gv-sweep-note",
    )
    cells = gr.State([])
    return SweepTab(kind, rows, alphas, sparsities, run, stop, progress, domain, general, table, cells)


def plan_from(
    analysis: Analysis, source: str, settings: Settings, kind: str, rows: list[str], alphas: str, sparsities: str
) -> SweepPlan:
    """The sweep that the tab describes.

    Raises:
        GapruneError: a list cannot be read, or asks for too many cells.
    """
    general = analysis.run.calibration.general
    tasks = (source, general if general in STARTER_DOMAINS else "general")
    values: Any = numbers(alphas, "α") if kind == "alpha" else tuple(rows or ())
    grid = numbers(sparsities, "sparsity")
    if len(values) * len(grid) > MOST_CELLS:
        raise GapruneError(
            f"{len(values)} times {len(grid)} cells are too many for the page.",
            f"Ask for at most {MOST_CELLS}, or use `gaprune-viz sweep`.",
        )
    return SweepPlan("alpha" if kind == "alpha" else "criteria", values, grid, tasks, settings)


def numbers(text: str, what: str) -> tuple[float, ...]:
    """Numbers separated by commas or blanks.

    Raises:
        GapruneError: one of them is none.
    """
    parts = (text or "")[:500].replace(",", " ").replace(";", " ").split()
    try:
        return tuple(float(part) for part in parts)
    except ValueError as error:
        raise GapruneError(
            f"{text[:60]!r} is not a list of numbers for {what}.", "Write for example 0.3, 0.5."
        ) from error
