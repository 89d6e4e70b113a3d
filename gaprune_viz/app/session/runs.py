"""The list of analyses that a visitor may see."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pandas as pd

from gaprune_viz.analysis.catalogue import KeptRun, delete_run, kept_runs, label_run, words_of
from gaprune_viz.app.session.access import visitor
from gaprune_viz.figures.kit.formatting import count

COLUMNS = ["Name", "Model", "Domain", "General", "Scope", "Samples", "Size", "Last used (UTC)", "Note", "Id"]


def visible_runs() -> list[KeptRun]:
    """All of them on one's own machine; on a public page those that this visitor made, by the names that they gave."""
    who = visitor()
    if not who.public:
        return kept_runs()
    own = [run for run in kept_runs() if who.access.owns(run.id, who.session)]
    words = [who.access.words(run.id, who.session) for run in own]
    return [replace(run, name=name, note=note) for run, (name, note) in zip(own, words, strict=True)]


def label(pick: str, name: str, note: str) -> None:
    """Give an analysis a name and a note; on a public page for this visitor only.

    Raises:
        GapruneError: they are too long, or the analysis is not this visitor's.
    """
    who = visitor()
    folder, words = who.folder(pick), words_of(name, note)
    if who.public:
        who.access.describe(pick, who.session, words)
    else:
        label_run(folder, *words)


def delete(pick: str) -> int:
    """Delete an analysis; on a public page it goes off this visitor's list, and off the disk with the last one's.

    Returns:
        the bytes that are free again.

    Raises:
        GapruneError: it is not this visitor's, or cannot be deleted.
    """
    who = visitor()
    folder = who.folder(pick)
    if who.public and not who.access.disown(pick, who.session):
        return 0
    return delete_run(folder)


def run_choices() -> list[tuple[str, str]]:
    """(label, id) of the analyses, for a dropdown; those of one label are told apart by their ids."""
    runs = visible_runs()
    times = Counter(run.label for run in runs)
    return [(run.label if times[run.label] == 1 else f"{run.label} ({run.id})", run.id) for run in runs]


def runs_table() -> pd.DataFrame:
    """The analyses as a table."""
    rows = [
        [
            run.name,
            run.model,
            run.domain,
            run.general,
            run.scope,
            run.samples,
            f"{count(run.bytes)}B",
            f"{run.used:%Y-%m-%d %H:%M}",
            run.note,
            run.id,
        ]
        for run in visible_runs()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)
