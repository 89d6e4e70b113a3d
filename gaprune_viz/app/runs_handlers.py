"""What the Runs tab does: list, label, delete. Opening one is going to its address."""

from __future__ import annotations

from typing import Any

import gradio as gr

from gaprune_viz.app import runs
from gaprune_viz.app.runs import run_choices, runs_table, visible_runs
from gaprune_viz.errors import GapruneError
from gaprune_viz.figures import panels
from gaprune_viz.figures.formatting import count


def listed(pick: str | None = None) -> list[Any]:
    """The picker, and the table of all analyses."""
    known = run_choices()
    chosen = pick if pick in [name for _, name in known] else None
    return [gr.update(choices=known, value=chosen), runs_table()]


def opened(pick: str | None, view: dict[str, Any]) -> list[Any]:
    """What the tab shows when it is opened: the list, the analysis on screen picked, its name and note."""
    known = {run.id for run in visible_runs()}
    wanted = next((name for name in (pick, view.get("analysis")) if name in known), None)
    return [*listed(wanted), *chosen(wanted)]


def clicked(event: gr.SelectData) -> list[Any]:
    """Pick the analysis of a clicked row. The row itself and not its place: the table may be sorted or filtered."""
    sent = getattr(event, "row_value", None)
    row = [str(value) for value in sent] if isinstance(sent, (list, tuple)) else []
    table = runs_table().astype(str).to_numpy().tolist()
    found = [run.id for run, line in zip(visible_runs(), table, strict=True) if line == row]
    return [found[0], *chosen(found[0])] if found else [gr.skip()] * 3


def chosen(pick: str | None) -> list[Any]:
    """Name and note of the picked analysis."""
    run = next((run for run in visible_runs() if run.id == pick), None)
    return [run.name, run.note] if run else ["", ""]


def save(pick: str | None, name: str, note: str) -> list[Any]:
    """Keep a name and a note."""
    try:
        runs.label(_known(pick), name or "", note or "")
        return [panels.notice("Saved."), *listed(pick)]
    except GapruneError as error:
        return [panels.error_card(error.message, error.hint), gr.skip(), gr.skip()]


def delete(pick: str | None, view: dict[str, Any]) -> list[Any]:
    """Delete the picked analysis; `pick` is None where the person thought better of it."""
    if not pick:
        return [gr.skip()] * 3
    try:
        if pick == view.get("analysis"):
            raise GapruneError("That analysis is on screen.", "Open another one first.")
        size = runs.delete(_known(pick))
        freed = f"; {count(size)}B are free again" if size else ""
        return [panels.notice(f"Deleted{freed}."), *listed()]
    except GapruneError as error:
        return [panels.error_card(error.message, error.hint), gr.skip(), gr.skip()]


def _known(pick: str | None) -> str:
    if not pick or pick not in [run.id for run in visible_runs()]:
        raise GapruneError("No analysis is picked.", "Pick one from the list.")
    return pick
