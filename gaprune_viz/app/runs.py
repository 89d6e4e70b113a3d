"""The list of analyses that a visitor may see."""

from __future__ import annotations

import pandas as pd

from gaprune_viz.app.access import visitor
from gaprune_viz.figures.formatting import count
from gaprune_viz.history import KeptRun, kept_runs

COLUMNS = ["Name", "Model", "Domain", "General", "Scope", "Samples", "Size", "Last used (UTC)", "Note"]


def visible_runs() -> list[KeptRun]:
    """All of them on one's own machine; on a public page those that this visitor made."""
    who = visitor()
    return [run for run in kept_runs() if not who.public or who.access.owns(run.id, who.session)]


def run_choices() -> list[tuple[str, str]]:
    """(label, id) of the analyses, for a dropdown."""
    return [(run.label, run.id) for run in visible_runs()]


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
        ]
        for run in visible_runs()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)
