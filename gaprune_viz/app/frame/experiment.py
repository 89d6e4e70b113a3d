"""An experiment of many cells on the page: what it will take, start, progress by cell, stop, and cells as they come.

A tab that offers one says how its controls describe it (`Described`) and what is shown when it is done; which
experiments there are is a list of `experiments.registry`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from gaprune_viz.app.frame.long_work import Stopped, begin, steps, stopping, watched
from gaprune_viz.app.session.access import visitor
from gaprune_viz.app.session.store import STORE
from gaprune_viz.app.widgets.elements import html
from gaprune_viz.app.widgets.events import HEAVY, Changes, Steps, Values, listener
from gaprune_viz.config import ExecutorSpec, ModelSpec, Spec
from gaprune_viz.config.fields import field_info
from gaprune_viz.errors import Cancelled, GapruneError
from gaprune_viz.experiments.cost_estimate import Foreseen
from gaprune_viz.figures.kit import panels
from gaprune_viz.figures.kit.progress import progress_html
from gaprune_viz.jobs import process
from gaprune_viz.jobs.experiment_process import Finished, experiment
from gaprune_viz.jobs.watched_work import Report, Work, driven

# A table is sent anew as a whole.
DRAW_SECONDS = 2.0
STOPPED = "Stopped. Finished cells are kept: started again under the same name, it goes on where it was."


@dataclass(frozen=True)
class ExperimentPanel:
    """The components that any experiment has."""

    jobs: gr.Number
    estimate: gr.Button
    run: gr.Button
    stop: gr.Button
    progress: gr.HTML
    cells: gr.Dataframe


@dataclass(frozen=True)
class Described:
    """What a page asks for.

    Attributes:
        spec: what determines the experiment.
        model: that it loads.
        folder: where it is kept.
    """

    spec: Spec
    model: ModelSpec
    folder: Path


def build_experiment(name: str, label: str) -> ExperimentPanel:
    """Lay the buttons and what they fill out.

    Args:
        name: of the experiment in the registry; part of the elements' ids.
        label: what the button says.
    """
    info = field_info(ExecutorSpec, "jobs")
    with gr.Row(elem_classes=["gv-actions"]):
        jobs = gr.Number(
            info["default"],
            label=info["label"],
            info="Cells at once, each in its own process. Where the server has a cluster, it runs there instead.",
            precision=0,
            minimum=info["minimum"],
            maximum=info["maximum"],
            elem_id=f"gv-{name}-jobs",
            min_width=220,
        )
        estimate = gr.Button("What will it take?", elem_id=f"gv-{name}-estimate", min_width=150)
        run = gr.Button(label, variant="primary", elem_id=f"gv-{name}-run", min_width=150)
        stop = gr.Button("Stop", variant="stop", elem_id=f"gv-{name}-stop", min_width=90)
    progress = html("", elem_id=f"gv-{name}-progress")
    cells = gr.Dataframe(visible=False, interactive=False, label="Finished cells", elem_id=f"gv-{name}-cells")
    return ExperimentPanel(jobs, estimate, run, stop, progress, cells)


def wire_experiment(
    panel: ExperimentPanel,
    name: str,
    describe: Callable[[Values], Described],
    reads: Iterable[Any],
    finished: Callable[[Path], Changes],
    writes: Iterable[Any],
) -> None:
    """Connect the buttons.

    Args:
        describe: the experiment that the page asks for; may raise `GapruneError`.
        reads: the components whose values it needs.
        finished: what becomes of the tab when it is done; may name `writes`.
    """
    asked, shown = [*reads, panel.jobs], [panel.progress, panel.cells]
    panel.estimate.click(**listener(estimating(panel, name, describe), asked, [panel.progress], HEAVY))
    panel.run.click(**listener(running(panel, name, describe, finished), asked, [*shown, *writes], HEAVY))
    panel.stop.click(**stopping())


def executor_of(panel: ExperimentPanel, values: Values) -> ExecutorSpec:
    """Where the cells are measured: on the server's cluster where it has one.

    Raises:
        GapruneError: this page runs no experiments, or there is no such number of jobs.
    """
    access = visitor().access.spec
    if access.public:
        raise GapruneError(
            "This public page runs no experiments of its own.", "Run gaprune-viz yourself, and open the result here."
        )
    return ExecutorSpec.parse({"cluster": access.cluster} if access.cluster else {"jobs": values[panel.jobs] or 1})


def estimating(panel: ExperimentPanel, name: str, describe: Callable[[Values], Described]) -> Callable[..., Steps]:
    """Say what the experiment that the page asks for will take."""

    def handler(values: Values, request: gr.Request) -> Steps:
        flag = begin(request)
        yield {panel.progress: progress_html("Estimating", None)}
        try:
            executor, asked = executor_of(panel, values), describe(values)

            def work(report: Report, stopped: Stopped) -> Foreseen:
                STORE.check_model(asked.model)
                given = {"name": name, "spec": asked.spec.model_dump(mode="json")}
                return driven(process.lasting("experiment_plan", given, stopped), report, stopped)[0]

            found = yield from steps(watched(work, flag), flag, panel.progress)
            yield {panel.progress: panels.notice(found.sentence(0 if executor.cluster else executor.jobs))}
        except Cancelled:
            yield {panel.progress: panels.notice("Stopped.")}
        except GapruneError as error:
            yield {panel.progress: panels.error_card(error.message, error.hint)}

    return handler


def running(
    panel: ExperimentPanel,
    name: str,
    describe: Callable[[Values], Described],
    finished: Callable[[Path], Changes],
) -> Callable[..., Steps]:
    """Run it, and show its cells as they come; whatever happens, those that are finished are kept."""

    def handler(values: Values, request: gr.Request) -> Steps:
        flag = begin(request)
        yield {panel.progress: progress_html("Starting", None)}
        last: Callable[[], Changes] = dict
        try:
            executor, asked = executor_of(panel, values), describe(values)
            last = _cells(panel, name, asked.folder)
            live = _now_and_then(last)
            yield from steps(watched(_work(name, asked, executor), flag), flag, panel.progress, live)
            yield {**last(), panel.progress: panels.notice("Done."), **finished(asked.folder)}
        except Cancelled:
            yield {**last(), panel.progress: panels.notice(STOPPED)}
        except GapruneError as error:
            yield {**last(), panel.progress: panels.error_card(error.message, error.hint)}

    return handler


def _work(name: str, asked: Described, executor: ExecutorSpec) -> Work[None]:
    def work(report: Report, stopped: Stopped) -> None:
        STORE.check_model(asked.model)
        driven(experiment(name, asked.spec, asked.folder, executor, stopped), report, stopped)

    return work


def _cells(panel: ExperimentPanel, name: str, folder: Path) -> Callable[[], Changes]:
    """The finished cells, where there are new ones."""
    known = Finished(name, folder)

    def drawn() -> Changes:
        return {panel.cells: gr.update(value=known.table(), visible=True)} if known.news() else {}

    return drawn


def _now_and_then(drawn: Callable[[], Changes]) -> Callable[[], Changes]:
    """The same every other second, and nothing in between."""
    last = 0.0

    def live() -> Changes:
        nonlocal last
        if time.monotonic() - last < DRAW_SECONDS:
            return {}
        last = time.monotonic()
        return drawn()

    return live
