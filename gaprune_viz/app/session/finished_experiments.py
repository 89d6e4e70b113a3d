"""Finished experiments that a visitor may open: the bundled ones, and on a private page those in the workspace."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gaprune_viz.app.session.access import visitor
from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.paths import assets
from gaprune_viz.storage.workspace import workspace

BUNDLED, OWN = "bundled:", "own:"


@dataclass(frozen=True)
class Shelf:
    """Where experiments of one kind are.

    Attributes:
        what: one of them, in words: `study`.
        folder: of the bundled ones, in the assets; one JSON file each.
        prefix: of folders in the workspace.
        file: the result in such a folder.
        labels: of bundled files, by their stem.
    """

    what: str
    folder: str
    prefix: str
    file: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def choices(self) -> list[tuple[str, str]]:
        """(label, id) of what this visitor may open."""
        # By its name without the ending: one that another is named after comes before it.
        bundled = sorted((assets() / self.folder).glob("*.json"), key=lambda place: place.stem)
        found = [(self.labels.get(place.stem, place.stem), BUNDLED + place.stem) for place in bundled]
        if not visitor().public:
            own = (place for place in sorted(workspace().glob(f"{self.prefix}*")) if (place / self.file).is_file())
            found += [(p.name.removeprefix(self.prefix), self.id_of(p.name)) for p in own if self.may_be(p.name)]
        return found

    def may_be(self, folder: str) -> bool:
        """Whether a folder in the workspace may have such a name."""
        return re.fullmatch(rf"{re.escape(self.prefix)}[A-Za-z0-9_.-]{{1,64}}", folder) is not None

    def folder_of(self, name: object) -> str:
        """The folder in the workspace for a new one, by the name that a person gives it.

        Raises:
            GapruneError: a folder may not be called so.
        """
        folder = f"{self.prefix}{str(name or '').strip()}"
        if not self.may_be(folder) or folder.endswith("."):
            raise GapruneError(
                f"A {self.what} needs a name of letters, digits, dots, dashes and underscores.",
                "Write for example: mine.",
            )
        return folder

    def id_of(self, folder: str) -> str:
        """The id of a folder in the workspace, by its name."""
        return OWN + folder

    def place(self, name: str) -> Path:
        """The file or folder behind an id.

        Raises:
            GapruneError: there is none, or it is not this visitor's to open.
        """
        if name not in {value for _, value in self.choices()}:
            raise GapruneError(
                f"That {self.what} is not here, or no longer.", f"Choose another, or open its {self.file}."
            )
        if name.startswith(BUNDLED):
            return assets() / self.folder / f"{name.removeprefix(BUNDLED)}.json"
        return workspace() / name.removeprefix(OWN)
