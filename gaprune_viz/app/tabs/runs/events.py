"""What the Runs tab does: list, label, delete. Opening one is going to its address."""

from __future__ import annotations

import gradio as gr

from gaprune_viz.app.frame.components import Frame
from gaprune_viz.app.frame.tab import Wiring
from gaprune_viz.app.session import runs
from gaprune_viz.app.session.runs import COLUMNS, run_choices, runs_table, visible_runs
from gaprune_viz.app.tabs.runs.layout import RunsTab
from gaprune_viz.app.widgets.events import CARRIES, ONCE, Changes, Values, listener, script
from gaprune_viz.errors import GapruneError
from gaprune_viz.figures.kit import panels
from gaprune_viz.figures.kit.formatting import count

ID = COLUMNS.index("Id")
OPEN_JS = "(run) => { if (run) gv.go('run=' + run.replace(/^analysis-/, '')); }"
# What the person thought better of is not sent.
SURE_JS = """(...values) => {
  const picked = (value) => typeof value === 'string' && value;
  const sure = !values.some(picked) || confirm('Delete this analysis and its measured results from the disk?');
  return values.map((value) => (picked(value) && !sure ? null : value));
}"""


def wire(tab: RunsTab, page: Wiring) -> None:
    """Connect the list, the name and the note, and the buttons."""
    frame = page.frame
    listing, words = [tab.pick, tab.table], [tab.name, tab.note]
    page.tab.select(**listener(lambda values: opened(tab, frame, values), [tab.pick, frame.view], [*listing, *words]))

    def row(event: gr.SelectData) -> Changes:
        return clicked(tab, event)

    tab.table.select(**listener(row, (), [tab.pick, *words], CARRIES))
    tab.pick.input(**listener(lambda values: chosen(tab, values[tab.pick]), [tab.pick], words))
    tab.open.click(**script(OPEN_JS, tab.pick))
    tab.save.click(**listener(lambda values: save(tab, values), [tab.pick, *words], [tab.said, *listing], ONCE))
    deleting = listener(lambda values: delete(tab, frame, values), [tab.pick, frame.view], [tab.said, *listing], ONCE)
    tab.delete.click(**deleting, js=SURE_JS)


def listed(tab: RunsTab, pick: str | None = None) -> Changes:
    """The picker, and the table of all analyses."""
    known = run_choices()
    kept = pick if pick in [name for _, name in known] else None
    return {tab.pick: gr.update(choices=known, value=kept), tab.table: runs_table()}


def opened(tab: RunsTab, frame: Frame, values: Values) -> Changes:
    """What the tab shows when it is opened: the list, the analysis on screen picked, its name and note."""
    known = {run.id for run in visible_runs()}
    candidates = (values[tab.pick], values[frame.view].get("analysis"))
    wanted = next((name for name in candidates if name in known), None)
    return {**listed(tab, wanted), **chosen(tab, wanted)}


def clicked(tab: RunsTab, event: gr.SelectData) -> Changes:
    """Pick the analysis of a clicked row. The row itself and not its place: the table may be sorted or filtered."""
    sent = getattr(event, "row_value", None)
    row = list(sent) if isinstance(sent, (list, tuple)) else []
    found = next((run.id for run in visible_runs() if [run.id] == row[ID : ID + 1]), None)
    return {tab.pick: found, **chosen(tab, found)} if found else {}


def chosen(tab: RunsTab, pick: str | None) -> Changes:
    """Name and note of the picked analysis."""
    run = next((run for run in visible_runs() if run.id == pick), None)
    return {tab.name: run.name if run else "", tab.note: run.note if run else ""}


def save(tab: RunsTab, values: Values) -> Changes:
    """Keep a name and a note."""
    pick = values[tab.pick]
    try:
        runs.label(_known(pick), values[tab.name] or "", values[tab.note] or "")
        return {tab.said: panels.notice("Saved."), **listed(tab, pick)}
    except GapruneError as error:
        return {tab.said: panels.error_card(error.message, error.hint)}


def delete(tab: RunsTab, frame: Frame, values: Values) -> Changes:
    """Delete the picked analysis; nothing is picked where the person thought better of it."""
    pick = values[tab.pick]
    if not pick:
        return {}
    try:
        if pick == values[frame.view].get("analysis"):
            raise GapruneError("That analysis is on screen.", "Open another one first.")
        size = runs.delete(_known(pick))
        freed = f"; {count(size)}B are free again" if size else ""
        return {tab.said: panels.notice(f"Deleted{freed}."), **listed(tab)}
    except GapruneError as error:
        return {tab.said: panels.error_card(error.message, error.hint)}


def _known(pick: str | None) -> str:
    if not pick or pick not in [run.id for run in visible_runs()]:
        raise GapruneError("No analysis is picked.", "Pick one from the list.")
    return pick
