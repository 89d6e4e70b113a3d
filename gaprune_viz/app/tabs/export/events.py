"""What the Export tab does on a click: write the pruned model, measure its speed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.long_work import asked, heavy_job, heavy_listener, stopping
from gaprune_viz.app.frame.tab import Wiring
from gaprune_viz.app.session.downloads import new_zip
from gaprune_viz.app.session.view import View
from gaprune_viz.app.tabs.export.layout import ExportTab
from gaprune_viz.app.widgets.events import Changes, Steps, Values
from gaprune_viz.config import Settings
from gaprune_viz.figures.kit import panels
from gaprune_viz.figures.latency import speed_html


def wire(tab: ExportTab, page: Wiring) -> None:
    """Connect the buttons."""
    frame = page.frame
    making = heavy_listener(frame, export_model(tab, frame), tab.progress, (), [tab.model])
    tab.make.click(**making).then(**page.refresh)
    measuring = heavy_listener(frame, measure(tab, frame), tab.progress, (), [tab.speed])
    tab.measure.click(**measuring).then(**page.refresh)
    tab.stop.click(**stopping())


def export_model(tab: ExportTab, frame: Frame) -> Callable[..., Steps]:
    """Write the pruned model and offer it as one file."""

    def handler(values: Values, request: gr.Request) -> Steps:
        def work(shown: View, analysis: Analysis, settings: Settings, report: Any, stopped: Any) -> str:
            return asked("export", analysis, settings, report, stopped, file=new_zip())

        def show(path: str) -> Changes:
            text = "The pruned model is ready to download."
            if frame.tuning.settings(values).structure.whole:
                text = "The smaller model is ready to download: what was cut out is gone, no zeros are left."
            return {tab.model: gr.update(value=path, interactive=True), tab.progress: panels.notice(text)}

        yield from heavy_job(frame, tab.progress, work, show, values, request)

    return handler


def measure(tab: ExportTab, frame: Frame) -> Callable[..., Steps]:
    """Encode the same texts with the dense and the pruned model, in turn."""

    def handler(values: Values, request: gr.Request) -> Steps:
        def work(shown: View, analysis: Analysis, settings: Settings, report: Any, stopped: Any) -> dict[str, Any]:
            return asked("latency", analysis, settings, report, stopped)

        def show(found: dict[str, Any]) -> Changes:
            return {tab.speed: speed_html(found)}

        yield from heavy_job(frame, tab.progress, work, show, values, request)

    return handler
