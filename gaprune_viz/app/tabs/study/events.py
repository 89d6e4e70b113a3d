"""What the Study tab does: run a study, open one, walk through it, load a row's settings."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.experiment import wire_experiment
from gaprune_viz.app.frame.tab import Wiring
from gaprune_viz.app.frame.updates import knobs
from gaprune_viz.app.tabs.study.finished_studies import STUDIES, place_of, study_choices
from gaprune_viz.app.tabs.study.layout import StudyTab
from gaprune_viz.app.tabs.study.run_panel import described
from gaprune_viz.app.tabs.study.walk import FIRST, STOPS, stop_of, table_of
from gaprune_viz.app.widgets.events import CARRIES, Changes, listener
from gaprune_viz.config import RefitSpec, Settings
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.study.document import open_study
from gaprune_viz.experiments.study.plan import REFITTED, row_settings
from gaprune_viz.figures.kit import panels


def wire(tab: StudyTab, page: Wiring) -> None:
    """Connect what opens a study, the walk, and the table."""
    asked = [tab.pick, tab.upload, tab.step]
    showing = listener(
        lambda values: show(tab, values[tab.pick], values[tab.upload], values[tab.step]), asked, tab.opened
    )
    tab.pick.focus(**listener(lambda: {tab.pick: gr.update(choices=study_choices())}, (), [tab.pick]))
    for chosen, other, opening in (
        (tab.pick.input, tab.upload, lambda values: show(tab, values[tab.pick], None, FIRST)),
        (tab.upload.upload, tab.pick, lambda values: show(tab, None, values[tab.upload], FIRST)),
    ):
        read = tab.pick if other is tab.upload else tab.upload
        chosen(**listener(opening, [read], tab.opened)).then(**listener(lambda other=other: {other: None}, (), [other]))
    tab.step.input(**showing)
    for button, by in ((tab.back, -1), (tab.ahead, 1)):
        moving = listener(lambda values, by=by: {tab.step: moved(values[tab.step], by)}, [tab.step], [tab.step])
        button.click(**moving).then(**showing)
    _wire_rows(tab, page)
    _wire_running(tab, page)


def _wire_running(tab: StudyTab, page: Wiring) -> None:
    """Run a study, and open it when it is done."""
    panel, frame = tab.running, page.frame

    def finished(folder: Path) -> Changes:
        name = STUDIES.id_of(folder.name)
        return {tab.pick: gr.update(choices=study_choices(), value=name), **show(tab, name, None, FIRST)}

    reads = [*panel.all, *frame.sidebar.all]
    writes = [tab.pick, *tab.opened]
    wire_experiment(panel.experiment, "study", lambda values: described(panel, frame, values), reads, finished, writes)


def _wire_rows(tab: StudyTab, page: Wiring) -> None:
    frame = page.frame

    def row(event: gr.SelectData) -> Changes:
        return load_row(frame, event)

    loaded = tab.table.select(**listener(row, (), frame.tuning.all, CARRIES))
    loaded.then(**knobs(frame)).then(**page.refresh)


def show(tab: StudyTab, name: str | None, upload: str | None, step: str) -> Changes:
    """A study at one stop of the walk; the uploaded one where there is one."""
    try:
        if upload:
            document = open_study(Path(upload))
        elif name:
            document = open_study(place_of(name))
        else:
            return _nothing(tab, panels.empty_state("No study opened", "Choose one above, or open a study.json."))
        label = step if step in STOPS else FIRST
        text, left, right = stop_of(document, label)
        table = table_of(document)
    except GapruneError as error:
        return _nothing(tab, panels.error_card(error.message, error.hint))
    place = list(STOPS).index(label)
    return {
        tab.step: gr.update(value=label, visible=True),
        tab.back: gr.update(visible=True, interactive=place > 0),
        tab.ahead: gr.update(visible=True, interactive=place < len(STOPS) - 1),
        tab.text: text,
        tab.left: gr.update(value=left, visible=left is not None),
        tab.right: gr.update(value=right, visible=right is not None),
        tab.table: gr.update(value=table, visible=True),
    }


def _nothing(tab: StudyTab, text: str) -> Changes:
    return {**dict.fromkeys(tab.opened, gr.update(visible=False)), tab.text: text}


def moved(step: str, by: int) -> str:
    """The stop before or after."""
    labels = list(STOPS)
    place = labels.index(step) if step in STOPS else 0
    return labels[min(max(place + by, 0), len(labels) - 1)]


def load_row(frame: Frame, event: gr.SelectData) -> Changes:
    """Put the settings of a clicked row into the tuning bar; a dense row or anything odd changes nothing."""
    try:
        return frame.tuning.set(settings_of_row(event))
    except (GapruneError, ValueError, TypeError, AttributeError):
        return {}


def settings_of_row(event: gr.SelectData) -> Settings:
    """The settings of a clicked row.

    Raises:
        GapruneError, ValueError, TypeError, AttributeError: it is none that has settings.
    """
    # The row itself and not its place: the table may be sorted or filtered.
    part, name, sparsity, *_ = map(str, event.row_value)
    base, _, moved_constant = name.partition(", ")
    plain = base.removesuffix(REFITTED)
    settings = row_settings(plain, round(float(sparsity.rstrip("% \u202f\u00a0")) / 100, 4))
    if plain != base:
        settings = settings.with_(refit=RefitSpec(refit=True))
    if part == "ablation" and moved_constant:
        constant, value = moved_constant.split(" ")
        settings = settings.with_(score=settings.score.with_(**{constant: float(value)}))
    return settings
