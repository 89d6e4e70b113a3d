"""The studies that a visitor may open: the bundled ones, and on a private page those in the workspace."""

from __future__ import annotations

import re
from pathlib import Path

from gaprune_viz.app.session.access import visitor
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.study.document import STUDY_FILE
from gaprune_viz.storage.paths import assets
from gaprune_viz.storage.workspace import workspace

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
