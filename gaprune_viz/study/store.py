"""Cells of a study on disk: one small JSON file each, named by all that determines its numbers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from gaprune_viz.errors import GapruneError
from gaprune_viz.stored import stored_json
from gaprune_viz.workspace import write_whole

CELL_FORMAT = 1
DIGITS = 6


def content_key(content: dict[str, Any]) -> str:
    """A hash of what determines a cell."""
    text = json.dumps({"format": CELL_FORMAT, **content}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class CellStore:
    """Reads and writes the cells of one study folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "cells"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise GapruneError(
                f"{self.folder} cannot be made: {error.strerror}.", "Choose a folder you own with --out."
            ) from error

    def read(self, key: str) -> dict[str, Any] | None:
        """A finished cell; None where there is none, or a damaged one, which is then measured again."""
        try:
            document = stored_json(self.folder / f"{key}.json")
        except (OSError, ValueError):
            return None
        return document if isinstance(document, dict) and document.get("format") == CELL_FORMAT else None

    def write(self, key: str, document: dict[str, Any]) -> dict[str, Any]:
        """Keep a cell, numbers rounded; others see all of it or nothing. Returns what is kept.

        Raises:
            GapruneError: it cannot be written.
        """
        kept = rounded({"format": CELL_FORMAT, **document})
        write_whole(self.folder / f"{key}.json", json.dumps(kept, ensure_ascii=False, allow_nan=False) + "\n")
        return kept


def rounded(value: Any) -> Any:
    """The same document with every float at six digits after the point: far below any interval."""
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    return value
