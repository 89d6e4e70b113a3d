"""Sweep: two settings over a grid, the domain beside general data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from gaprune_viz.analysis import Analysis
from gaprune_viz.app.elements import html, with_files
from gaprune_viz.app.searching import both_sides
from gaprune_viz.config import SIDES, SWEEP_KINDS, Settings, SweepKind
from gaprune_viz.core.scoring import criteria
from gaprune_viz.errors import GapruneError
from gaprune_viz.figures import panels
from gaprune_viz.figures.atlas import HEATMAP_JS
from gaprune_viz.figures.sweep_map import SWEEP_JS
from gaprune_viz.sweep import SweepPlan

FIRST = "criteria"
# What the page begins with is small; the list holds more.
QUICK = "0.3, 0.5, 0.7"
QUICK_ROWS = ("magnitude", "dai")
MOST_CELLS = 100
DENSE = "dense"


@dataclass(frozen=True)
class SweepTab:
    """The components that handlers read and write."""

    kind: gr.Radio
    rows: gr.CheckboxGroup
    values: gr.Textbox
    columns: gr.Dropdown
    about: gr.HTML
    run: gr.Button
    stop: gr.Button
    progress: gr.HTML
    words: gr.HTML
    maps: dict[str, gr.HTML]
    curves: dict[str, gr.Plot]
    first: gr.Dropdown
    second: gr.Dropdown
    difference: gr.HTML
    csv: gr.DownloadButton
    table: gr.Dataframe
    swept: gr.State


def build_sweep() -> SweepTab:
    """Lay the tab out; the figures appear when a sweep has run."""
    axes = SWEEP_KINDS[FIRST]
    with gr.Row():
        kind = gr.Radio(
            [(k.label, name) for name, k in SWEEP_KINDS.items()],
            value=FIRST,
            label="Sweep over",
            elem_id="gv-sweep-kind",
            min_width=260,
        )
        columns = gr.Dropdown(
            column_choices(FIRST),
            value=QUICK,
            label=axes.column_label,
            allow_custom_value=True,
            elem_id="gv-sweep-columns",
            min_width=200,
        )
        values = gr.Textbox("", label="", elem_id="gv-sweep-values", visible=False, min_width=200)
    rows = gr.CheckboxGroup(
        [(c.label, c.name) for c in criteria().values()],
        value=list(QUICK_ROWS),
        label=axes.row_label,
        elem_id="gv-sweep-rows",
    )
    about = html(about_html(FIRST), elem_id="gv-sweep-about")
    with gr.Row(elem_classes=["gv-actions"]):
        run = gr.Button("Run the sweep", variant="primary", elem_id="gv-sweep-run", min_width=170)
        stop = gr.Button("Stop", variant="stop", elem_id="gv-sweep-stop", min_width=90)
    progress = html("", elem_id="gv-sweep-progress")
    maps, curves = {}, {}
    with gr.Row(elem_classes=["gv-sweep-maps"]):
        for side in SIDES:
            maps[side] = html(
                "",
                js_on_load=HEATMAP_JS + SWEEP_JS,
                elem_id=f"gv-sweep-map-{side}",
                label=f"Sweep map, {side}",
                min_width=320,
            )
    with gr.Row():
        for side in SIDES:
            curves[side] = gr.Plot(visible=False, show_label=False, elem_id=f"gv-sweep-{side}", min_width=320)
    words = html("", elem_id="gv-sweep-words")
    with gr.Row(elem_classes=["gv-ask"]):
        first = gr.Dropdown([], label="Compare the cell", visible=False, elem_id="gv-sweep-first", min_width=220)
        second = gr.Dropdown([], label="with", visible=False, elem_id="gv-sweep-second", min_width=220)
        csv = gr.DownloadButton("All cells as CSV", visible=False, elem_id="gv-sweep-csv", min_width=150)
    difference = html("", elem_id="gv-sweep-difference")
    table = with_files(
        gr.Dataframe(
            visible=False, interactive=False, label="Click a row to load its settings", elem_id="gv-sweep-table"
        ),
        "sweep",
    )
    return SweepTab(
        *(kind, rows, values, columns, about, run, stop, progress, words, maps, curves, first, second, difference),
        csv=csv,
        table=table,
        swept=gr.State({}),
    )


def axes_of(kind: str) -> SweepKind:
    """What a kind of sweep goes over.

    Raises:
        GapruneError: there is no such kind.
    """
    if kind not in SWEEP_KINDS:
        raise GapruneError(f"There is no sweep over {str(kind)[:40]!r}.", f"Use one of: {', '.join(SWEEP_KINDS)}.")
    return SWEEP_KINDS[kind]


def about_html(kind: str) -> str:
    """What a kind of sweep answers, what it takes and what is kept."""
    axes = SWEEP_KINDS[kind]
    cell = (
        "An analysis of its own, an exact mask and both collections encoded: each cell takes as long as a run."
        if kind == "samples"
        else "Each cell makes an exact mask and encodes both collections, which takes some seconds."
    )
    fixed = "" if axes.column == "sparsity" else " The sparsity is that of the tuning bar."
    return panels.notice(
        f"{axes.sentence} {cell} What is not swept comes from the tuning bar.{fixed} "
        "Finished cells are kept: a sweep that was stopped goes on where it was."
    )


def column_choices(kind: str) -> list[str]:
    """Lists of columns to pick from; any other can be typed."""
    axes = SWEEP_KINDS[kind]
    return [QUICK, axes.columns] if axes.column == "sparsity" else [axes.columns]


def plan_from(
    analysis: Analysis, source: str, settings: Settings, kind: str, rows: list[str], values: str, columns: str
) -> SweepPlan:
    """The sweep that the tab describes.

    Raises:
        GapruneError: a list cannot be read, or asks for too many cells.
    """
    axes = axes_of(kind)
    whole = kind == "samples"
    down: Any = tuple(rows or ()) if kind == "criteria" else numbers(values, axes.row_label, whole=whole)
    across: Any = numbers(columns, axes.column_label, whole=whole)
    if len(down) * len(across) > MOST_CELLS:
        raise GapruneError(
            f"{len(down)} times {len(across)} cells are too many for the page.",
            f"Ask for at most {MOST_CELLS}, or use `gaprune-viz sweep`.",
        )
    domain, general = both_sides(analysis, source)
    return SweepPlan(kind, down, across, (domain, general), settings)


def numbers(text: str, what: str, *, whole: bool = False) -> tuple[float | str, ...]:
    """Numbers, or `auto`, separated by commas or blanks.

    Raises:
        GapruneError: one of them is neither.
    """
    parts = (text or "")[:500].replace(",", " ").replace(";", " ").split()
    try:
        found = [part if part == "auto" else float(part) for part in parts]
    except ValueError as error:
        raise GapruneError(
            f"{text[:60]!r} is not a list of numbers for {what}.", "Write for example 0.3, 0.5."
        ) from error
    return tuple(int(n) if whole and isinstance(n, float) and n.is_integer() else n for n in found)
