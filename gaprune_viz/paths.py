"""Where the packaged assets lie."""

from __future__ import annotations

from pathlib import Path


def assets() -> Path:
    """The folder with the starter collection, the bundled demo, styles and scripts.

    In a checkout it is `assets/` beside the package; in an installed wheel it is inside the package.
    """
    here = Path(__file__).resolve().parent
    inside = here / "assets"
    return inside if inside.is_dir() else here.parent / "assets"
