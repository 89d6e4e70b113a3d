"""What the Sweep tab does: run, show, load a cell's settings, compare two cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
import pandas as pd

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.long_work import heavy_job, heavy_listener, stopping
from gaprune_viz.app.frame.tab import Wiring
from gaprune_viz.app.frame.updates import knobs
from gaprune_viz.app.session.access import visitor
from gaprune_viz.app.session.downloads import csv_button
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View
from gaprune_viz.app.tabs.sweep.layout import SweepTab
from gaprune_viz.app.tabs.sweep.plan import about_html, axes_of, column_choices, plan_from
from gaprune_viz.app.widgets.events import CARRIES, Changes, Steps, Values, arrived, listener, sent_with
from gaprune_viz.config import SWEEP_KINDS, Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.sweep import SweepPlan, difference
from gaprune_viz.figures.experiments.sweep_grid import difference_html, sweep_map_html
from gaprune_viz.figures.experiments.sweep_plots import place_label, places_of, sweep_curves, sweep_table
from gaprune_viz.figures.experiments.sweep_words import sweep_sentences
from gaprune_viz.figures.kit import panels
from gaprune_viz.jobs import process, watched_work

Swept = dict[str, Any]
CELL = "cell-"
DENSE = "dense"


def wire(tab: SweepTab, page: Wiring) -> None:
    """Connect the lists, the button, the maps and the table."""
    frame = page.frame
    lists = [tab.rows, tab.values, tab.columns]
    tab.kind.input(**listener(lambda values: show_kind(tab, values[tab.kind]), [tab.kind], [*lists, tab.about]))
    reads = [frame.collection, tab.kind, *lists]
    tab.run.click(**heavy_listener(frame, run_sweep(tab, frame), tab.progress, reads, tab.finished))
    tab.stop.click(**stopping())
    _wire_cells(tab, page)
    compare = [tab.swept, tab.first, tab.second]
    comparing = listener(
        lambda values: {tab.difference: compared(*(values[part] for part in compare))}, compare, [tab.difference]
    )
    gr.on([tab.first.input, tab.second.input], **comparing)


def _wire_cells(tab: SweepTab, page: Wiring) -> None:
    """A cell of a map or a row of the table puts its settings into the bars."""
    frame = page.frame

    def cell(values: Values, event: gr.EventData) -> Changes:
        return load(tab, frame, values, clicked_cell(values[tab.swept], event))

    def row(values: Values, event: gr.SelectData) -> Changes:
        return load(tab, frame, values, clicked_row(values[tab.swept], event))

    sides = [frame.sidebar.controls[name] for name in ("samples", "seed")]
    writes = [*tab.maps.values(), tab.first, tab.difference, *sides, *frame.tuning.all]
    for part in (*tab.maps.values(), tab.table):
        clicked = row if part is tab.table else cell
        loaded = part.select(  # type: ignore[attr-defined]
            **listener(clicked, [tab.swept, tab.second], writes, CARRIES)
        )
        loaded.then(**knobs(frame)).then(**page.refresh).then(**arrived(str(part.elem_id)))


def show_kind(tab: SweepTab, kind: str) -> Changes:
    """The lists of another kind of sweep: rows, values, columns, what it is about."""
    axes = axes_of(kind)
    named = kind == "criteria"
    columns = column_choices(kind)
    return {
        tab.rows: gr.update(visible=named),
        tab.values: gr.update(visible=not named, value=axes.rows, label=axes.row_label),
        tab.columns: gr.update(choices=columns, value=columns[0], label=axes.column_label),
        tab.about: about_html(kind),
    }


def run_sweep(tab: SweepTab, frame: Frame) -> Callable[..., Steps]:
    """Run the sweep that the tab describes; finished cells are kept whatever happens."""

    def handler(values: Values, request: gr.Request) -> Steps:
        kind = values[tab.kind]

        def work(
            shown: View, analysis: Analysis, settings: Settings, report: Any, stopped: Any
        ) -> tuple[Swept, pd.DataFrame]:
            lists = (values[tab.rows], values[tab.values], values[tab.columns])
            plan = plan_from(analysis, values[frame.collection], settings, kind, *lists)
            _may(plan, analysis)
            STORE.check_model(analysis.run.model)
            steps = process.sweep(analysis.folder, plan, stopped, gives_way=visitor().public)
            table = watched_work.driven(steps, report, stopped)
            swept = {
                "analysis": shown.analysis,
                "plan": plan.document(),
                "cells": table.to_dict(orient="records"),
            }
            return swept, table

        def show(result: tuple[Swept, pd.DataFrame]) -> Changes:
            return swept_changes(tab, kind, *result)

        # Its cells are kept in the folder of the analysis.
        yield from heavy_job(frame, tab.progress, work, show, values, request, exact=True)

    return handler


def swept_changes(tab: SweepTab, kind: str, swept: Swept, table: pd.DataFrame) -> Changes:
    """What a finished sweep shows."""
    labels = [place_label(place, SWEEP_KINDS[kind]) for place in places_of(table)]
    cells = [(label, f"{CELL}{i}") for i, label in enumerate(labels)]
    return {
        **{part: sweep_map_html(table, side) for side, part in tab.maps.items()},
        **{part: gr.update(value=sweep_curves(table, side), visible=True) for side, part in tab.curves.items()},
        tab.words: "".join(panels.notice(sentence) for sentence in sweep_sentences(table)),
        tab.first: gr.update(choices=cells, value=None, visible=True),
        tab.second: gr.update(choices=[("the dense model", DENSE), *cells], value=DENSE, visible=True),
        tab.difference: "",
        tab.csv: csv_button("sweep.csv", table),
        tab.table: gr.update(value=sweep_table(table), visible=True),
        tab.swept: swept,
    }


def _may(plan: SweepPlan, analysis: Analysis) -> None:
    """Refuse tasks and runs that this visitor may not ask for, before anything is computed."""
    for source in plan.tasks:
        STORE.task(source)
    if plan.kind == "samples":
        for place in plan.places():
            visitor().check_run(plan.run(analysis.run, *place))


def clicked_cell(swept: Swept, event: gr.EventData) -> int | None:
    """The cell of a map that was chosen by click or by key; None for anything else."""
    return _number(sent_with(event).get("name"), swept)


def clicked_row(swept: Swept, event: gr.SelectData) -> int | None:
    """The cell of a row of the table; None for anything else."""
    row = event.index[0] if isinstance(event.index, (list, tuple)) and event.index else None
    cells = swept.get("cells", [])
    if not isinstance(row, int) or not 0 <= row < len(cells):
        return None
    place = (cells[row]["row"], cells[row]["column"])
    return places_of(pd.DataFrame(cells)).index(place)


def load(tab: SweepTab, frame: Frame, values: Values, number: int | None) -> Changes:
    """Show a cell as chosen and put its settings into the controls; None changes nothing."""
    if number is None:
        return {}
    swept = values[tab.swept]
    table, plan = pd.DataFrame(swept["cells"]), SweepPlan.of(swept["plan"])
    place = places_of(table)[number]
    run: Changes = {}
    if plan.kind == "samples":
        run = {frame.sidebar.controls[name]: value for name, value in zip(("samples", "seed"), place, strict=True)}
    return {
        **{part: sweep_map_html(table, side, selected=number) for side, part in tab.maps.items()},
        tab.first: f"{CELL}{number}",
        tab.difference: compared(swept, f"{CELL}{number}", values[tab.second]),
        **run,
        **frame.tuning.set(plan.settings(*place)),
    }


def compared(swept: Swept, first: str | None, second: str | None) -> str:
    """Two cells, or a cell and the dense model, on both tasks."""
    one, other = _number(first, swept), _number(second, swept)
    if one is None:
        return ""
    places, plan = places_of(pd.DataFrame(swept["cells"])), SweepPlan.of(swept["plan"])
    names = [place_label(places[i], plan.axes) if i is not None else "dense" for i in (one, other)]
    try:
        found = difference(
            STORE.analysis(swept["analysis"]).folder, plan, places[one], None if other is None else places[other]
        )
    except GapruneError as error:
        return panels.error_card(error.message, error.hint)
    note = ""
    if plan.kind == "samples":
        note = panels.notice("Samples and seed are in the sidebar now: press Run to look into this analysis.")
    return difference_html(names[0], names[1], found) + note


def _number(name: object, swept: Swept) -> int | None:
    """The position that a name stands for; None for anything that is no cell. Browsers may send anything."""
    text = name.removeprefix(CELL) if isinstance(name, str) and name.startswith(CELL) else ""
    if not (text.isascii() and text.isdigit() and len(text) < 5) or not swept.get("cells"):
        return None
    return int(text) if int(text) < len(places_of(pd.DataFrame(swept["cells"]))) else None
