"""What the retraining panel does: retrain, draw the curves while they grow, keep the model for a benchmark."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from gaprune_viz.analysis import Analysis
from gaprune_viz.app import jobs
from gaprune_viz.app.heavy import Changes, Heavy, heavy_job
from gaprune_viz.app.store import STORE
from gaprune_viz.app.tabs.retraining import FIELDS, spec_from
from gaprune_viz.app.views import View
from gaprune_viz.config import STARTER_DOMAINS, RetrainSpec, Settings
from gaprune_viz.data.triplets import calibration_triplets
from gaprune_viz.evaluation.retrieval import RetrievalTask
from gaprune_viz.figures import panels
from gaprune_viz.figures.retraining import loss_figure, quality_figure, retraining_table
from gaprune_viz.trial import DENSE, Trial, try_retraining

if TYPE_CHECKING:
    from gaprune_viz.app.page import Page

# A plot is drawn anew as a whole: more often would only flicker.
DRAW_SECONDS = 2.0
PARTIAL = "Stopped. The curves show how far it came; the model of this run is dropped."


def run_retraining(page: Page) -> Callable[..., Heavy]:
    """Retrain the pruned model, and the dense one as its control."""
    panel = page.benchmark.training
    count = len(FIELDS)

    def handler(request: gr.Request, view: dict[str, Any], source: str, control: bool, *values: Any) -> Heavy:
        trial, tasks = Trial(), dict[str, RetrievalTask]()
        spec: list[RetrainSpec] = []
        last = [0.0, ""]

        def work(_: View, analysis: Analysis, settings: Settings, report: jobs.Report, stopped: Any) -> str:
            spec.append(spec_from(values[:count]))
            tasks.update(tasks_of(analysis, source))
            model = STORE.dense(analysis)
            report("Reading the triplets", 0, 0)
            triplets = calibration_triplets(analysis.run.calibration, "domain", model.encode).triplets
            report("Making the exact mask", 0, 0)
            masks, targets = STORE.masks(analysis, settings).masks, STORE.scope(analysis)[1]
            steps = try_retraining(
                trial, model, targets, masks, triplets, spec[0], tasks, STORE.disk, control=bool(control)
            )
            jobs.driven(steps, report, stopped)
            assert trial.model is not None
            return STORE.keep_retrained(analysis, settings, trial.model)

        def live() -> Changes:
            state = str(sum(len(c.losses) + 1000 * len(c.points) for c in trial.curves.values()))
            if not trial.curves or state == last[1] or time.monotonic() - float(last[0]) < DRAW_SECONDS:
                return {}
            last[:] = [time.monotonic(), state]
            return drawn(page, trial, spec[0].steps)

        def show(kept: str) -> Changes:
            return {
                **drawn(page, trial, spec[0].steps),
                panel.table: gr.update(value=retraining_table(trial.table(tasks)), visible=True),
                panel.kept: kept,
                page.benchmark.retrained: gr.update(interactive=True, value=True),
                panel.progress: panels.notice("Done. A benchmark can now run with the retrained model, too."),
            }

        yield from heavy_job(
            page, panel.progress, work, show, view, values[count:], request, live=live, stopped=PARTIAL
        )

    return handler


def tasks_of(analysis: Analysis, source: str) -> dict[str, RetrievalTask]:
    """What is measured on the way: the task of the Retrieval tab, and general knowledge."""
    general = analysis.run.calibration.general
    other = general if general in STARTER_DOMAINS else "general"
    return {"domain": STORE.task(source), **({} if other == source else {"general": STORE.task(other)})}


def drawn(page: Page, trial: Trial, steps: int) -> Changes:
    """Both curves of a trial, as far as they are."""
    panel, curves = page.benchmark.training, trial.documents()
    dense = {side: found.means["ndcg_at_10"] for side, found in trial.evaluations.get(DENSE, {}).items()}
    return {
        panel.loss: gr.update(value=loss_figure(curves, steps), visible=True),
        panel.quality: gr.update(value=quality_figure(curves, steps, dense), visible=True),
    }
