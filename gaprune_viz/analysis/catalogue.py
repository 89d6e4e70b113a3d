"""The analyses kept on this machine: what they are, a name and a note for each, their size; and deleting one."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gaprune_viz.errors import GapruneError
from gaprune_viz.storage.folder_swap import bring_back
from gaprune_viz.storage.json_files import stored_json
from gaprune_viz.storage.workspace import folder_bytes, workspace, write_whole

PREFIX = "analysis-"
SPEC_FILE, LABEL_FILE = "spec.json", "label.json"
LONGEST_NAME, LONGEST_NOTE = 80, 2_000


@dataclass(frozen=True)
class KeptRun:
    """An analysis in the workspace.

    Attributes:
        id: name of its folder.
        name, note: given by a person; empty where nobody did.
        model, domain, general, scope: what was analysed.
        samples: triplets of the domain's side.
        bytes: of its folder.
        used: when it was made, found again or opened last, UTC.
    """

    id: str
    name: str
    note: str
    model: str
    domain: str
    general: str
    scope: str
    samples: int
    bytes: int
    used: datetime

    @property
    def label(self) -> str:
        """Its name, or what it is."""
        return self.name or f"{self.model}, {self.domain} against {self.general}, {self.scope}, {self.samples} samples"


def kept_runs(base: Path | None = None) -> list[KeptRun]:
    """All analyses of the workspace, the one used last first. A damaged one is left out."""
    base = base or workspace()
    bring_back(base)
    folders = [f for f in base.glob(f"{PREFIX}*") if f.is_dir() and not f.is_symlink()]
    found = [run for folder in folders if (run := _read(folder)) is not None]
    return sorted(found, key=lambda run: run.used, reverse=True)


def label_run(folder: Path, name: str, note: str) -> None:
    """Give an analysis a name and a note.

    Raises:
        GapruneError: they are too long, or cannot be written.
    """
    name, note = words_of(name, note)
    text = json.dumps({"name": name, "note": note}, ensure_ascii=False)
    write_whole(folder / LABEL_FILE, text + "\n")


def words_of(name: str, note: str) -> tuple[str, str]:
    """A name and a note as they are kept.

    Raises:
        GapruneError: they are too long.
    """
    name, note = " ".join(name.split()), note.strip()
    if len(name) > LONGEST_NAME or len(note) > LONGEST_NOTE:
        raise GapruneError(
            "The name or the note is too long.",
            f"Use at most {LONGEST_NAME} characters for the name and {LONGEST_NOTE:,} for the note.",
        )
    return name, note


def delete_run(folder: Path) -> int:
    """Delete an analysis of the workspace.

    Returns:
        the bytes that it took.

    Raises:
        GapruneError: it is not one, or cannot be deleted.
    """
    inside = folder.resolve().parent == workspace().resolve() and folder.name.startswith(PREFIX)
    if not inside or folder.is_symlink() or not (folder / SPEC_FILE).is_file():
        raise GapruneError("That is not an analysis of this workspace.", "Choose one from the list.")
    size = folder_bytes(folder)
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise GapruneError(f"{folder.name} cannot be deleted: {error.strerror}.", "Check permissions.") from error
    return size


def _read(folder: Path) -> KeptRun | None:
    try:
        document = stored_json(folder / SPEC_FILE)
        data = document["data"]
        used = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
        return KeptRun(
            id=folder.name,
            **_label(folder),
            model=str(document["model"]["label"]),
            domain=str(data["domain"]["name"]),
            general=str(data["general"]["name"]),
            scope=str(document["run"]["calibration"]["scope"]),
            samples=int(data["domain"]["samples"]),
            bytes=folder_bytes(folder),
            used=used,
        )
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None


def _label(folder: Path) -> dict[str, str]:
    try:
        found: Any = stored_json(folder / LABEL_FILE)
    except (OSError, ValueError):
        return {"name": "", "note": ""}
    found = found if isinstance(found, dict) else {}
    return {
        "name": str(found.get("name", ""))[:LONGEST_NAME],
        "note": str(found.get("note", ""))[:LONGEST_NOTE],
    }
