"""The transfer maps that a visitor may open."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from gaprune_viz.app.session.finished_experiments import Shelf
from gaprune_viz.config.transfer import FOLDER_PREFIX
from gaprune_viz.experiments.transfer.document import TRANSFER_FILE, open_transfer

MAPS = Shelf("map", "transfer", FOLDER_PREFIX, TRANSFER_FILE, {"starters": "The three starter domains (bundled)"})
OPEN = 4


def opened(name: str, upload: str | None) -> dict[str, Any]:
    """A map: the uploaded one where there is one.

    Raises:
        GapruneError: there is none, it is damaged, or it is not this visitor's to open.
    """
    place = Path(upload) if upload else MAPS.place(name)
    file = place / TRANSFER_FILE if place.is_dir() else place
    if not file.is_file():
        return open_transfer(place)
    told = file.stat()
    return _read(file, told.st_mtime_ns, told.st_size)


@functools.lru_cache(maxsize=OPEN)
def _read(file: Path, changed: int, size: int) -> dict[str, Any]:
    """A file as it was at a time: moving through a map does not check it anew. Nobody changes what is given."""
    return open_transfer(file)
