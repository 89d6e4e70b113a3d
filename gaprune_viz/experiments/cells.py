"""Finished cells on disk, for every kind of experiment: one small JSON file each, named by all that determines it.

A cell is kept before the next begins, so that whatever was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.json_files import stored_json
from gaprune_viz.storage.workspace import write_first, write_whole

STUDY_FORMAT, SWEEP_FORMAT = 1, 3
STUDY_CELLS, SWEEP_CELLS = "cells", "sweep-cells"
DIGITS = 6
"""Of a study's numbers, after the point: far below any interval."""


def content_key(content: dict[str, Any]) -> str:
    """A hash of what determines a cell of a study."""
    text = json.dumps({"format": STUDY_FORMAT, **content}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class CellStore:
    """The cells in one folder.

    Attributes:
        folder: where they are.
        format: the version that cells are written with; one of another is measured again.
        digits: numbers are rounded to so many after the point; None keeps them whole.
    """

    folder: Path
    format: int
    digits: int | None = None

    def read(self, key: str, *parts: str) -> dict[str, Any] | None:
        """A finished cell with these parts; None where there is none, or a damaged one: it is measured again."""
        try:
            document = stored_json(self.folder / f"{key}.json")
        except (OSError, ValueError):
            return None
        whole = isinstance(document, dict) and document.get("format") == self.format and document.keys() >= set(parts)
        return document if whole else None

    def write(self, key: str, document: dict[str, Any]) -> dict[str, Any]:
        """Keep a cell; others see all of it or nothing. Returns what is kept.

        Raises:
            GapruneError: it cannot be written.
        """
        kept = self._kept(document)
        write_whole(self.folder / f"{key}.json", _text(kept))
        return kept

    def write_once(self, key: str, document: dict[str, Any]) -> dict[str, Any]:
        """Keep a cell that nobody has kept yet. Returns what is kept: the first that anybody wrote.

        Raises:
            GapruneError: it cannot be written.
        """
        kept = self._kept(document)
        if write_first(self.folder / f"{key}.json", _text(kept)):
            return kept
        # One that is damaged, or of another format, is replaced.
        return self.read(key, *kept) or self.write(key, document)

    def _kept(self, document: dict[str, Any]) -> dict[str, Any]:
        kept = {"format": self.format, **document}
        return kept if self.digits is None else rounded(kept, self.digits)


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n"


def study_cells(folder: Path) -> CellStore:
    """The cells of a study or of a search in its folder, which is made.

    Raises:
        GapruneError: it cannot be made.
    """
    place = _made(folder / STUDY_CELLS, "Choose a folder you own with --out.")
    return CellStore(place, STUDY_FORMAT, DIGITS)


def sweep_cells(analysis: Path) -> CellStore:
    """The cells of all sweeps of an analysis, kept in its folder.

    Raises:
        GapruneError: they cannot be.
    """
    return CellStore(_made(analysis / SWEEP_CELLS, "Copy the analysis to a folder you own."), SWEEP_FORMAT)


def _made(folder: Path, hint: str) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GapruneError(f"{folder} cannot be made: {error.strerror}.", hint) from error
    return folder


def rounded(value: Any, digits: int = DIGITS) -> Any:
    """The same document with every float at so many digits after the point."""
    if isinstance(value, float):
        return round(value, digits)
    if isinstance(value, dict):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item, digits) for item in value]
    return value
