"""The panel that runs a study: on the model and the data of the sidebar, with rows and sparsities of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.experiment import Described, ExperimentPanel, build_experiment
from gaprune_viz.app.session.access import visitor
from gaprune_viz.app.tabs.study.finished_studies import STUDIES
from gaprune_viz.app.tabs.sweep.plan import numbers
from gaprune_viz.app.widgets.events import Values
from gaprune_viz.config import StudySpec, task_source
from gaprune_viz.config.fields import field_info
from gaprune_viz.config.presets import PRESETS
from gaprune_viz.criteria.registry import criteria
from gaprune_viz.storage.workspace import workspace

ROWS = ("magnitude", "obd_joint", "paper", "balanced")
SPARSITIES = "0.5, 0.7"


@dataclass(frozen=True)
class RunningPanel:
    """The components that describe a study, and those of any experiment."""

    name: gr.Textbox
    task: gr.Textbox
    general_task: gr.Textbox
    rows: gr.CheckboxGroup
    sparsities: gr.Textbox
    retrained: gr.Checkbox
    ablation: gr.Checkbox
    experiment: ExperimentPanel

    @property
    def all(self) -> list[Any]:
        """What describes a study, beside the sidebar."""
        return [
            *(self.name, self.task, self.general_task, self.rows, self.sparsities),
            *(self.retrained, self.ablation),
        ]


def build_running() -> RunningPanel:
    """Lay the panel out, closed."""
    with gr.Accordion("Run a study", open=False, elem_id="gv-study-running"):
        gr.Markdown(
            "With the model, the data, the scope, the samples and the seed of the sidebar. Every finished cell is kept "
            "in the workspace: a study that was stopped goes on under the same name. Keep this page open."
        )
        with gr.Row():
            name = gr.Textbox("mine", label="Name", max_length=64, elem_id="gv-study-name", min_width=140)
            task, general = (_text(field) for field in ("task", "general_task"))
            sparsities = gr.Textbox(
                SPARSITIES, label="Sparsities", max_length=200, elem_id="gv-study-sparsities", min_width=140
            )
        rows = gr.CheckboxGroup(
            [*PRESETS, *((criterion.label, criterion.name) for criterion in _others())],
            value=list(ROWS),
            label="Rows",
            elem_id="gv-study-rows",
        )
        with gr.Row():
            retrained, ablation = (_check(field) for field in ("retrained", "ablation"))
        panel = build_experiment("study", "Run the study")
    return RunningPanel(name, task, general, rows, sparsities, retrained, ablation, panel)


def _others() -> list[Any]:
    """The criteria that are no presets by their name."""
    return [criterion for criterion in criteria().values() if criterion.name not in PRESETS]


def _text(field: str) -> gr.Textbox:
    info = field_info(StudySpec, field)
    return gr.Textbox(
        info["default"],
        label=info["label"],
        max_length=1_024,
        elem_id=f"gv-study-{field.replace('_', '-')}",
        min_width=160,
    )


def _check(field: str) -> gr.Checkbox:
    info = field_info(StudySpec, field)
    return gr.Checkbox(False, label=info["label"], info=info["help"], elem_id=f"gv-study-{field}", min_width=240)


def described(panel: RunningPanel, frame: Frame, values: Values) -> Described:
    """The study that the page asks for.

    Raises:
        GapruneError: a control makes no sense, or names what this visitor may not read.
    """
    folder = STUDIES.folder_of(values[panel.name])
    run = frame.sidebar.run_of(values)
    visitor().check_run(run)
    tasks = {field: str(values[getattr(panel, field)] or "").strip() for field in ("task", "general_task")}
    for source in tasks.values():
        visitor().check_source(task_source(source)[0])
    spec = StudySpec.parse(
        {
            "model": run.model,
            "calibration": run.calibration,
            **tasks,
            "rows": tuple(values[panel.rows] or ()),
            "sparsities": numbers(values[panel.sparsities], "Sparsities"),
            "retrained": bool(values[panel.retrained]),
            "ablation": bool(values[panel.ablation]),
            "sample_sizes": (),
        }
    )
    return Described(spec, run.model, place_of_study(folder))


def place_of_study(folder: str) -> Path:
    """Where a study of the workspace is."""
    return workspace() / folder
