"""Folders that `datasets` saved (`Dataset.save_to_disk`), read without the library."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from gaprune_viz.data.readers.arrow_table import arrow_table
from gaprune_viz.data.readers.encodings import tell
from gaprune_viz.data.readers.table import Table
from gaprune_viz.data.text_files import check_file, parse_json, whole_text
from gaprune_viz.errors import GapruneError

STATE, SPLITS = "state.json", "dataset_dict.json"
_PREFERRED = ("train", "validation", "dev", "test")


def is_saved(folder: Path) -> bool:
    """Whether `datasets` saved this folder: one set, or one for each split."""
    return folder.is_dir() and ((folder / STATE).is_file() or (folder / SPLITS).is_file())


def open_saved(folder: Path) -> Table:
    """A saved set; of several splits train, where there is one.

    Raises:
        GapruneError: the folder is damaged, or names a file outside itself.
    """
    split = ""
    if (folder / SPLITS).is_file() and not (folder / STATE).is_file():
        names = _document(folder / SPLITS).get("splits")
        splits = [name for name in names if _is_name(name)] if isinstance(names, list) else []
        if not splits:
            raise _damaged(folder, SPLITS)
        split = next((name for name in _PREFERRED if name in splits), splits[0])
    inner = folder / split if split else folder
    listed = _document(inner / STATE).get("_data_files")
    entries = listed if isinstance(listed, list) else []
    files = [entry.get("filename") if isinstance(entry, dict) else None for entry in entries]
    if not files or not all(_is_name(name) for name in files):
        raise _damaged(inner, STATE)
    parts = [inner / str(name) for name in files]
    for part in parts:
        check_file(part)
        if part.is_symlink():
            raise GapruneError(f"{part.name} is a link.", "Save the set anew.")
    table = arrow_table(parts, folder, "Saved dataset")
    if split:
        tell(table.remarks, f"{folder.name} holds several splits; {split} is read")
    return table


def _document(path: Path) -> dict[str, Any]:
    value = parse_json(whole_text(path), path.name)
    if not isinstance(value, dict):
        raise _damaged(path.parent, path.name)
    return value


def _is_name(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(r"\w[\w.-]*", name) is not None


def _damaged(folder: Path, file: str) -> GapruneError:
    return GapruneError(f"{folder.name}/{file} is damaged.", "Save the set anew with Dataset.save_to_disk.")
