"""The frontier panel: quality against time and size, read from what `gaprune-viz frontier` has measured."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from gaprune_viz.app.frame.tab import Wiring
from gaprune_viz.app.session.access import visitor
from gaprune_viz.app.session.runs import run_choices
from gaprune_viz.app.widgets.elements import html, with_files
from gaprune_viz.app.widgets.events import Changes, Values, listener
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.frontier.document import COMMAND, FRONTIER_FILE, open_frontier
from gaprune_viz.figures.experiments.frontier_plot import frontier_figure, frontier_sentences, frontier_table
from gaprune_viz.figures.kit import panels
from gaprune_viz.figures.weights.structures import LOADS
from gaprune_viz.storage.paths import assets
from gaprune_viz.storage.workspace import workspace

BUNDLED, RUN, OWN = "bundled:", "run:", "own:"
FRONTIER_ID = re.compile(r"frontier-[A-Za-z0-9_.-]{1,64}")
IN_RUN = "frontier"
EMPTY = panels.empty_state(
    "No frontier measured yet",
    f"In a shell: {COMMAND}, with the folder of a run. It cuts, quantises and prunes the model in several ways and "
    "measures quality, time and size of all of them side by side, which takes some minutes; then choose it here.",
)


@dataclass(frozen=True)
class FrontierPanel:
    """The components that handlers read and write."""

    pick: gr.Dropdown
    load: gr.Radio
    text: gr.HTML
    figure: gr.Plot
    table: gr.Dataframe

    @property
    def drawn(self) -> list[Any]:
        return [self.text, self.figure, self.table]


def build_frontier() -> FrontierPanel:
    """Lay the panel out; what there is to choose depends on who opens the tab."""
    gr.Markdown(
        "### Quality against time and size\n\nWhole neurons or layers cut out, zeros, int8 and static vectors beside "
        "the dense model: what smaller models give for the time and room that they take, on one machine in one run."
    )
    with gr.Row():
        pick = gr.Dropdown([], value=None, label="Frontier", elem_id="gv-frontier-pick", min_width=260, scale=2)
        load = gr.Radio(
            [(label[0].upper() + label[1:], name) for name, label in LOADS.items()],
            value=next(iter(LOADS)),
            label="Time of",
            elem_id="gv-frontier-load",
            min_width=320,
            scale=3,
        )
    text = html(EMPTY, elem_id="gv-frontier-text")
    figure = gr.Plot(visible=False, show_label=False, elem_id="gv-frontier-figure")
    table = with_files(
        gr.Dataframe(visible=False, interactive=False, wrap=True, label="Every model", elem_id="gv-frontier-table"),
        "frontier",
    )
    return FrontierPanel(pick, load, text, figure, table)


def wire_frontier(panel: FrontierPanel, page: Wiring) -> None:
    """Connect the picker and the workload."""
    drawing = listener(lambda values: draw(panel, values), [panel.pick, panel.load], panel.drawn)
    gr.on([panel.pick.input, panel.load.input], **drawing)
    listing = listener(lambda values: offered(panel, values), [panel.pick], [panel.pick])
    page.tab.select(**listing).then(**drawing)
    panel.pick.focus(**listener(lambda: {panel.pick: gr.update(choices=frontier_choices())}, (), [panel.pick]))


def offered(panel: FrontierPanel, values: Values) -> Changes:
    """What can be chosen now; the first of it where nothing is chosen."""
    choices = frontier_choices()
    known = [name for _, name in choices]
    chosen = values[panel.pick] if values[panel.pick] in known else (known[0] if known else None)
    return {panel.pick: gr.update(choices=choices, value=chosen)}


def draw(panel: FrontierPanel, values: Values) -> Changes:
    """The chosen frontier."""
    if not values[panel.pick]:
        return _nothing(panel, EMPTY)
    try:
        document = open_frontier(place_of(str(values[panel.pick])))
        load = values[panel.load]
        if load not in document["rows"][0]["milliseconds"]:
            raise GapruneError("This frontier was not timed with such texts.", "Choose another workload.")
    except GapruneError as error:
        return _nothing(panel, panels.error_card(error.message, error.hint))
    return {
        panel.text: panels.sentence_list(frontier_sentences(document, load)),
        panel.figure: gr.update(value=frontier_figure(document, load), visible=True),
        panel.table: gr.update(value=frontier_table(document, load), visible=True),
    }


def _nothing(panel: FrontierPanel, text: str) -> Changes:
    hidden = gr.update(visible=False)
    return {panel.text: text, panel.figure: hidden, panel.table: hidden}


def frontier_choices() -> list[tuple[str, str]]:
    """(label, id) of the frontiers that this visitor may open: the bundled ones, those beside the analyses on the list,
    and on a private page those in the workspace."""
    found = [(f"{p.stem} (bundled)", BUNDLED + p.stem) for p in sorted((assets() / IN_RUN).glob("*.json"))]
    for label, name in run_choices():
        if (visitor().folder(name) / IN_RUN / FRONTIER_FILE).is_file():
            found.append((f"Run {label}", RUN + name))
    if not visitor().public:
        own = (p for p in sorted(workspace().glob("frontier-*")) if (p / FRONTIER_FILE).is_file())
        found += [(p.name.removeprefix("frontier-"), OWN + p.name) for p in own if FRONTIER_ID.fullmatch(p.name)]
    return found


def place_of(name: str) -> Path:
    """The file or folder behind an id.

    Raises:
        GapruneError: there is none, or it is not this visitor's to open.
    """
    if name not in {value for _, value in frontier_choices()}:
        raise GapruneError("That frontier is not here, or no longer.", "Choose another.")
    if name.startswith(BUNDLED):
        return assets() / IN_RUN / f"{name.removeprefix(BUNDLED)}.json"
    if name.startswith(RUN):
        return visitor().folder(name.removeprefix(RUN)) / IN_RUN
    return workspace() / name.removeprefix(OWN)
