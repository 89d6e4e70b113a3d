"""Folders of the Hugging Face cache, `models--org--name`: which snapshot in them is meant, and whose it is."""

from __future__ import annotations

import re
from pathlib import Path

from gaprune_viz.errors import GapruneError

_ENTRY = re.compile(r"models--(?P<name>.+)")


def entry_name(folder: Path) -> str | None:
    """`org/name` where a folder is an entry of the Hugging Face cache, or a snapshot in one; else None."""
    for place in (folder, *folder.parents[:2]):
        match = _ENTRY.fullmatch(place.name)
        if match and (place is folder or folder.parent.name == "snapshots"):
            return match["name"].replace("--", "/", 1)
    return None


def snapshot_in(folder: Path, revision: str | None = None) -> Path:
    """The snapshot of a cache entry: that of a revision, else of `main`, else the only one; any other folder as it is.

    Raises:
        GapruneError: the entry holds no such snapshot, or several and none is `main`.
    """
    if not _ENTRY.fullmatch(folder.name) or not (folder / "snapshots").is_dir():
        return folder
    found = sorted(place for place in (folder / "snapshots").iterdir() if place.is_dir())
    commit = revision
    for ref in (revision, None if revision else "main"):
        place = folder / "refs" / ref if ref else None
        if place is not None and place.is_file():
            commit = place.read_text(encoding="utf-8").strip()
    matching = [place for place in found if commit and place.name.startswith(commit)]
    if len(matching) == 1:
        return matching[0]
    if not revision and len(found) == 1:
        return found[0]
    raise GapruneError(
        f"The cache folder {folder.name} holds {len(found)} snapshots"
        f"{f', none of them of {revision!r}' if revision else ''}.",
        f"Give one of them: {', '.join(str(place) for place in found[:3])}." if found else "Download the model again.",
    )
