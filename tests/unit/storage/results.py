"""A small result, written as a whole."""

from __future__ import annotations

from pathlib import Path

from gaprune_viz.storage.workspace import whole_folder

MARKER = "spec.json"


def write(place: Path, text: str = "{}") -> None:
    with whole_folder(place, marker=MARKER) as folder:
        (folder / MARKER).write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())
