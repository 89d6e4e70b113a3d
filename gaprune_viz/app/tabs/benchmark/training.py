"""What the retraining panel does: retrain, draw the curves while they grow, keep the model for a benchmark."""

from __future__ import annotations

import time
from collections.abc import Callable

import gradio as gr

from gaprune_viz.analysis.opening import Analysis
from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.work import Stopped, heavy_job
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.session.view import View
from gaprune_viz.app.tabs.benchmark.layout import BenchmarkTab
from gaprune_viz.app.tabs.benchmark.retraining import RetrainPanel, spec_from
from gaprune_viz.app.widgets.events import Changes, Steps, Values
from gaprune_viz.config import STARTER_DOMAINS, RetrainSpec, Settings
from gaprune_viz.data.triplets import calibration_triplets
from gaprune_viz.evaluation.tasks import RetrievalTask
from gaprune_viz.experiments.retraining_trial import DENSE, Trial, try_retraining
from gaprune_viz.figures.experiments.retraining import loss_figure, quality_figure, retraining_table
from gaprune_viz.figures.kit import panels
from gaprune_viz.jobs.watching import Report, driven

# A plot is drawn anew as a whole: more often would only flicker.
DRAW_SECONDS = 2.0
PARTIAL = "Stopped. The curves show how far it came; the model of this run is dropped."


def run_retraining(tab: BenchmarkTab, frame: Frame) -> Callable[..., Steps]:
    """Retrain the pruned model, and the dense one as its control."""
    panel = tab.training

    def handler(values: Values, request: gr.Request) -> Steps:
        trial, tasks = Trial(), dict[str, RetrievalTask]()
        spec: list[RetrainSpec] = []
        last = [0.0, ""]

        def work(_: View, analysis: Analysis, settings: Settings, report: Report, stopped: Stopped) -> str:
            spec.append(spec_from(panel, values))
            tasks.update(tasks_of(analysis, values[frame.collection]))
            model = STORE.dense(analysis)
            report("Reading the triplets", 0, 0)
            triplets = calibration_triplets(analysis.run.calibration, "domain", model.directions).triplets
            report("Making the exact mask", 0, 0)
            made, targets = STORE.pruned(analysis, settings, report, stopped), STORE.scope(analysis)[1]
            control = bool(values[panel.control])
            given = (triplets, spec[0], tasks, STORE.disk)
            steps = try_retraining(trial, model, targets, made.masks, *given, weights=made.weights, control=control)
            driven(steps, report, stopped)
            assert trial.model is not None
            return STORE.keep_retrained(analysis, settings, trial.model)

        def live() -> Changes:
            state = str(sum(len(c.losses) + 1000 * len(c.points) for c in trial.curves.values()))
            if not trial.curves or state == last[1] or time.monotonic() - float(last[0]) < DRAW_SECONDS:
                return {}
            last[:] = [time.monotonic(), state]
            return drawn(panel, trial, spec[0].steps)

        def show(kept: str) -> Changes:
            return {
                **drawn(panel, trial, spec[0].steps),
                panel.table: gr.update(value=retraining_table(trial.table(tasks)), visible=True),
                panel.kept: kept,
                tab.retrained: gr.update(interactive=True, value=True),
                panel.progress: panels.notice("Done. A benchmark can now run with the retrained model, too."),
            }

        yield from heavy_job(frame, panel.progress, work, show, values, request, live=live, stopped=PARTIAL)

    return handler


def tasks_of(analysis: Analysis, source: str) -> dict[str, RetrievalTask]:
    """What is measured on the way: the task of the Retrieval tab, and general knowledge."""
    general = analysis.run.calibration.general
    other = general if general in STARTER_DOMAINS else "general"
    return {"domain": STORE.task(source), **({} if other == source else {"general": STORE.task(other)})}


def drawn(panel: RetrainPanel, trial: Trial, steps: int) -> Changes:
    """Both curves of a trial, as far as they are."""
    curves = trial.documents()
    dense = {side: found.means["ndcg_at_10"] for side, found in trial.evaluations.get(DENSE, {}).items()}
    return {
        panel.loss: gr.update(value=loss_figure(curves, steps), visible=True),
        panel.quality: gr.update(value=quality_figure(curves, steps, dense), visible=True),
    }
