"""What the Export tab does on a click: write the pruned model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from gaprune_viz.analysis import Analysis
from gaprune_viz.app import views
from gaprune_viz.app.heavy import Changes, Heavy, heavy_job
from gaprune_viz.app.tabs.export import exported, zipped
from gaprune_viz.app.views import View
from gaprune_viz.config import Settings
from gaprune_viz.figures import panels

if TYPE_CHECKING:
    from gaprune_viz.app.page import Page


def export_model(page: Page) -> Callable[..., Heavy]:
    """Write the pruned model and offer it as one file."""
    tab = page.export

    def handler(request: gr.Request, view: dict[str, Any], *values: Any) -> Heavy:
        def work(shown: View, analysis: Analysis, settings: Settings, report: Any, stopped: Any) -> str:
            place = exported(views.live(shown, settings), report)
            report("Packing", 0, 0)
            return zipped(place)

        def show(path: str) -> Changes:
            text = "The pruned model is ready to download."
            return {tab.model: gr.update(value=path, interactive=True), tab.progress: panels.notice(text)}

        yield from heavy_job(page, tab.progress, work, show, view, values, request)

    return handler
