"""The numbers on screen as files."""

from __future__ import annotations

import json

from gaprune_viz.app.session.downloads import written
from gaprune_viz.app.session.view import Live
from gaprune_viz.figures.weights.atlas import atlas_table
from gaprune_viz.storage.csv_tables import csv_text


def write_table(now: Live) -> str:
    """The matrix table as CSV; the path of the file."""
    return written("matrices.csv", csv_text(atlas_table(now.table, now.label)))


def write_settings(now: Live) -> str:
    """Run, settings and diagnostics as JSON; the path of the file."""
    preview = now.preview
    document = {
        "run": now.analysis.run.model_dump(mode="json"),
        "settings": preview.settings.model_dump(mode="json"),
        "analysis": now.analysis.key,
        "preview": {
            "kappa": preview.kappa,
            "term_shares": preview.term_shares,
            "overlap": now.overlaps.overlap,
            "jaccard": now.overlaps.jaccard,
            "pruned_fraction": dict(zip(now.analysis.statistics.names, preview.pruned_fraction.tolist(), strict=True)),
            "sentence": preview.sentence,
        },
        "versions": now.analysis.statistics.document["versions"],
    }
    return written("settings.json", json.dumps(document, indent=2, ensure_ascii=False) + "\n")
