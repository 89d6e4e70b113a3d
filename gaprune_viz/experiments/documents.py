"""Finished experiments as one JSON file each: found in their folder, and read within a size. Anybody may send one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.json_files import stored_json


@dataclass(frozen=True)
class DocumentKind:
    """What a file of some experiment is called, and what to do where it is not as it should be.

    Attributes:
        file: its name in the folder of the experiment.
        what: it is, in words: `study`.
        short: the same where it is clear which is meant.
        make: the command that makes one.
        again: what to do where it is damaged.
        most_bytes: larger ones are not read.
    """

    file: str
    what: str
    short: str
    make: str
    again: str
    most_bytes: int

    def read(self, place: Path, where: str = "") -> Any:
        """What the file in a folder holds, or the file itself; not checked yet.

        Args:
            where: how the place is called where there is none; as it is.

        Raises:
            GapruneError: there is none, it is too large, or it is no JSON.
        """
        file = place / self.file if place.is_dir() else place
        if not file.is_file():
            raise GapruneError(f"There is no {self.what} in {where or place}.", f"Make one: `{self.make}`.")
        try:
            if file.stat().st_size > self.most_bytes:
                raise GapruneError(
                    f"{file.name} is larger than {self.most_bytes >> 20} MB.", f"Give the file of one {self.short}."
                )
            return stored_json(file)
        except (OSError, ValueError) as error:
            raise GapruneError(f"{file.name} is damaged: {error}.", self.again) from error
