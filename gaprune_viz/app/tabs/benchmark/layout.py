"""Benchmark: mteb tasks, dense beside pruned and retrained; retraining itself, with a live curve; and frontiers."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.session.view import Shown
from gaprune_viz.app.tabs.benchmark.frontier_panel import FrontierPanel, build_frontier
from gaprune_viz.app.tabs.benchmark.retraining_panel import RetrainPanel, build_retraining
from gaprune_viz.app.tabs.benchmark.task_picker import LONGEST_NAMES
from gaprune_viz.app.widgets.elements import html, with_files
from gaprune_viz.config import STARTER_DOMAINS
from gaprune_viz.evaluation.mteb.catalogue import GROUPS, STARTER_PREFIX


@dataclass(frozen=True)
class BenchmarkTab:
    """The components that handlers read and write.

    Attributes:
        groups: one picker for each group of tasks. own: names typed by hand.
    """

    groups: tuple[gr.CheckboxGroup | gr.Dropdown, ...]
    own: gr.Textbox
    retrained: gr.Checkbox
    estimate: gr.HTML
    run: gr.Button
    stop: gr.Button
    progress: gr.HTML
    figure: gr.Plot
    table: gr.Dataframe
    csv: gr.DownloadButton
    training: RetrainPanel
    frontier: FrontierPanel

    @property
    def pickers(self) -> list[gr.CheckboxGroup | gr.Dropdown | gr.Textbox]:
        """All that says which tasks, in the order of `chosen_tasks`."""
        return [*self.groups, self.own]


def build(frame: Frame, shown: Shown) -> BenchmarkTab:
    """Lay the tab out; table and figures appear as results come in."""
    domain = shown.now.analysis.run.calibration.domain
    gr.Markdown(
        "mteb evaluates the dense model and the one pruned as the tuning bar says. A difference comes with its 95 % "
        "interval where the task is a search."
    )
    starters, *hubs = GROUPS
    chosen = [f"{STARTER_PREFIX}{name}" for name in dict.fromkeys([domain, "general"]) if name in STARTER_DOMAINS]
    with gr.Row():
        groups: list[gr.CheckboxGroup | gr.Dropdown] = [
            gr.CheckboxGroup(
                [(task.label, task.name) for task in starters.tasks],
                value=chosen,
                label=starters.label,
                elem_id="gv-bench-starter",
                min_width=300,
            )
        ]
        own = gr.Textbox(
            label="Your own",
            info="BEIR folders, ontology:chebi, or names of tasks in mteb; separated by commas.",
            elem_id="gv-bench-own",
            max_length=LONGEST_NAMES,
            min_width=300,
        )
    with gr.Accordion("Tasks of the Hugging Face Hub (they need a network once)", open=False):
        groups += [
            gr.Dropdown(
                [(f"{task.label} · {task.kind}", task.name) for task in group.tasks],
                multiselect=True,
                label=f"{group.label}: {len(group.tasks)} tasks",
                elem_id=f"gv-bench-{group.key}",
            )
            for group in hubs
        ]
    estimate = html("", elem_id="gv-bench-estimate")
    with gr.Row(elem_classes=["gv-actions"]):
        run = gr.Button("Run the benchmark", variant="primary", elem_id="gv-bench-run", min_width=170)
        stop = gr.Button("Stop", variant="stop", elem_id="gv-bench-stop", min_width=90)
        retrained = gr.Checkbox(
            False,
            label="With the retrained model",
            info="The one from the panel below.",
            interactive=False,
            elem_id="gv-bench-retrained",
            min_width=220,
        )
    progress = html("", elem_id="gv-bench-progress")
    figure = gr.Plot(visible=False, show_label=False, elem_id="gv-bench-figure")
    table = with_files(
        gr.Dataframe(visible=False, interactive=False, label="Scores", elem_id="gv-bench-table"), "benchmark"
    )
    csv = gr.DownloadButton("Scores as CSV", visible=False, elem_id="gv-bench-csv", size="sm")
    panels = build_retraining(), build_frontier()
    return BenchmarkTab(tuple(groups), own, retrained, estimate, run, stop, progress, figure, table, csv, *panels)
