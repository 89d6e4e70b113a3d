"""What the Sweep tab does: run, show, load a cell's settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr
import pandas as pd

from gaprune_viz.app import jobs
from gaprune_viz.app.heavy import Changes, Heavy, heavy_job
from gaprune_viz.app.store import STORE
from gaprune_viz.app.tabs.sweep import plan_from
from gaprune_viz.app.tuning import FIELDS
from gaprune_viz.app.views import View
from gaprune_viz.config import Settings
from gaprune_viz.figures import panels
from gaprune_viz.figures.sweep import sweep_curves, sweep_map, sweep_table
from gaprune_viz.pipeline import Analysis
from gaprune_viz.sweep import sweep

if TYPE_CHECKING:
    from gaprune_viz.app.page import Page


def show_kind(kind: str) -> list[Any]:
    """Criteria or alphas: show the list that is swept."""
    return [gr.update(visible=kind == "criteria"), gr.update(visible=kind == "alpha")]


def run_sweep(page: Page) -> Callable[..., Heavy]:
    """Run the sweep that the tab describes; finished cells are kept whatever happens."""
    tab = page.sweep

    def handler(
        request: gr.Request,
        view: dict[str, Any],
        source: str,
        kind: str,
        rows: list[str],
        alphas: str,
        sparsities: str,
        *values: Any,
    ) -> Heavy:
        def work(shown: View, analysis: Analysis, settings: Settings, report: Any, stopped: Any) -> pd.DataFrame:
            plan = plan_from(analysis, source, settings, kind, rows, alphas, sparsities)
            return jobs.driven(sweep(analysis.folder, plan, model=STORE.dense(analysis)), report, stopped)

        def show(frame: pd.DataFrame) -> Changes:
            draw = sweep_map if kind == "alpha" else sweep_curves
            return {
                tab.domain: gr.update(value=draw(frame, "domain"), visible=True),
                tab.general: gr.update(value=draw(frame, "general"), visible=True),
                tab.table: gr.update(value=sweep_table(frame), visible=True),
                tab.cells: frame[["row", "sparsity"]].to_numpy(object).tolist(),
                tab.progress: panels.notice("Done. Click a row of the table to load its settings."),
            }

        yield from heavy_job(page, tab.progress, work, show, view, values, request)

    return handler


def load_cell(event: gr.SelectData, cells: list[list[Any]], kind: str) -> list[Any]:
    """Put the settings of a clicked row into the tuning bar; anything odd changes nothing."""
    row = event.index[0] if isinstance(event.index, (list, tuple)) and event.index else None
    if not isinstance(row, int) or not 0 <= row < len(cells):
        return [gr.skip()] * len(FIELDS)
    value, sparsity = cells[row]
    found = {"alpha" if kind == "alpha" else "criterion": value, "sparsity": sparsity}
    return [found.get(name, gr.skip()) for _, name in FIELDS]
