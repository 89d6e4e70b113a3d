"""The studies that a visitor may open."""

from __future__ import annotations

from pathlib import Path

from gaprune_viz.app.session.finished_experiments import Shelf
from gaprune_viz.experiments.study.document import STUDY_FILE

LABELS = {
    "chebi": "ChEBI terms (bundled)",
    "chebi-refit": "ChEBI terms, refits (bundled)",
    "chemistry": "Chemistry (bundled)",
    "finance": "Finance (bundled)",
}
STUDIES = Shelf("study", "study", "study-", STUDY_FILE, LABELS)


def study_choices() -> list[tuple[str, str]]:
    """(label, id) of the studies that this visitor may open."""
    return STUDIES.choices()


def place_of(name: str) -> Path:
    """The file or folder behind an id.

    Raises:
        GapruneError: there is none, or it is not this visitor's to open.
    """
    return STUDIES.place(name)
