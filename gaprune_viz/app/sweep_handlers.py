"""What the Sweep tab does: run, show, load a cell's settings, compare two cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr
import pandas as pd

from gaprune_viz import isolated
from gaprune_viz.analysis import Analysis
from gaprune_viz.app import jobs
from gaprune_viz.app.access import visitor
from gaprune_viz.app.heavy import Changes, Heavy, heavy_job
from gaprune_viz.app.sidebar import FIELDS as RUN_FIELDS
from gaprune_viz.app.store import STORE
from gaprune_viz.app.tabs.export import fresh
from gaprune_viz.app.tabs.sweep import DENSE, about_html, axes_of, column_choices, plan_from
from gaprune_viz.app.tuning import FIELDS, values_of
from gaprune_viz.app.views import View
from gaprune_viz.config import SIDES, SWEEP_KINDS, Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.figures import panels
from gaprune_viz.figures.sweep import place_label, places_of, sweep_curves, sweep_table
from gaprune_viz.figures.sweep_map import difference_html, sweep_map_html
from gaprune_viz.figures.sweep_words import sweep_sentences
from gaprune_viz.sweep import SweepPlan, difference
from gaprune_viz.tables import csv_text

if TYPE_CHECKING:
    from gaprune_viz.app.page import Page

Swept = dict[str, Any]
CELL = "cell-"


def show_kind(kind: str) -> list[Any]:
    """The lists of another kind of sweep: rows, values, columns, what it is about."""
    axes = axes_of(kind)
    named = kind == "criteria"
    return [
        gr.update(visible=named),
        gr.update(visible=not named, value=axes.rows, label=axes.row_label),
        gr.update(choices=column_choices(kind), value=column_choices(kind)[0], label=axes.column_label),
        about_html(kind),
    ]


def outputs(page: Page) -> list[Any]:
    """What a finished sweep changes."""
    tab = page.sweep
    shown = [*tab.maps.values(), *tab.curves.values(), tab.words, tab.first, tab.second, tab.difference]
    return [tab.progress, *shown, tab.csv, tab.table, tab.swept]


def run_sweep(page: Page) -> Callable[..., Heavy]:
    """Run the sweep that the tab describes; finished cells are kept whatever happens."""
    tab = page.sweep

    def handler(
        request: gr.Request,
        view: dict[str, Any],
        source: str,
        kind: str,
        rows: list[str],
        texts: str,
        columns: str,
        *values: Any,
    ) -> Heavy:
        def work(
            shown: View, analysis: Analysis, settings: Settings, report: Any, stopped: Any
        ) -> tuple[Swept, pd.DataFrame]:
            plan = plan_from(analysis, source, settings, kind, rows, texts, columns)
            _may(plan, analysis)
            STORE.hand_over(analysis.run.model)
            steps = isolated.sweep(analysis.folder, plan, stopped, gives_way=visitor().public)
            frame = jobs.driven(steps, report, stopped)
            swept = {
                "analysis": shown.analysis,
                "plan": plan.document(),
                "cells": frame.to_dict(orient="records"),
            }
            return swept, frame

        def show(result: tuple[Swept, pd.DataFrame]) -> Changes:
            swept, frame = result
            labels = [place_label(place, SWEEP_KINDS[kind]) for place in places_of(frame)]
            cells = [(label, f"{CELL}{i}") for i, label in enumerate(labels)]
            return {
                **{part: sweep_map_html(frame, side) for side, part in tab.maps.items()},
                **{part: gr.update(value=sweep_curves(frame, side), visible=True) for side, part in tab.curves.items()},
                tab.words: "".join(panels.notice(sentence) for sentence in sweep_sentences(frame)),
                tab.first: gr.update(choices=cells, value=None, visible=True),
                tab.second: gr.update(choices=[("the dense model", DENSE), *cells], value=DENSE, visible=True),
                tab.difference: "",
                tab.csv: gr.update(value=_csv(frame), visible=True),
                tab.table: gr.update(value=sweep_table(frame), visible=True),
                tab.swept: swept,
            }

        yield from heavy_job(page, tab.progress, work, show, view, values, request)

    return handler


def _may(plan: SweepPlan, analysis: Analysis) -> None:
    """Refuse tasks and runs that this visitor may not ask for, before anything is computed."""
    for source in plan.tasks:
        STORE.task(source)
    if plan.kind == "samples":
        for place in plan.places():
            visitor().check_run(plan.run(analysis.run, *place))


def clicked_cell(event: gr.EventData, swept: Swept, second: str) -> list[Any]:
    """A cell of a map, by click or by key: both maps, its settings, its difference."""
    data: Any = getattr(event, "_data", None)
    return _load(_number(data.get("name") if isinstance(data, dict) else None, swept), swept, second)


def clicked_row(event: gr.SelectData, swept: Swept, second: str) -> list[Any]:
    """A row of the table: the same."""
    row = event.index[0] if isinstance(event.index, (list, tuple)) and event.index else None
    cells = swept.get("cells", [])
    if not isinstance(row, int) or not 0 <= row < len(cells):
        return _load(None, swept, second)
    place = (cells[row]["row"], cells[row]["column"])
    return _load(places_of(pd.DataFrame(cells)).index(place), swept, second)


def load_outputs(page: Page) -> list[Any]:
    """What a chosen cell changes."""
    tab, run = page.sweep, dict(zip([name for _, name in RUN_FIELDS], page.sidebar.controls, strict=True))
    return [*tab.maps.values(), tab.first, tab.difference, run["samples"], run["seed"], *page.tuning.controls]


def _load(number: int | None, swept: Swept, second: str) -> list[Any]:
    """Show a cell as chosen and put its settings into the controls; None changes nothing."""
    if number is None:
        return [gr.skip()] * (6 + len(FIELDS))
    frame, plan = pd.DataFrame(swept["cells"]), SweepPlan.of(swept["plan"])
    place = places_of(frame)[number]
    run: list[Any] = list(place) if plan.kind == "samples" else [gr.skip(), gr.skip()]
    return [
        *(sweep_map_html(frame, side, selected=number) for side in SIDES),
        f"{CELL}{number}",
        compared(swept, f"{CELL}{number}", second),
        *run,
        *values_of(plan.settings(*place)),
    ]


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


def _csv(frame: pd.DataFrame) -> str:
    path = fresh("sweep.csv")
    path.write_text(csv_text(frame), encoding="utf-8")
    return str(path)
