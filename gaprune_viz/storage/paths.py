"""Where the packaged assets lie, and what a person named."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

NOWHERE = Path(os.devnull) / "nowhere"


def assets() -> Path:
    """The folder with the starter collection, the bundled demo, styles and scripts.

    In a checkout it is `assets/` beside the package; in an installed wheel it is inside the package.
    """
    here = Path(__file__).resolve().parents[1]
    inside = here / "assets"
    return inside if inside.is_dir() else here.parent / "assets"


def named(text: str) -> Path:
    """A path that a person named; `~` is their home. A place where nothing is, where the text can be no path here:
    it is too long, of a user who is not there, or in a folder that may not be read."""
    try:
        path = Path(text).expanduser()
        path.exists()
    except (OSError, RuntimeError):
        return NOWHERE
    return path


def stamp(place: Path) -> tuple[tuple[str, int, int], ...]:
    """What tells a file, or a folder with those in it and one level down, from what was there before.

    Returns:
        for each file its name, when it was changed (nanoseconds) and its bytes; nothing where nothing is.
    """
    found = []
    for path in [place, *place.glob("*"), *place.glob("*/*")] if place.is_dir() else [place]:
        # It may go meanwhile.
        with suppress(OSError):
            told = path.stat()
            found.append((str(path), told.st_mtime_ns, told.st_size))
    return tuple(sorted(found))
