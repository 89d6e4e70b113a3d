"""What the Study tab does: open a study, walk through it, load a row's settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from gaprune_viz.app.access import visitor
from gaprune_viz.app.tabs.study import FIRST, STOPS, stop_of, table_of
from gaprune_viz.app.tuning import FIELDS, values_of
from gaprune_viz.errors import GapruneError
from gaprune_viz.figures import panels
from gaprune_viz.paths import assets
from gaprune_viz.study.document import STUDY_FILE, open_study
from gaprune_viz.study.plan import row_settings
from gaprune_viz.workspace import workspace

if TYPE_CHECKING:
    from gaprune_viz.app.page import Page

BUNDLED, OWN = "bundled:", "own:"
STUDY_ID = re.compile(r"study-[A-Za-z0-9_.-]{1,64}")
LABELS = {"chebi": "ChEBI terms (bundled)", "chemistry": "Chemistry (bundled)", "finance": "Finance (bundled)"}


def study_choices() -> list[tuple[str, str]]:
    """(label, id) of the studies that this visitor may open: the bundled ones, and on a private page those in the
    workspace."""
    folder = assets() / "study"
    found = [(LABELS.get(p.stem, p.stem), BUNDLED + p.stem) for p in sorted(folder.glob("*.json"))]
    if not visitor().public:
        own = (p for p in sorted(workspace().glob("study-*")) if (p / STUDY_FILE).is_file())
        found += [(p.name.removeprefix("study-"), OWN + p.name) for p in own if STUDY_ID.fullmatch(p.name)]
    return found


def place_of(name: str) -> Path:
    """The file or folder behind an id.

    Raises:
        GapruneError: there is none, or it is not this visitor's to open.
    """
    known = {value for _, value in study_choices()}
    if name not in known:
        raise GapruneError("That study is not here, or no longer.", "Choose another, or open its study.json.")
    if name.startswith(BUNDLED):
        return assets() / "study" / f"{name.removeprefix(BUNDLED)}.json"
    return workspace() / name.removeprefix(OWN)


def study_outputs(page: Page) -> list[Any]:
    """What another study, or another stop of the walk, changes."""
    tab = page.study
    return [tab.step, tab.back, tab.ahead, tab.text, tab.left, tab.right, tab.table]


def refresh_choices() -> Any:
    """The list as it is now."""
    return gr.update(choices=study_choices())


def show(name: str | None, upload: str | None, step: str) -> list[Any]:
    """A study at one stop of the walk; the uploaded one where there is one."""
    try:
        if upload:
            document = open_study(Path(upload))
        elif name:
            document = open_study(place_of(name))
        else:
            return _nothing(panels.empty_state("No study opened", "Choose one above, or open a study.json."))
        label = step if step in STOPS else FIRST
        text, left, right = stop_of(document, label)
        table = table_of(document)
    except GapruneError as error:
        return _nothing(panels.error_card(error.message, error.hint))
    place = list(STOPS).index(label)
    return [
        gr.update(value=label, visible=True),
        gr.update(visible=True, interactive=place > 0),
        gr.update(visible=True, interactive=place < len(STOPS) - 1),
        text,
        gr.update(value=left, visible=left is not None),
        gr.update(value=right, visible=right is not None),
        gr.update(value=table, visible=True),
    ]


def _nothing(text: str) -> list[Any]:
    hidden = gr.update(visible=False)
    return [hidden, hidden, hidden, text, hidden, hidden, hidden]


def moved(step: str, by: int) -> str:
    """The stop before or after."""
    labels = list(STOPS)
    place = labels.index(step) if step in STOPS else 0
    return labels[min(max(place + by, 0), len(labels) - 1)]


def load_row(event: gr.SelectData) -> list[Any]:
    """Put the settings of a clicked row into the tuning bar; a dense row or anything odd changes nothing."""
    skip = [gr.skip()] * len(FIELDS)
    try:
        # The row itself and not its place: the table may be sorted or filtered.
        part, name, sparsity, *_ = map(str, event.row_value)
        base, _, moved_constant = name.partition(", ")
        settings = row_settings(base, round(float(sparsity.rstrip("% \u202f\u00a0")) / 100, 4))
        if part == "ablation" and moved_constant:
            constant, value = moved_constant.split(" ")
            settings = settings.with_(score=settings.score.with_(**{constant: float(value)}))
    except (GapruneError, ValueError, TypeError, AttributeError):
        return skip
    return values_of(settings)


def wire_study(page: Page, light: dict[str, Any], carries: dict[str, Any]) -> Any:
    """Connect the tab; the returned event loads settings, and whatever follows settings can follow it.

    Args:
        light, carries: options of an event that answers at once, and of one that carries data of its own.
    """
    tab = page.study
    outputs = study_outputs(page)
    inputs = [tab.pick, tab.upload, tab.step]
    tab.pick.focus(refresh_choices, None, tab.pick, **light)
    tab.pick.input(lambda name: show(name, None, FIRST), [tab.pick], outputs, **light).then(
        lambda: None, None, tab.upload, **light
    )
    tab.upload.upload(lambda path: show(None, path, FIRST), [tab.upload], outputs, **light).then(
        lambda: None, None, tab.pick, **light
    )
    tab.step.input(show, inputs, outputs, **light)
    tab.back.click(lambda step: moved(step, -1), [tab.step], tab.step, **light).then(show, inputs, outputs, **light)
    tab.ahead.click(lambda step: moved(step, 1), [tab.step], tab.step, **light).then(show, inputs, outputs, **light)
    return tab.table.select(load_row, None, list(page.tuning.controls), **carries)
