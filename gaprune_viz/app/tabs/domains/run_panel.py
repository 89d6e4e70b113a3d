"""The panel that runs a transfer map: with the model and the general data of the sidebar, and sources of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.experiment import Described, ExperimentPanel, build_experiment
from gaprune_viz.app.session.access import visitor
from gaprune_viz.app.tabs.domains.finished_maps import MAPS
from gaprune_viz.app.tabs.sweep.plan import numbers
from gaprune_viz.app.widgets.events import Values
from gaprune_viz.config import CalibrationSpec, RefitSpec, RunSpec, Sampling, TransferSpec, task_source
from gaprune_viz.config.fields import field_info
from gaprune_viz.config.presets import PRESETS
from gaprune_viz.criteria.registry import criteria
from gaprune_viz.experiments.transfer.sources import names_of
from gaprune_viz.storage.workspace import workspace

LONGEST = 8_192


@dataclass(frozen=True)
class RunningPanel:
    """The components that describe a map, and those of any experiment."""

    name: gr.Textbox
    sources: gr.Textbox
    criteria: gr.CheckboxGroup
    sparsities: gr.Textbox
    samples: gr.Number
    refit: gr.Checkbox
    control: gr.Checkbox
    experiment: ExperimentPanel

    @property
    def all(self) -> list[Any]:
        """What describes a map, beside the sidebar."""
        described = [self.name, self.sources, self.criteria, self.sparsities, self.samples]
        return [*described, self.refit, self.control]


def build_running() -> RunningPanel:
    """Lay the panel out, closed."""
    with gr.Accordion("Run a transfer map", open=False, elem_id="gv-transfer-running"):
        gr.Markdown(
            "With the model, the scope, the seed and the general data of the sidebar. The samples of each source are "
            "drawn at random; one that is the general data too gives them twice. Every finished cell is kept in the "
            "workspace: a map that was stopped goes on under the same name. Keep this page open."
        )
        with gr.Row():
            name = gr.Textbox("mine", label="Name", max_length=64, elem_id="gv-transfer-name", min_width=140)
            sparsities = gr.Textbox(
                ", ".join(f"{value:g}" for value in field_info(TransferSpec, "sparsities")["default"]),
                label="Sparsities",
                max_length=200,
                elem_id="gv-transfer-sparsities",
                min_width=140,
            )
            samples = _samples()
        sources = gr.Textbox(
            ", ".join(field_info(TransferSpec, "sources")["default"]),
            label=field_info(TransferSpec, "sources")["label"],
            info=field_info(TransferSpec, "sources")["help"],
            max_length=LONGEST,
            elem_id="gv-transfer-sources",
        )
        rows = gr.CheckboxGroup(
            [*PRESETS, *((one.label, one.name) for one in criteria().values() if one.name not in PRESETS)],
            value=list(field_info(TransferSpec, "criteria")["default"]),
            label="Criteria",
            elem_id="gv-transfer-criteria",
        )
        with gr.Row():
            refit, control = (_check(field) for field in ("refit", "control"))
        panel = build_experiment("transfer", "Run the map")
    return RunningPanel(name, sources, rows, sparsities, samples, refit, control, panel)


def _samples() -> gr.Number:
    # Fewer than the sidebar's: starter collections do not hold those of a source that is on both sides.
    info = field_info(CalibrationSpec, "samples")
    return gr.Number(
        TransferSpec().calibration.samples,
        label="Samples per source",
        precision=0,
        minimum=info["minimum"],
        maximum=info["maximum"],
        elem_id="gv-transfer-samples",
        min_width=140,
    )


def _check(field: str) -> gr.Checkbox:
    info = field_info(TransferSpec, field)
    return gr.Checkbox(
        info["default"] is True, label=info["label"], info=info["help"], elem_id=f"gv-transfer-{field}", min_width=240
    )


def described(panel: RunningPanel, frame: Frame, values: Values) -> Described:
    """The map that the page asks for.

    Raises:
        GapruneError: a control makes no sense, or names what this visitor may not read.
    """
    folder = MAPS.folder_of(values[panel.name])
    run = _run(panel, frame, values)
    visitor().check_run(run)
    spec = TransferSpec.parse(
        {
            "model": run.model,
            "calibration": run.calibration,
            "sources": _sources(str(values[panel.sources] or "")),
            "criteria": tuple(values[panel.criteria] or ()),
            "sparsities": numbers(values[panel.sparsities], "Sparsities"),
            "refit": RefitSpec(refit=bool(values[panel.refit])),
            "control": bool(values[panel.control]),
        }
    )
    return Described(spec, run.model, workspace() / folder)


def _run(panel: RunningPanel, frame: Frame, values: Values) -> RunSpec:
    """What all calibrations share: the domain is each source in turn, so that of the sidebar is not read."""
    run, usual = frame.sidebar.run_of(values), CalibrationSpec()
    own = {"domain": usual.domain, "domain_columns": None, "general_columns": None, "sampling": Sampling.RANDOM}
    samples = values[panel.samples] or TransferSpec().calibration.samples
    return run.with_(calibration=run.calibration.with_(**own, samples=samples))


def _sources(text: str) -> tuple[str, ...]:
    """The sources of a list separated by commas.

    Raises:
        GapruneError: this visitor may not read one.
    """
    found = tuple(source for part in text[:LONGEST].split(",") if (source := part.strip()))
    for names in map(names_of, found):
        visitor().check_source(names.triplets)
        visitor().check_source(task_source(names.task)[0])
    return found
