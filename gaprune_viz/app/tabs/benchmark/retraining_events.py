"""What the retraining panel does: retrain, draw the curves while they grow, keep the model for a benchmark."""

from __future__ import annotations

import time
from collections.abc import Callable

import gradio as gr

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.long_work import Stopped, asked, heavy_job
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View
from gaprune_viz.app.tabs.benchmark.layout import BenchmarkTab
from gaprune_viz.app.tabs.benchmark.retraining_panel import RetrainPanel, spec_from
from gaprune_viz.app.widgets.events import Changes, Steps, Values
from gaprune_viz.config import RetrainSpec, Settings
from gaprune_viz.figures.experiments.retraining import loss_figure, quality_figure, retraining_table
from gaprune_viz.figures.kit import panels
from gaprune_viz.jobs.watched_work import Report
from gaprune_viz.jobs.works.benchmarking import Curves, Retrained

# A plot is drawn anew as a whole: more often would only flicker.
DRAW_SECONDS = 2.0
PARTIAL = "Stopped. The curves show how far it came; the model of this run is dropped."


def run_retraining(tab: BenchmarkTab, frame: Frame) -> Callable[..., Steps]:
    """Retrain the pruned model, and the dense one as its control."""
    panel = tab.training

    def handler(values: Values, request: gr.Request) -> Steps:
        heard: list[Curves] = []
        spec: list[RetrainSpec] = []
        last = [0.0, 0]

        def work(_: View, analysis: Analysis, settings: Settings, report: Report, stopped: Stopped) -> Retrained:
            spec.append(spec_from(panel, values))
            source, control = STORE.check_task(values[frame.collection]), bool(values[panel.control])
            given = {"spec": spec[0].model_dump(mode="json"), "source": source, "control": control}
            return asked("retrain", analysis, settings, report, stopped, heard=heard.append, **given)

        def live() -> Changes:
            if len(heard) == last[1] or time.monotonic() - last[0] < DRAW_SECONDS:
                return {}
            last[:] = [time.monotonic(), len(heard)]
            return drawn(panel, heard[-1], spec[0].steps)

        def show(found: Retrained) -> Changes:
            return {
                **drawn(panel, found.curves, spec[0].steps),
                panel.table: gr.update(value=retraining_table(found.table), visible=True),
                panel.kept: found.kept,
                tab.retrained: gr.update(interactive=True, value=True),
                panel.progress: panels.notice("Done. A benchmark can now run with the retrained model, too."),
            }

        yield from heavy_job(frame, panel.progress, work, show, values, request, live=live, stopped=PARTIAL)

    return handler


def drawn(panel: RetrainPanel, found: Curves, steps: int) -> Changes:
    """Both curves of a retraining, as far as they are."""
    return {
        panel.loss: gr.update(value=loss_figure(found.curves, steps), visible=True),
        panel.quality: gr.update(value=quality_figure(found.curves, steps, found.dense), visible=True),
    }
